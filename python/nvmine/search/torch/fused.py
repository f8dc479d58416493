"""Multiplies and finds the pairs in doubt in one Triton kernel, so scores stay in registers and never reach memory.

Once lists are full, almost no tile of scores contains a pair in doubt, and such a tile writes nothing. Prefer
:mod:`nvmine.search.torch.doubtful` while lists are filling, or where Triton is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl

from nvmine.search.torch.doubtful import Doubtful, Zones

if TYPE_CHECKING:
    from nvmine.search.torch.product import Factor

# Queries and passages of a tile, components per step, and how many tiles of queries run together on the same passages.
_QUERIES, _PASSAGES, _COMPONENTS, _TOGETHER = 128, 256, 64, 8
# Number of pairs per query that the output has room for.
_ROOM = 16


def doubtful_product(queries: Factor, passages: Factor, zones: Zones) -> Doubtful | None:
    """Returns what :func:`nvmine.search.torch.doubtful.doubtful` finds in the product; None if too many are in doubt.

    Parameters
    ----------
    queries, passages
        float16 or bfloat16 vectors on the same device; sums are float32.
    zones
        The zones of lists that are full: floors are used as they are.
    """
    left, right = queries.vectors.contiguous(), passages.vectors.contiguous()
    device, (rows, dimension), width = left.device, left.shape, len(right)
    room = _ROOM * rows
    pairs = torch.empty((2, room), dtype=torch.int32, device=device)
    count = torch.zeros(1, dtype=torch.int32, device=device)
    outside = torch.zeros((2, rows), dtype=torch.int32, device=device)
    tiles = triton.cdiv(rows, _QUERIES) * triton.cdiv(width, _PASSAGES)
    _kernel[(tiles,)](
        left,
        right,
        *zones[:4],
        outside[0],
        outside[1],
        count,
        pairs[0],
        pairs[1],
        rows,
        width,
        dimension,
        room,
        has_floor=zones.has_floor,
        tile_queries=_QUERIES,
        tile_passages=_PASSAGES,
        tile_components=_COMPONENTS,
        together=_TOGETHER,
        num_warps=8,
        num_stages=3,
    )
    found = int(count)
    if found > room:
        return None
    # Tiles finish in any order, so the pairs are sorted.
    keys = (pairs[0, :found].long() * width + pairs[1, :found]).sort().values
    too_high, too_low = outside.long()
    counts = torch.bincount(keys.div(width, rounding_mode="floor"), minlength=rows)
    return Doubtful(counts, keys.remainder(width), too_high, too_low)


@triton.jit  # type: ignore[untyped-decorator, unused-ignore]
def _kernel(  # type: ignore[no-untyped-def]  # noqa: ANN202
    queries: Any,
    passages: Any,
    ceilings: Any,
    floors: Any,
    lows: Any,
    low_ends: Any,
    too_high: Any,
    too_low: Any,
    count: Any,
    rows_out: Any,
    places_out: Any,
    rows: Any,
    width: Any,
    dimension: Any,
    room: Any,
    has_floor: tl.constexpr,
    tile_queries: tl.constexpr,
    tile_passages: tl.constexpr,
    tile_components: tl.constexpr,
    together: tl.constexpr,
):
    # Tiles that run at the same time share queries and passages, which stay in the cache.
    tiles_down, tiles_across = tl.cdiv(rows, tile_queries), tl.cdiv(width, tile_passages)
    band = tl.program_id(0) // (together * tiles_across)
    within = tl.program_id(0) % (together * tiles_across)
    height = tl.minimum(tiles_down - band * together, together)
    row = (band * together + within % height) * tile_queries + tl.arange(0, tile_queries)
    place = (within // height) * tile_passages + tl.arange(0, tile_passages)
    is_row, is_place = row < rows, place < width
    scores = tl.zeros((tile_queries, tile_passages), tl.float32)
    left_start, right_start = row.to(tl.int64) * dimension, place.to(tl.int64) * dimension
    for start in range(0, dimension, tile_components):
        component = start + tl.arange(0, tile_components)
        is_component = component < dimension
        left = tl.load(
            queries + left_start[:, None] + component[None, :], mask=is_row[:, None] & is_component[None, :], other=0.0
        )
        right = tl.load(
            passages + right_start[None, :] + component[:, None],
            mask=is_place[None, :] & is_component[:, None],
            other=0.0,
        )
        scores = tl.dot(left, right, scores)
    inside = is_row[:, None] & is_place[None, :]
    ceiling = tl.load(ceilings + row, mask=is_row, other=0.0)
    floor = tl.load(floors + row, mask=is_row, other=0.0)
    high = scores > ceiling[:, None]
    decided = high | (scores < floor[:, None])
    above = tl.sum((high & inside).to(tl.int32), 1)
    tl.atomic_add(too_high + row, above, mask=is_row & (above > 0))
    if has_floor:
        low = scores < tl.load(lows + row, mask=is_row, other=0.0)[:, None]
        decided = decided & (low | (scores > tl.load(low_ends + row, mask=is_row, other=0.0)[:, None]))
        below = tl.sum((low & inside).to(tl.int32), 1)
        tl.atomic_add(too_low + row, below, mask=is_row & (below > 0))
    # A NaN is neither above nor below anything, so it stays in doubt.
    doubt = inside & (decided == 0)
    one = doubt.to(tl.int32)
    if tl.sum(tl.sum(one, 1), 0) > 0:
        slot = tl.atomic_add(count + tl.zeros_like(one), one, mask=doubt)
        kept = doubt & (slot < room)
        tl.store(rows_out + slot, row[:, None] + tl.zeros_like(one), mask=kept)
        tl.store(places_out + slot, place[None, :] + tl.zeros_like(one), mask=kept)

"""Every query against every passage, block by block.

A matrix product gives scores, tile by tile on the CPU, where each thread selects from the tile that it has just made
while the caches hold it, and block by block where torch multiplies (:mod:`nvmine.search.torch.workers`). The core keeps what
could be among the best and scores that again in a fixed order, so the outcome depends neither on the blocks nor on who
multiplied. Passages are gone through once, in the outer loop: a corpus that is mapped from files is read once, however
many the queries.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.data.vectors import Vectors, as_float32
from nvmine.errors import SearchError
from nvmine.search.torch.product import Product
from nvmine.search.torch.workers import WORKERS, Devices, search_on_devices

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# Larger blocks gain nothing.
_MOST_QUERIES = 16384
_MOST_PASSAGES = 4096
# A device does so many in milliseconds, and each block is a moment's work for others.
_MOST_PASSAGES_OF_A_DEVICE = 65536
# Fewer at a time make poor use of a device.
_LEAST_PASSAGES = 512
# float32, masks, and the copy of it that a list which is not full yet takes.
_BYTES_A_SCORE = 16


class Sought(NamedTuple):
    """Which passages are looked for: the best `depth` of each query within its bounds.

    ``ceilings``, float64 (queries,), are exclusive; `floor` is inclusive. ``excluded`` are row numbers of passages: the
    offsets of each query's, and the numbers. So many of the best of all are `kept` besides, whatever the bounds.
    """

    depth: int
    ceilings: Float64Array | None = None
    floor: float = -np.inf
    excluded: tuple[Int64Array, Int64Array] | None = None
    kept: int = 0


class Found(NamedTuple):
    """What is found for some queries.

    Ids int64 and scores float64 (queries, depth), best first, -1 and NaN where there are no more; and how many passages
    of each query lie at or above its ceiling, or else below the floor, excluded ones among them. The best of all are
    (queries, kept).
    """

    ids: Int64Array
    scores: Float64Array
    too_high: Int64Array
    too_low: Int64Array
    kept_ids: Int64Array
    kept_scores: Float64Array

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Found:
        """What is found for some of them."""
        return Found(*(part[rows] for part in self))  # type: ignore[arg-type]


def search_blocks(
    queries: Vectors,
    rows: Int64Array,
    passages: Vectors,
    sought: Sought,
    *,
    memory: int,
    cosine: bool = False,
    rounded: bool = False,
    device: str | Sequence[str] | None = None,
    threads: int | None = None,
) -> Found:
    """The best passages of some queries.

    Parameters
    ----------
    queries, passages
        Vectors of one dimension.
    rows
        int64 (q,): row numbers of queries, repeated ones too.
    sought
        What is looked for, a row for each of `rows`.
    memory
        Bytes for blocks, beside the vectors and what is found.
    cosine
        Compare by cosine, 0 where a vector is zero; else by dot product.
    rounded
        Round scores to float32 before they are compared with anything.
    device
        Where torch multiplies, such as "cuda", or several that share the work; None: the core does, on the CPU.
    threads
        For the core.

    Raises
    ------
    SearchError
        A vector has a component that is NaN or infinite; the message names it.
    """
    names = [device] if isinstance(device, str) else list(device or ())
    products = [Product(name, queries, passages, cosine=cosine) for name in names]
    third = memory // 3
    # On a device the scores of a block are held whole.
    room = min((product.room(third) for product in products), default=0)
    if products:
        step, width = _sizes_on_devices(len(rows), queries.dimension, third, room, len(products))
    else:
        step = _even(len(rows), min(_MOST_QUERIES, third // (8 * queries.dimension)))
        width = max(1, min(_MOST_PASSAGES, third // (8 * passages.dimension)))
    # One of no rows where there are none.
    blocks = [slice(start, min(start + step, len(rows))) for start in range(0, max(1, len(rows)), step)]
    bests = [_core.Best(block.stop - block.start, sought.depth, **_bounds(sought, block)) for block in blocks]
    own = _Queries(queries, rows, blocks, held=len(rows) * queries.dimension * 4 <= third)
    if products:
        search = Devices(
            products=products,
            bests=bests,
            queries=lambda: iter(own),
            kept=sought.kept > 0,
            has_floor=sought.floor > -np.inf,
            cosine=cosine,
            rounded=rounded,
            room=room,
            threads=threads,
        )
        search_on_devices(search, passages.blocks(width))
    else:
        for first, vectors in passages.blocks(width):
            block = as_float32(vectors)
            for best, some in zip(bests, own, strict=True):
                best.search(some, block, first, cosine=cosine, rounded=rounded, threads=threads)
    parts = [(*best.finish(), *best.outside(), *best.finish_kept()) for best in bests]
    return Found(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _sizes_on_devices(queries: int, dimension: int, third: int, room: int, devices: int) -> tuple[int, int]:
    """Queries and passages of a block: a third of the memory is for either, and there is `room` for scores."""
    step = _even(queries, min(_MOST_QUERIES, third // (8 * dimension), room // (_BYTES_A_SCORE * _LEAST_PASSAGES)))
    at_once = WORKERS * devices
    width = min(_MOST_PASSAGES_OF_A_DEVICE, third // (8 * dimension * at_once), room // (_BYTES_A_SCORE * step))
    return step, max(1, width)


def _even(rows: int, most: int) -> int:
    """The size of blocks of one size, none larger than `most`."""
    return math.ceil(rows / math.ceil(rows / max(1, most))) if rows else 1


def _bounds(sought: Sought, block: slice) -> dict[str, Any]:
    bounds: dict[str, Any] = {"floor": sought.floor, "kept": sought.kept}
    if sought.ceilings is not None:
        bounds["ceilings"] = sought.ceilings[block]
    if sought.excluded is not None:
        offsets, ids = sought.excluded
        bounds["excluded"] = (offsets[block.start : block.stop + 1], ids)
    return bounds


class _Queries:
    """Blocks of query vectors; held, or read again for each block of passages."""

    def __init__(self, queries: Vectors, rows: Int64Array, blocks: list[slice], *, held: bool) -> None:
        self._queries, self._rows, self._blocks = queries, rows, blocks
        self._held: list[Float32Array] | None = None
        some = []
        for block, vectors in zip(blocks, self._read(), strict=True):
            wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
            if wrong.size:
                row = int(rows[block.start + wrong[0]])
                raise SearchError("query vector has a component that is NaN or infinite", row=row)
            if held:
                some.append(vectors)
        if held:
            self._held = some

    def __iter__(self) -> Iterator[Float32Array]:
        return self._read() if self._held is None else iter(self._held)

    def _read(self) -> Iterator[Float32Array]:
        return (self._queries.rows(self._rows[block]) for block in self._blocks)

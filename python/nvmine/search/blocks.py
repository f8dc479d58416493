"""Every query against every passage, block by block.

A matrix product gives a block of scores, small enough for the processor's caches; the core keeps what could be among the
best and scores that again in a fixed order, so the outcome depends neither on the blocks nor on who multiplied. Passages
are gone through once, in the outer loop: a corpus that is mapped from files is read once, however many the queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.data.vectors import Vectors
from nvmine.errors import SearchError

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# A block's scores have 8 MiB at most. Larger products are no faster, and their scores leave the caches.
_MOST_QUERIES = 2048
_MOST_PASSAGES = 1024


class Sought(NamedTuple):
    """Which passages are looked for: the best `depth` of each query within its bounds.

    ``ceilings``, float64 (queries,), are exclusive; `floor` is inclusive. ``excluded`` are row numbers of passages, (the
    offsets of each query's, the numbers).
    """

    depth: int
    ceilings: Float64Array | None = None
    floor: float = -np.inf
    excluded: tuple[Int64Array, Int64Array] | None = None


class Found(NamedTuple):
    """Ids int64 and scores float64 (queries, depth), best first, -1 and NaN where there are no more; and how many
    passages of each query lie at or above its ceiling, or else below the floor, excluded ones among them."""

    ids: Int64Array
    scores: Float64Array
    too_high: Int64Array
    too_low: Int64Array


def search_blocks(
    queries: Vectors,
    rows: Int64Array,
    passages: Vectors,
    sought: Sought,
    *,
    memory: int,
    cosine: bool = False,
    rounded: bool = False,
    device: str | None = None,
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
        Where torch multiplies, such as "cuda"; None: numpy, on the CPU.
    threads
        For the core; the library that multiplies has settings of its own.

    Raises
    ------
    SearchError
        A vector has a component that is NaN or infinite; the message names it.
    """
    third = memory // 3
    step = max(1, min(_MOST_QUERIES, third // (4 * queries.dimension), third // 1024))
    width = max(1, min(_MOST_PASSAGES, third // (8 * passages.dimension), third // (4 * min(step, max(1, len(rows))))))
    blocks = [slice(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]
    bests = [_core.Best(block.stop - block.start, sought.depth, **_bounds(sought, block)) for block in blocks]
    multiply, roundoff = product(device)
    left = _Queries(queries, rows, blocks, cosine=cosine, held=len(rows) * queries.dimension * 4 <= third)
    for first, vectors in passages.blocks(width):
        right = units(vectors) if cosine else vectors
        for best, (own, unit) in zip(bests, left, strict=True):
            scores = multiply(unit, right)
            best.update(
                scores, own, vectors, first, cosine=cosine, rounded=rounded, input_roundoff=roundoff, threads=threads
            )
    found, outside = [best.finish() for best in bests], [best.outside() for best in bests]
    empty = np.empty((0, sought.depth))
    return Found(
        np.concatenate([empty.astype(np.int64), *(ids for ids, _ in found)]),
        np.concatenate([empty, *(scores for _, scores in found)]),
        np.concatenate([np.empty(0, np.int64), *(high for high, _ in outside)]),
        np.concatenate([np.empty(0, np.int64), *(low for _, low in outside)]),
    )


def _bounds(sought: Sought, block: slice) -> dict[str, object]:
    bounds: dict[str, object] = {"floor": sought.floor}
    if sought.ceilings is not None:
        bounds["ceilings"] = sought.ceilings[block]
    if sought.excluded is not None:
        offsets, ids = sought.excluded
        bounds["excluded"] = (offsets[block.start : block.stop + 1], ids)
    return bounds


class _Queries:
    """Blocks of query vectors, as they are and as they are multiplied; held, or read again for each block of passages."""

    def __init__(
        self, queries: Vectors, rows: Int64Array, blocks: list[slice], *, cosine: bool, held: bool
    ) -> None:
        self._queries, self._rows, self._blocks, self._cosine = queries, rows, blocks, cosine
        self._held: list[tuple[Float32Array, Float32Array]] | None = None
        blocks_once = []
        for block, (own, unit) in zip(blocks, self._read(), strict=True):
            wrong = np.flatnonzero(~np.isfinite(own).all(axis=1))
            if wrong.size:
                row = int(rows[block.start + wrong[0]])
                raise SearchError("query vector has a component that is NaN or infinite", row=row)
            if held:
                blocks_once.append((own, unit))
        if held:
            self._held = blocks_once

    def __iter__(self) -> Iterator[tuple[Float32Array, Float32Array]]:
        return self._read() if self._held is None else iter(self._held)

    def _read(self) -> Iterator[tuple[Float32Array, Float32Array]]:
        for block in self._blocks:
            own = self._queries.rows(self._rows[block])
            yield own, units(own) if self._cosine else own


def units(vectors: Float32Array) -> Float32Array:
    """The vectors divided by their norms; zero stays zero. Off by 2**-23 of a component at most."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    norms[norms == 0] = 1
    result: Float32Array = (vectors / norms[:, None]).astype(np.float32)
    return result


def product(device: str | None) -> tuple[Callable[[Float32Array, Float32Array], Float32Array], float]:
    """``queries @ passages.T`` in float32, valid until the next one, and the unit roundoff of its inputs."""
    # What the vectors lose when they are divided by their norms.
    roundoff = 2.0**-23
    if device is None or (device == "cpu" and find_spec("torch") is None):
        room = np.empty(0, np.float32)

        def multiply(queries: Float32Array, passages: Float32Array) -> Float32Array:
            nonlocal room
            cells = len(queries) * len(passages)
            if room.size < cells:
                room = np.empty(cells, np.float32)
            out = room[:cells].reshape(len(queries), len(passages))
            return np.matmul(queries, passages.T, out=out)

        return multiply, roundoff
    import torch

    # A program may have asked torch for TF32 or bfloat16 products; they stay exact here, with a wider shortlist.
    roundoff += {"highest": 0.0, "high": 2.0**-11, "medium": 2.0**-8}[torch.get_float32_matmul_precision()]
    if torch.backends.cuda.matmul.allow_tf32:
        roundoff = max(roundoff, 2.0**-23 + 2.0**-11)

    def multiply_there(queries: Float32Array, passages: Float32Array) -> Float32Array:
        left, right = (torch.from_numpy(array).to(device) for array in (queries, passages))
        result: Float32Array = (left @ right.T).cpu().numpy()
        return result

    return multiply_there, roundoff

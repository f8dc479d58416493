"""Compares every query with every passage, block by block.

A matrix product gives approximate scores. On the CPU the core multiplies tile by tile, and each thread selects from the
tile that it has just computed while it is in the caches; torch (:mod:`nvmine.search.torch.workers`) multiplies a whole
block at once. The core keeps what could be among the best and scores that again in a fixed order, so the result
depends neither on the blocks nor on what multiplied. The outer loop goes over the passages, so a corpus that is mapped
from files is read once, however many queries there are.
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
from nvmine.search.torch.workers import WORKERS, DeviceSearch, search_on_devices

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# Larger blocks gain nothing.
_MOST_QUERIES = 16384
_MOST_PASSAGES = 4096
# A device needs milliseconds for such a block, so the fixed cost of a block on the host hardly counts.
_MOST_PASSAGES_OF_A_DEVICE = 65536
# Smaller blocks leave a device idle.
_LEAST_PASSAGES = 512
# A float32 score, its masks, and the copy of it that is made while a list is not full.
_BYTES_A_SCORE = 16


class Target(NamedTuple):
    """Which passages to look for: the best of each query within its bounds.

    Parameters
    ----------
    depth
        Number of passages per query.
    ceilings
        float64 (queries,), exclusive upper bounds of the scores. None: no bounds.
    floor
        Inclusive lower bound of all scores.
    excluded
        Passages that each query must not be given, as row numbers: offsets of each query's passages, int64
        (queries + 1,), and the passages.
    kept
        Number of best passages per query to keep in addition, whatever the bounds and exclusions.
    """

    depth: int
    ceilings: Float64Array | None = None
    floor: float = -np.inf
    excluded: tuple[Int64Array, Int64Array] | None = None
    kept: int = 0


class BoundedResult(NamedTuple):
    """The best passages per query within the bounds of a :class:`Target`, and counts of the passages outside them.

    Parameters
    ----------
    ids, scores
        int64 and float64 (queries, depth), best first. Where fewer passages were found, -1 and NaN fill the row.
    too_high, too_low
        int64 (queries,): number of passages at or above the ceiling, and of the others below the floor. Excluded
        passages count too.
    kept_ids, kept_scores
        int64 and float64 (queries, kept): the best passages whatever the bounds.
    """

    ids: Int64Array
    scores: Float64Array
    too_high: Int64Array
    too_low: Int64Array
    kept_ids: Int64Array
    kept_scores: Float64Array

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> BoundedResult:
        """Returns the results of some rows."""
        return BoundedResult(*(part[rows] for part in self))  # type: ignore[arg-type]


def search_blocks(
    queries: Vectors,
    rows: Int64Array,
    passages: Vectors,
    target: Target,
    *,
    memory: int,
    cosine: bool = False,
    rounded: bool = False,
    device: str | Sequence[str] | None = None,
    threads: int | None = None,
) -> BoundedResult:
    """Finds the best passages of some queries.

    Parameters
    ----------
    queries, passages
        Vectors of the same dimension.
    rows
        int64 (q,): row numbers of queries; they may repeat.
    target
        Which passages to look for, with one ceiling and one list of exclusions for each of `rows`.
    memory
        Bytes for blocks, in addition to the vectors and the result.
    cosine
        Compare by cosine, which is 0 for a zero vector. Default: compare by dot product.
    rounded
        Round scores to float32 before they are compared with anything.
    device
        One or several torch devices to multiply on, such as "cuda". None: the core multiplies, on the CPU.
    threads
        Number of threads of the core. None: as many as the process may use.

    Raises
    ------
    SearchError
        A vector has a component that is NaN or infinite; the error has its row number.
    """
    names = [device] if isinstance(device, str) else list(device or ())
    products = [Product(name, queries, passages, cosine=cosine) for name in names]
    third = memory // 3
    # A device holds all scores of a block.
    room = min((product.room(third) for product in products), default=0)
    if products:
        step, width = _sizes_on_devices(len(rows), queries.dimension, third, room, len(products))
    else:
        step = _even(len(rows), min(_MOST_QUERIES, third // (8 * queries.dimension)))
        width = max(1, min(_MOST_PASSAGES, third // (8 * passages.dimension)))
    # Without any rows, there is one empty block.
    blocks = [slice(start, min(start + step, len(rows))) for start in range(0, max(1, len(rows)), step)]
    bests = [_core.Best(block.stop - block.start, target.depth, **_bounds(target, block)) for block in blocks]
    vectors_of_blocks = _QueryBlocks(queries, rows, blocks, held=len(rows) * queries.dimension * 4 <= third)
    if products:
        search = DeviceSearch(
            products=products,
            bests=bests,
            queries=lambda: iter(vectors_of_blocks),
            kept=target.kept > 0,
            has_floor=target.floor > -np.inf,
            cosine=cosine,
            rounded=rounded,
            room=room,
            threads=threads,
        )
        search_on_devices(search, passages.blocks(width))
    else:
        for first, vectors in passages.blocks(width):
            block = as_float32(vectors)
            for best, some in zip(bests, vectors_of_blocks, strict=True):
                best.search(some, block, first, cosine=cosine, rounded=rounded, threads=threads)
    parts = [(*best.finish(), *best.outside(), *best.finish_kept()) for best in bests]
    return BoundedResult(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _sizes_on_devices(queries: int, dimension: int, third: int, room: int, devices: int) -> tuple[int, int]:
    """Returns how many queries and passages make a block.

    A third of the memory is for queries and a third for passages; `room` is what a device has for scores.
    """
    step = _even(queries, min(_MOST_QUERIES, third // (8 * dimension), room // (_BYTES_A_SCORE * _LEAST_PASSAGES)))
    at_once = WORKERS * devices
    width = min(_MOST_PASSAGES_OF_A_DEVICE, third // (8 * dimension * at_once), room // (_BYTES_A_SCORE * step))
    return step, max(1, width)


def _even(rows: int, most: int) -> int:
    """Returns the size of equal blocks, at most `most` rows each."""
    return math.ceil(rows / math.ceil(rows / max(1, most))) if rows else 1


def _bounds(target: Target, block: slice) -> dict[str, Any]:
    bounds: dict[str, Any] = {"floor": target.floor, "kept": target.kept}
    if target.ceilings is not None:
        bounds["ceilings"] = target.ceilings[block]
    if target.excluded is not None:
        offsets, ids = target.excluded
        bounds["excluded"] = (offsets[block.start : block.stop + 1], ids)
    return bounds


class _QueryBlocks:
    """Blocks of query vectors, which are either held in memory or read again for each block of passages."""

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

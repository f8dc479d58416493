"""Exact search: every query against every passage, in blocks that fit a memory budget.

A matrix product gives a block of scores; the core keeps what could be among the best and scores that again in a fixed
order, so the outcome does not depend on the size of the blocks, the number of threads or the library that multiplied.
O(queries x passages x dimension). Prefer FAISS (:mod:`nvmine.search.faiss`) where that is too much and a few misses do
no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.data.vectors import Vectors
from nvmine.errors import SearchError, ShapeError
from nvmine.search.searcher import Candidates, rescore

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Product = Callable[[Float32Array, Float32Array], Float32Array]

# Beyond these sizes a product gains nothing, and smaller blocks keep the processors' caches useful.
_MOST_QUERIES = 4096
_MOST_PASSAGES = 16384


class ExactSearch:
    """The best passages of every query by dot product.

    Parameters
    ----------
    queries, passages
        Vectors of one dimension.
    memory
        Bytes for blocks and lists, beside the vectors themselves.
    device
        Where torch multiplies: "cpu", "cuda", ... None: the CPU, with torch where it is installed and numpy otherwise.
    threads
        For the core; None: all that the process may use.

    Raises
    ------
    ShapeError
        The dimensions differ.
    """

    def __init__(
        self,
        queries: Vectors,
        passages: Vectors,
        *,
        memory: int,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        if queries.dimension != passages.dimension:
            raise ShapeError(f"queries have dimension {queries.dimension}, passages {passages.dimension}")
        self._queries, self._passages = queries, passages
        self._memory, self._threads = memory, threads
        self._multiply, self._input_roundoff = _product(device)

    def rows_at_once(self, depth: int) -> int:
        """How many queries fit a third of the budget; the other thirds are for passages and for scores."""
        depth = min(depth, len(self._passages))
        # A query's vector, and its list while it grows to twice its depth and is copied out.
        return max(1, min(_MOST_QUERIES, self._memory // 3 // (4 * self._queries.dimension + 48 * depth)))

    def search(self, rows: Int64Array, depth: int) -> Candidates:
        """The best `depth` passages of the queries `rows`, by score descending and row number ascending.

        Raises
        ------
        SearchError
            A vector has a component that is NaN or infinite; the message names it.
        """
        return self._search(rows, None, depth)

    def search_below(self, rows: Int64Array, ceilings: Float64Array, depth: int) -> Candidates:
        """As :meth:`search`, among the passages that score strictly below ``ceilings[i]`` with query ``rows[i]``."""
        return self._search(rows, ceilings, depth)

    def _search(self, rows: Int64Array, ceilings: Float64Array | None, depth: int) -> Candidates:
        ids = np.empty((len(rows), depth), np.int64)
        scores = np.empty((len(rows), depth), np.float32)
        step = self.rows_at_once(depth)
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            below = None if ceilings is None else ceilings[block]
            ids[block], scores[block] = self._search_block(rows[block], below, depth)
        return Candidates(ids, scores)

    def _search_block(self, rows: Int64Array, ceilings: Float64Array | None, depth: int) -> Candidates:
        vectors = self._queries.rows(rows)
        wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if wrong.size:
            raise SearchError("query vector has a component that is NaN or infinite", row=int(rows[wrong[0]]))
        third = self._memory // 3
        width = min(_MOST_PASSAGES, third // (4 * self._passages.dimension), third // (4 * len(rows)))
        best = _core.Best(len(rows), depth, ceilings=ceilings)
        for first, passages in self._passages.blocks(max(1, width)):
            scores = self._multiply(vectors, passages)
            best.update(scores, vectors, passages, first, input_roundoff=self._input_roundoff, threads=self._threads)
        return Candidates(*best.finish())

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """The score of query ``rows[i]`` with passage ``ids[i]``."""
        return rescore(self._queries, rows, self._passages, ids[:, None])[:, 0]


def _product(device: str | None) -> tuple[Product, float]:
    """``queries @ passages.T`` in float32, and the unit roundoff to which it rounds its inputs."""
    if device is None and find_spec("torch") is None:
        return lambda queries, passages: queries @ passages.T, 0.0
    import torch

    # A program may have asked torch for TF32 or bfloat16 products; they stay exact here, with a wider shortlist.
    roundoff = {"highest": 0.0, "high": 2.0**-11, "medium": 2.0**-8}[torch.get_float32_matmul_precision()]
    if torch.backends.cuda.matmul.allow_tf32:
        roundoff = max(roundoff, 2.0**-11)

    def multiply(queries: Float32Array, passages: Float32Array) -> Float32Array:
        left = torch.from_numpy(queries).to(device or "cpu")
        right = torch.from_numpy(passages).to(device or "cpu")
        result: Float32Array = (left @ right.T).cpu().numpy()
        return result

    return multiply, roundoff

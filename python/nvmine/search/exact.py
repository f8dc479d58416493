"""Exact search: every query against every passage, in blocks that fit a memory budget.

The outcome does not depend on the size of the blocks, the number of threads or the library that multiplied. Scores
are rounded to float32 before anything is decided by them, since a run keeps them so. O(queries x passages x dimension).
Prefer FAISS (:mod:`nvmine.search.faiss`) where that is too much and a few misses do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nvmine.data.vectors import Vectors
from nvmine.errors import ShapeError
from nvmine.search.blocks import Sought, search_blocks
from nvmine.search.searcher import Candidates, rescore

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# More at once hardly gain: reading the passages again is little beside so many products.
_MOST_QUERIES = 4096


class ExactSearch:
    """The best passages of every query by dot product.

    Parameters
    ----------
    queries, passages
        Vectors of one dimension.
    memory
        Bytes for blocks and lists, beside the vectors themselves.
    device
        Where torch multiplies, such as "cuda", or several that share the work; None: the core does, on the CPU.
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
        device: str | Sequence[str] | None = None,
        threads: int | None = None,
    ) -> None:
        if queries.dimension != passages.dimension:
            raise ShapeError(f"queries have dimension {queries.dimension}, passages {passages.dimension}")
        self._queries, self._passages = queries, passages
        self._memory, self._device, self._threads = memory, device, threads

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
            found = search_blocks(
                self._queries,
                rows[block],
                self._passages,
                Sought(depth, None if ceilings is None else ceilings[block]),
                memory=self._memory,
                rounded=True,
                device=self._device,
                threads=self._threads,
            )
            ids[block], scores[block] = found.ids, found.scores
        return Candidates(ids, scores)

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """The score of query ``rows[i]`` with passage ``ids[i]``."""
        return rescore(self._queries, rows, self._passages, ids[:, None])[:, 0].astype(np.float32)

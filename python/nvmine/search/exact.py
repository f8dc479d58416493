"""Exact search: compares every query with every passage, in blocks that fit a memory budget.

The result does not depend on the size of the blocks, the number of threads or the library that multiplies. Scores are
rounded to float32 before they are compared with anything, because a run stores them as float32.
O(queries x passages x dimension). Prefer FAISS (:mod:`nvmine.search.faiss`) where that is too slow and a few missed
passages do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nvmine.data.vectors import Vectors
from nvmine.search.blocks import Target, search_blocks
from nvmine.search.searcher import SearchResult, require_same_dimension, rescore, search_in_blocks

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# More queries at once gain little: by then, reading the passages again costs far less than the products.
_MOST_QUERIES = 4096


class ExactSearch:
    """Finds the best passages of every query by dot product.

    Parameters
    ----------
    queries, passages
        Vectors of the same dimension.
    memory
        Bytes for blocks and lists, in addition to the vectors themselves.
    device
        One or several torch devices to multiply on, such as "cuda". None: the core multiplies, on the CPU.
    threads
        Number of threads of the core. None: as many as the process may use.

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
        require_same_dimension(queries, passages)
        self._queries, self._passages = queries, passages
        self._memory, self._device, self._threads = memory, device, threads

    def rows_at_once(self, depth: int) -> int:
        """Returns how many queries fit a third of the budget; the rest is for passages and scores."""
        depth = min(depth, len(self._passages))
        # A query needs its vector, and a list that grows to twice its depth before it is copied out.
        return max(1, min(_MOST_QUERIES, self._memory // 3 // (4 * self._queries.dimension + 48 * depth)))

    def search(self, rows: Int64Array, depth: int) -> SearchResult:
        """Returns the best `depth` passages of the queries `rows`, by score descending, then row number ascending.

        Raises
        ------
        SearchError
            A vector has a component that is NaN or infinite; the error has its row number.
        """
        return self._search(rows, None, depth)

    def search_below(self, rows: Int64Array, ceilings: Float64Array, depth: int) -> SearchResult:
        """Searches as :meth:`search` does, among the passages that score strictly below ``ceilings[i]``."""
        return self._search(rows, ceilings, depth)

    def _search(self, rows: Int64Array, ceilings: Float64Array | None, depth: int) -> SearchResult:
        def search_block(rows: Int64Array, ceilings: Float64Array | None) -> tuple[Int64Array, Float64Array]:
            found = search_blocks(
                self._queries,
                rows,
                self._passages,
                Target(depth, ceilings),
                memory=self._memory,
                rounded=True,
                device=self._device,
                threads=self._threads,
            )
            return found.ids, found.scores

        return search_in_blocks(search_block, rows, ceilings, depth, self.rows_at_once(depth))

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """Returns the score of query ``rows[i]`` with passage ``ids[i]``."""
        return rescore(self._queries, rows, self._passages, ids[:, None])[:, 0].astype(np.float32)

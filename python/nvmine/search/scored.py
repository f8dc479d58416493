"""Search for teachers that score a query against every passage at once, such as BM25.

The teacher's scores are final and are not computed again. A passage that scores 0 shares nothing with the query, so it
is not a candidate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.search.searcher import SearchResult, search_in_blocks

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


class ScoredSearch:
    """Finds the best passages of every query in its row of scores.

    Parameters
    ----------
    score_rows
        Returns the float32 scores, (queries, passages), of some queries, given their row numbers.
    passages
        Number of passages.
    memory
        Bytes for a block of rows.
    threads
        Number of threads of the core. None: as many as the process may use.
    """

    def __init__(
        self,
        score_rows: Callable[[Int64Array], Float32Array],
        passages: int,
        *,
        memory: int,
        threads: int | None = None,
    ) -> None:
        self._score_rows, self._passages = score_rows, passages
        self._memory, self._threads = memory, threads
        # Positives are scored just before their query is searched; keeping the block serves both.
        self._block: tuple[Int64Array, Float32Array] | None = None

    def rows_at_once(self, depth: int) -> int:
        """Returns how many rows of scores, with their lists, fit the budget."""
        return max(1, self._memory // (4 * self._passages + 48 * min(depth, self._passages)))

    def search(self, rows: Int64Array, depth: int) -> SearchResult:
        """Returns the best `depth` passages that score above 0, by score descending, then row number ascending."""
        return self._search(rows, None, depth)

    def search_below(self, rows: Int64Array, ceilings: Float64Array, depth: int) -> SearchResult:
        """Searches as :meth:`search` does, among the passages that score strictly below ``ceilings[i]``."""
        return self._search(rows, ceilings, depth)

    def _search(self, rows: Int64Array, ceilings: Float64Array | None, depth: int) -> SearchResult:
        def search_block(rows: Int64Array, ceilings: Float64Array | None) -> tuple[Int64Array, Float64Array]:
            best = _core.Best(len(rows), depth, ceilings=ceilings)
            best.update_final(self._scores(rows), 0, above=0.0, threads=self._threads)
            return best.finish()

        return search_in_blocks(search_block, rows, ceilings, depth, self.rows_at_once(depth))

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """Returns the score of query ``rows[i]`` with passage ``ids[i]``."""
        scores = np.empty(len(rows), np.float32)
        distinct, place = np.unique(rows, return_inverse=True)
        step = self.rows_at_once(1)
        for start in range(0, len(distinct), step):
            block = self._scores(distinct[start : start + step])
            mine = (place >= start) & (place < start + step)
            scores[mine] = block[place[mine] - start, ids[mine]]
        return scores

    def _scores(self, rows: Int64Array) -> Float32Array:
        if self._block is None or not np.array_equal(self._block[0], rows):
            self._block = (rows, self._score_rows(rows))
        return self._block[1]

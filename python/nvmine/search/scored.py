"""Search for teachers that score whole rows, a query against every passage, such as BM25.

The scores are final: nothing is computed anew, and passages that score 0 share nothing with the query and are no
candidates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.search.searcher import Candidates

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


class ScoredSearch:
    """The best passages of every query by rows of scores.

    Parameters
    ----------
    score_rows
        Gives the float32 scores (queries, passages) of some queries, by their row numbers.
    passages
        How many there are.
    memory
        Bytes for a block of rows.
    threads
        For the core; None: all that the process may use.
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
        # Positives are scored just before their query is searched; the row serves both.
        self._block: tuple[Int64Array, Float32Array] | None = None

    def rows_at_once(self, depth: int) -> int:
        """How many rows of scores, with their lists, fit the budget."""
        return max(1, self._memory // (4 * self._passages + 48 * min(depth, self._passages)))

    def search(self, rows: Int64Array, depth: int) -> Candidates:
        """The best `depth` passages with a score above 0, by score descending and row number ascending."""
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
            best = _core.Best(len(rows[block]), depth, ceilings=below)
            best.update_final(self._scores(rows[block]), 0, above=0.0, threads=self._threads)
            ids[block], scores[block] = best.finish()
        return Candidates(ids, scores)

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """The score of query ``rows[i]`` with passage ``ids[i]``."""
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

"""Search in ranked lists from elsewhere. A passage that is not in a query's list cannot be found for that query."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nvmine.inputs.rows import take_rows
from nvmine.search.searcher import SearchResult

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

_CANDIDATES_AT_ONCE = 1 << 22


class ListedSearch:
    """Finds the best passages of every query in its list.

    Parameters
    ----------
    offsets, ids, scores
        The passages of query q are ``ids[offsets[q]:offsets[q + 1]]``, best first, each once. The arrays are int64,
        int64 and float32.
    """

    def __init__(self, offsets: Int64Array, ids: Int64Array, scores: Float32Array) -> None:
        self._offsets, self._ids, self._list_scores = offsets, ids, scores

    def rows_at_once(self, depth: int) -> int:
        """Returns how many queries to search at once."""
        return max(1, _CANDIDATES_AT_ONCE // depth)

    def search(self, rows: Int64Array, depth: int) -> SearchResult:
        """Returns the first `depth` passages of each query's list."""
        return self.search_below(rows, np.full(len(rows), np.inf), depth)

    def search_below(self, rows: Int64Array, ceilings: Float64Array, depth: int) -> SearchResult:
        """Searches as :meth:`search` does, among the passages that score strictly below ``ceilings[i]``."""
        offsets, places = take_rows(self._offsets, rows)
        lengths = np.diff(offsets)
        scores = self._list_scores[places]
        above = scores >= np.repeat(ceilings, lengths)
        # Lists are in descending order, so the passages at or above the ceiling come first.
        skipped = np.bincount(np.repeat(np.arange(len(rows)), lengths)[above], minlength=len(rows))
        columns = np.arange(depth) + skipped[:, None]
        held = columns < lengths[:, None]
        chosen = (offsets[:-1, None] + columns)[held]
        found = SearchResult(np.full(held.shape, -1, np.int64), np.full(held.shape, np.nan, np.float32))
        found.ids[held], found.scores[held] = self._ids[places[chosen]], scores[chosen]
        return found

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """Returns the score of query ``rows[i]`` with passage ``ids[i]``; NaN if its list does not contain it."""
        scores = np.full(len(rows), np.nan, np.float32)
        for place, (row, passage) in enumerate(zip(rows.tolist(), ids.tolist(), strict=True)):
            own = slice(self._offsets[row], self._offsets[row + 1])
            found = np.flatnonzero(self._ids[own] == passage)
            if found.size:
                scores[place] = self._list_scores[own][found[0]]
        return scores

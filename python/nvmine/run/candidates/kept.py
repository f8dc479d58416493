"""Candidates that a finished run has kept, as a search that is done already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from nvmine.data import Dataset
from nvmine.errors import RunError
from nvmine.policy import Policy
from nvmine.run.backends import SearchOptions, Stored, exhaustive_search
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.search import CandidateSearch, RelabelRules
from nvmine.run.store.folder import Run
from nvmine.search import SearchResult

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

_CANDIDATES_AT_ONCE = 1 << 22


def search_again(
    source: Run,
    dataset: Dataset,
    labels: Labels,
    policy: Policy,
    options: SearchOptions,
    *,
    relevant: Mapping[int, Sequence[int]] | None = None,
) -> CandidateSearch:
    """Returns the search of a finished run, for another policy or with passages that were found relevant.

    Stored vectors or an index are opened only if a query needs more than the run has kept. Rescored candidates are all
    that there are.
    """
    search = source.manifest.search
    more = None
    if search.rescorer is None:
        more = exhaustive_search(Stored(source.path, source.manifest, dataset, options))
    # An empty mapping may be filled while the search goes on.
    known = {} if relevant is None else relevant
    rules = RelabelRules(search.consistency, search.promote_above, known)
    return CandidateSearch(labels, KeptCandidates(source), more, policy, search.depth, rules)


class KeptCandidates:
    """The search that a run has done already: the best passages of every query, without those its policy added."""

    def __init__(self, source: Run) -> None:
        self._source, self._table = source, source.scan_candidates()

    def rows_at_once(self, depth: int) -> int:
        """Returns the number of queries whose lists are held at once."""
        return max(1, _CANDIDATES_AT_ONCE // depth)

    def search(self, rows: Int64Array, depth: int) -> SearchResult:
        """Returns the best passages of consecutive queries."""
        table = self._consecutive(rows)
        held = np.arange(depth) < table["complete"].to_numpy()[:, None]
        ids, scores = np.full(held.shape, -1, np.int64), np.full(held.shape, np.nan, np.float32)
        for column, target in (("ids", ids), ("scores", scores)):
            best = table.select(pl.col(column).list.head("complete")).to_series()
            target[held] = best.explode(empty_as_null=False).to_numpy()
        return SearchResult(ids, scores)

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """Returns the scores of all positives of consecutive queries."""
        table = self._consecutive(np.unique(rows))
        known, scores = (table[name].explode(empty_as_null=False).to_numpy() for name in ("pos_ids", "pos_scores"))
        if not np.array_equal(known, ids):
            raise RunError("has other positives than its candidates", path=self._source.path)
        return scores.astype(np.float32)

    def _consecutive(self, rows: Int64Array) -> pl.DataFrame:
        return self._table.slice(int(rows[0]) if len(rows) else 0, len(rows)).collect()

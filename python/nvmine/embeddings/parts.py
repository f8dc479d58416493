"""The result of a search that mines some rows at a time, in any order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nvmine.audit import REASONS, Audit
from nvmine.embeddings.collection import Collection
from nvmine.inputs.rows import Rows
from nvmine.negatives import Candidates, Negatives
from nvmine.search import BoundedResult

Int64Array = npt.NDArray[np.int64]


class Parts:
    """The result, whose rows are filled in as they are mined."""

    def __init__(self, outline: Negatives, collection: Collection, n: int, kept: int) -> None:
        self.outline, self._collection = outline, collection
        queries = len(collection.queries)
        self._ids = np.full((len(outline), n), -1, np.int64)
        self._scores = np.full((len(outline), n), np.nan)
        self._counts = np.zeros(len(outline), np.int64)
        self._rejected = np.zeros((len(outline), len(REASONS)), np.int64)
        self._kept_ids = np.full((queries, kept), -1, np.int64)
        self._kept_scores = np.full((queries, kept), np.nan)

    def put(self, rows: Int64Array, negatives: Negatives, rejected: Int64Array) -> None:
        """Results of some rows, and what became of every passage."""
        self._ids[rows], self._scores[rows], self._counts[rows] = negatives.ids, negatives.scores, negatives.counts
        self._rejected[rows] = rejected

    def keep(self, queries: Int64Array, found: BoundedResult) -> None:
        """The best of all, which are the same for each row of a query."""
        self._kept_ids[queries], self._kept_scores[queries] = found.kept_ids, found.kept_scores

    def negatives(self, anchors: Rows) -> Negatives:
        """All of them."""
        kept = None
        if self._kept_ids.shape[1]:
            kept = Candidates(self._kept_ids, self._kept_scores, self._collection.positives, anchors)
        audit = Audit(np.full(len(self.outline), len(self._collection.corpus)), self._counts, self._rejected)
        audit.check()
        return replace(
            self.outline, ids=self._ids, scores=self._scores, counts=self._counts, audit=audit, candidates=kept
        )

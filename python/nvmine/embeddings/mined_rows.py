"""Collects the results of rows that are mined a few at a time, in any order."""

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


class MinedRows:
    """A result whose rows are filled in as they are mined.

    Parameters
    ----------
    outline
        The rows of the result, with their ceilings and without negatives.
    collection
        What is mined.
    n
        Maximum number of negatives of a row.
    kept
        Number of each query's best passages to keep too, whatever the policy.
    """

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
        """Stores the negatives of some rows, and their counts of rejected passages by reason."""
        self._ids[rows], self._scores[rows], self._counts[rows] = negatives.ids, negatives.scores, negatives.counts
        self._rejected[rows] = rejected

    def keep(self, queries: Int64Array, found: BoundedResult) -> None:
        """Stores the best passages of some queries; all rows of a query share them."""
        self._kept_ids[queries], self._kept_scores[queries] = found.kept_ids, found.kept_scores

    def negatives(self, pos_scores: Rows) -> Negatives:
        """Returns the whole result. `pos_scores` are the scores of the positives, which kept candidates need."""
        kept = None
        if self._kept_ids.shape[1]:
            kept = Candidates(self._kept_ids, self._kept_scores, self._collection.positives, pos_scores)
        audit = Audit(np.full(len(self.outline), len(self._collection.corpus)), self._counts, self._rejected)
        audit.check()
        return replace(
            self.outline, ids=self._ids, scores=self._scores, counts=self._counts, audit=audit, candidates=kept
        )

"""Candidates of one teacher with the scores of another that reads query and passage together.

A reranker is too expensive to read the whole corpus, but cheap enough to read the best passages of every query. Those
and the positives get its scores, which every later stage uses. It reads nothing beyond the first teacher's `depth`, so
a query whose candidates are all rejected stays short; a greater depth helps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nvmine.data import Dataset
from nvmine.errors import TeacherError
from nvmine.files import array_writer
from nvmine.run.store.storage import mapped
from nvmine.run.store.workspace import Workspace
from nvmine.search import Searcher, SearchResult
from nvmine.teachers import Rescorer

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

# Pairs scored and stored together: a killed run repeats at most so many.
PAIRS_AT_ONCE = 32768
_FOLDER = "rescored"


class RescoredSearch:
    """A search whose candidates are scored again.

    Parameters
    ----------
    workspace
        The run, which keeps the scores until it has them as candidates.
    first
        The search that proposes candidates.
    rescorer
        Scores them again.
    dataset
        The texts.
    """

    def __init__(self, workspace: Workspace, first: Searcher, rescorer: Rescorer, dataset: Dataset) -> None:
        self._workspace, self._first, self._rescorer, self._dataset = workspace, first, rescorer, dataset

    def rows_at_once(self, depth: int) -> int:
        """Returns the number of queries whose candidates are scored together."""
        # Memory does not matter here, so that a run that was stopped finds its blocks again.
        return max(1, PAIRS_AT_ONCE // depth)

    def search(self, rows: Int64Array, depth: int) -> SearchResult:
        """Returns the best `depth` passages of the first search, ordered by their new scores."""
        found = self._first.search(rows, depth)
        held = found.ids >= 0
        scores = np.full(found.ids.shape, np.nan, np.float32)
        scores[held] = self._scores("candidates", np.repeat(rows, held.sum(axis=1)), found.ids[held])
        # NaN, which fills short lists, comes last.
        order = np.lexsort((found.ids, -scores), axis=1)
        return SearchResult(np.take_along_axis(found.ids, order, 1), np.take_along_axis(scores, order, 1))

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """Returns the score of query ``rows[i]`` with passage ``ids[i]``."""
        return self._scores("positives", rows, ids)

    def _scores(self, what: str, rows: Int64Array, ids: Int64Array) -> Float32Array:
        if not len(rows):
            return np.empty(0, np.float32)
        # The same queries are searched together in every process, so the first one names the block.
        name = f"{_FOLDER}/{what}-{rows[0]:09d}.npy"
        if not self._workspace.has(name):
            queries, passages = self._dataset.query_texts, self._dataset.passage_texts
            pairs = [(queries[row], passages[passage]) for row, passage in zip(rows, ids, strict=True)]
            self._workspace.commit(name, len(pairs), array_writer(self._checked(pairs)))
        return np.array(mapped(self._workspace.root, name), np.float32)

    def _checked(self, pairs: Sequence[tuple[str, str]]) -> Float32Array:
        scores = np.asarray(self._rescorer.score(pairs), np.float32)
        if scores.shape != (len(pairs),) or not np.isfinite(scores).all():
            raise TeacherError(
                f"the rescorer returned scores of shape {scores.shape}, or not finite ones, for {len(pairs)} pairs;"
                " it has to return a finite number for each"
            )
        return scores


def discard_scores(workspace: Workspace) -> None:
    """Removes the scores, which are stored as candidates by now."""
    workspace.discard(_FOLDER)

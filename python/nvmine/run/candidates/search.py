"""The search of a run: the best passages of every query, and more of them where the policy needs more.

Every query gets its `depth` best passages, which are kept so that another policy costs seconds. Where the policy
rejects so many of them that others could still become negatives, that query alone is searched again, below its ceiling.
There is no depth to guess, and no query starves while the corpus holds enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from nvmine.errors import ScoreError
from nvmine.inputs.rows import Rows, offsets_of
from nvmine.policy import Policy
from nvmine.run.candidates.block import CandidateBlock, no_rows
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.positives import positive_ranks
from nvmine.run.candidates.refill import refill
from nvmine.search import ExhaustiveSearcher, Searcher

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RelabelRules:
    """When a label, or the lack of one, is not taken at its word.

    Parameters
    ----------
    consistency
        A pair is dropped unless its positive is among so many best passages of its query. None: all pairs are kept.
    promote_above
        A candidate that scores higher counts as a positive. None: no candidate does.
    relevant
        Passages that a judge found to answer a query, by the query's row number. It may grow while the search goes on.
    """

    consistency: int | None = None
    promote_above: float | None = None
    relevant: Mapping[int, Sequence[int]] = field(default_factory=dict)


class CandidateSearch:
    """Searches queries until the policy has enough candidates.

    Parameters
    ----------
    labels
        Queries and their positives.
    searcher
        Finds the first `depth` candidates of each query.
    exact
        Makes the search that compares every passage, for queries that need more. None: there is no such search.
    policy
        The policy that needs the candidates.
    depth
        Candidates to keep for each query.
    rules
        Which pairs are dropped, and which passages count as positives.
    """

    def __init__(
        self,
        labels: Labels,
        searcher: Searcher,
        exact: Callable[[], ExhaustiveSearcher] | None,
        policy: Policy,
        depth: int,
        rules: RelabelRules | None = None,
    ) -> None:
        self._labels, self._searcher, self._exact = labels, searcher, exact
        # A query that is short now may find more.
        self._policy = replace(policy, on_short="keep")
        self._depth = min(depth, labels.passages)
        self._rules = rules or RelabelRules()

    def block(self, rows: Int64Array, done: Callable[[int], object] = lambda _: None) -> CandidateBlock:
        """Searches the queries `rows`, and reports to `done` how many more of them are finished."""
        blocks = []
        step = self._searcher.rows_at_once(self._depth)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            blocks.append(self._refilled(self._first(some)))
            done(len(some))
        return CandidateBlock.concat(blocks)

    def _refilled(self, block: CandidateBlock) -> CandidateBlock:
        """Returns the block with what the policy needs, or with all there is."""
        if self._exact is None:
            return block
        return refill(block, self._exact, self._labels, self._policy, self._excluded)

    def _first(self, rows: Int64Array) -> CandidateBlock:
        """Returns the first `depth` candidates of the queries `rows`."""
        labels = self._labels
        positives = labels.positives.take(rows)
        counts = np.diff(positives.ragged_offsets())
        pos_scores = self._searcher.score(np.repeat(rows, counts), positives.values)
        found = self._searcher.search(rows, self._depth)
        known = labels.known_classes(rows)
        ranks = positive_ranks(found, labels.classes, known, pos_scores, counts)
        held = found.ids >= 0
        complete = held.sum(axis=1)
        block = CandidateBlock(
            rows=rows,
            positives=positives,
            pos_scores=pos_scores,
            pos_ranks=ranks,
            pos_kept=self._kept(rows, counts, pos_scores, ranks),
            candidates=Rows(found.ids[held], None, offsets_of(complete)),
            scores=found.scores[held],
            excluded=no_rows(len(rows)),
            complete=complete,
            exhausted=np.full(len(rows), self._depth >= labels.passages),
        )
        return replace(block, excluded=self._excluded(block))

    def _kept(self, rows: Int64Array, counts: Int64Array, scores: Float32Array, ranks: Int64Array) -> Bools:
        """Returns which positives count: those that the teacher has scored, and ranked well enough."""
        known = np.isfinite(scores)
        scored = np.bincount(np.repeat(np.arange(len(counts)), counts)[known], minlength=len(counts))
        if self._policy.on_missing == "raise" and not scored.all():
            message = "the teacher has no score for any positive of this query; give one, or use on_missing='skip'"
            raise ScoreError(message, query=self._labels.query_ids[rows[int(scored.argmin())]])
        if self._rules.consistency is None:
            return known
        return known & (ranks > 0) & (ranks <= self._rules.consistency)

    def _excluded(self, block: CandidateBlock) -> Rows:
        """Returns the unlabelled passages that count as positives of each query, and of equal ones only the best."""
        rules, classes = self._rules, self._labels.classes
        if rules.promote_above is None and not rules.relevant:
            return no_rows(len(block))
        known = [] if rules.promote_above is None else self._labels.known_classes(block.rows)
        ends = block.candidates.ragged_offsets()
        lists: list[list[int]] = []
        for place, row in enumerate(block.rows.tolist()):
            excluded = set(rules.relevant.get(row, ()))
            if rules.promote_above is not None:
                here = slice(ends[place], ends[place + 1])
                promoted = block.candidates.values[here][block.scores[here] > rules.promote_above]
                distinct, first = np.unique(classes[promoted], return_index=True)
                excluded.update(promoted[first[~np.isin(distinct, known[place])]].tolist())
            lists.append(sorted(excluded))
        lengths = np.array([len(passages) for passages in lists], np.int64)
        return Rows(
            np.array([passage for passages in lists for passage in passages], np.int64), None, offsets_of(lengths)
        )

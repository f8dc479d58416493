"""The best passages of every query, kept so that a new policy costs seconds; and more where the policy needs them.

Every query gets its `depth` best passages. Where the policy rejects so many of those that others could still become
negatives, that query alone is searched once more, among the passages below its ceiling: no depth has to be guessed, and
no query starves while the corpus holds enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

import polars as pl
from nvmine.errors import ScoreError
from nvmine.inputs.foreign import list_column
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.positives import positive_ranks
from nvmine.run.results import mine_candidates
from nvmine.search import ExhaustiveSearcher, Searcher

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is not taken at its word, of labels and of the lack of them.

    Parameters
    ----------
    consistency
        A positive must be among so many best passages of its query, or its pair is dropped; None keeps all.
    promote_above
        A candidate that scores higher is taken for a positive; None takes none.
    relevant
        Passages that were found to answer a query, by the query's id.
    """

    consistency: int | None = None
    promote_above: float | None = None
    relevant: Mapping[str, Sequence[int]] = field(default_factory=dict)


class CandidateSearch:
    """Searches queries until the policy is fed.

    Parameters
    ----------
    labels
        Queries and their positives.
    searcher
        Where the first `depth` candidates of each query come from.
    exact
        Makes the search that compares every passage, for queries that need more; None: there is none.
    policy
        What must be fed.
    depth
        Candidates kept for every query.
    doubts
        Which positives are dropped, and which passages are positives although nobody said so.
    """

    def __init__(
        self,
        labels: Labels,
        searcher: Searcher,
        exact: Callable[[], ExhaustiveSearcher] | None,
        policy: Policy,
        depth: int,
        doubts: Doubts | None = None,
    ) -> None:
        self._labels, self._searcher, self._exact = labels, searcher, exact
        # A query that is short now may still be fed.
        self._policy = replace(policy, on_short="keep")
        self._depth = min(depth, labels.passages)
        self._doubts = doubts or Doubts()

    def table(self, rows: Int64Array, done: Callable[[int], object]) -> pl.DataFrame:
        """The candidates of the queries `rows`.

        Returns
        -------
        A row a query: `query_id`; `pos_ids`, `pos_scores`, `pos_ranks` (0: not among the first `depth`) and `pos_kept`,
        of its positives; `ids`, `scores`, best first; `excluded`, those that pass for positives; `complete`, how many
        of the first candidates are the best of the whole corpus, with none left out; `exhausted`, whether no other
        passage lies below the policy's ceiling. Ids are row numbers of ``passages.parquet``.
        """
        blocks = []
        step = self._searcher.rows_at_once(self._depth)
        for start in range(0, len(rows), step):
            blocks.append(self._block(rows[start : start + step]))
            done(len(rows[start : start + step]))
        return pl.concat(blocks, rechunk=True)

    def _block(self, rows: Int64Array) -> pl.DataFrame:
        positives, counts = self._labels.positives(rows)
        names = [self._labels.query_ids[row] for row in rows.tolist()]
        positive_scores = self._searcher.score(np.repeat(rows, counts), positives)
        found = self._searcher.search(rows, self._depth)
        known = self._labels.known_classes(rows)
        ranks = positive_ranks(found, self._labels.classes, known, positive_scores, counts)
        kept = self._kept(names, counts, positive_scores, ranks)
        held = found.ids >= 0
        lists = Lists(
            [ids[here] for ids, here in zip(found.ids, held, strict=True)],
            [scores[here] for scores, here in zip(found.scores, held, strict=True)],
        )
        complete = held.sum(axis=1)
        exhausted = np.full(len(rows), self._depth >= self._labels.passages)

        def table() -> pl.DataFrame:
            excluded = [self._excluded(*each) for each in zip(names, known, lists.ids, lists.scores, strict=True)]
            return pl.DataFrame(
                [
                    pl.Series("query_id", names, pl.String),
                    list_column("pos_ids", positives, counts),
                    list_column("pos_scores", positive_scores, counts),
                    list_column("pos_ranks", ranks, counts),
                    list_column("pos_kept", kept, counts),
                    list_column("ids", np.concatenate(lists.ids), lists.lengths),
                    list_column("scores", np.concatenate(lists.scores), lists.lengths),
                    pl.Series("excluded", excluded, pl.List(pl.Int64)),
                    pl.Series("complete", complete, pl.UInt32),
                    pl.Series("exhausted", exhausted),
                ]
            )

        result = table()
        negatives = mine_candidates(result, self._labels, self._policy)
        hungry = self._hungry(negatives, exhausted)
        # Positives, the query itself and copies lie below the ceiling too; more of them than expected means another go.
        # Counted for each query by itself, so that what is kept does not depend on who is searched together.
        wanted = self._policy.survivors_needed + counts + 16
        while hungry.size and self._exact is not None:
            self._feed(rows, negatives, hungry, wanted, lists, exhausted, self._exact())
            result = table()
            negatives = mine_candidates(result, self._labels, self._policy)
            hungry = self._hungry(negatives, exhausted)
            wanted = 4 * wanted
        return result

    def _kept(self, names: list[str], counts: Int64Array, scores: Float32Array, ranks: Int64Array) -> Bools:
        """The positives that count: those that the teacher has scored, and well enough."""
        known = np.isfinite(scores)
        scored = np.bincount(np.repeat(np.arange(len(counts)), counts)[known], minlength=len(counts))
        if self._policy.on_missing == "raise" and not scored.all():
            name = names[int(scored.argmin())]
            message = "the teacher has no score for any positive of this query; give one, or use on_missing='skip'"
            raise ScoreError(message, query=name)
        if self._doubts.consistency is None:
            return known
        return known & (ranks > 0) & (ranks <= self._doubts.consistency)

    def _excluded(self, name: str, known: Int64Array, ids: Int64Array, scores: Float32Array) -> list[int]:
        """The passages that pass for positives of a query; of those with one text the best, and none that is known."""
        excluded = list(self._doubts.relevant.get(name, ()))
        if self._doubts.promote_above is not None:
            promoted = ids[scores > self._doubts.promote_above]
            classes, first = np.unique(self._labels.classes[promoted], return_index=True)
            excluded += promoted[first[~np.isin(classes, known)]].tolist()
        return sorted(set(excluded))

    def _hungry(self, negatives: Negatives, exhausted: Bools) -> Int64Array:
        """The results that other candidates could change."""
        fed = negatives.audit.survivors >= self._policy.survivors_needed
        # Candidates come best first: past one below the floor there are only others below it.
        fed |= negatives.audit.by_reason["floor"] > 0
        # Without a positive there is no ceiling.
        fed |= np.isnan(negatives.ceilings)
        return np.flatnonzero(~fed & ~exhausted[negatives.queries])

    def _feed(
        self,
        rows: Int64Array,
        negatives: Negatives,
        hungry: Int64Array,
        wanted: Int64Array,
        lists: Lists,
        exhausted: Bools,
        exact: ExhaustiveSearcher,
    ) -> None:
        """Adds the best passages below the ceiling of every hungry result, as many as `wanted`, to its query's list."""
        places = negatives.queries[hungry]
        depth = int(wanted[places].max())
        step = exact.rows_at_once(depth)
        # A query with several ceilings has seen everything when it has below each of them.
        unseen = np.zeros(len(rows), np.int64)
        for start in range(0, len(hungry), step):
            block = slice(start, start + step)
            below = exact.search_below(rows[places[block]], negatives.ceilings[hungry[block]], depth)
            for place, ids, scores in zip(places[block].tolist(), below.ids, below.scores, strict=True):
                found = min(int((ids >= 0).sum()), int(wanted[place]))
                lists.add(place, ids[:found], scores[:found])
                unseen[place] += int(found == wanted[place])
        exhausted[places] = unseen[places] == 0


class Lists:
    """Candidates of some queries, best first, without repetition."""

    def __init__(self, ids: list[Int64Array], scores: list[Float32Array]) -> None:
        self.ids, self.scores = ids, scores

    @property
    def lengths(self) -> Int64Array:
        """Candidates of each query."""
        return np.array([len(ids) for ids in self.ids], np.int64)

    def add(self, place: int, ids: Int64Array, scores: Float32Array) -> None:
        """Adds candidates to the list of one query; those that it holds already are the same ones."""
        joined, first = np.unique(np.concatenate([self.ids[place], ids]), return_index=True)
        joined_scores = np.concatenate([self.scores[place], scores])[first]
        order = np.lexsort((joined, -joined_scores))
        self.ids[place], self.scores[place] = joined[order], joined_scores[order]

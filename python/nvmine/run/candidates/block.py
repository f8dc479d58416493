"""The candidates of some queries as one value, which can be searched deeper, mined, stored and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nvmine.inputs.foreign import list_column
from nvmine.inputs.keys import Keys
from nvmine.inputs.rows import Rows, offsets_of
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.rule import Request, apply
from nvmine.run.candidates.labels import Labels

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class CandidateBlock:
    """The candidates and positives of Q queries. Passages are row numbers.

    Parameters
    ----------
    rows
        int64 of shape (Q,): row numbers of the queries.
    positives
        The positives of each query.
    pos_scores, pos_ranks, pos_kept
        Of each positive: its score, its rank (0: not among the first `complete`), and whether the pair is kept.
    candidates, scores
        The candidates of each query, best first and each once, and their scores.
    excluded
        Passages of each query that count as positives although no label says so.
    complete
        int64 of shape (Q,): so many of the first candidates are the best of the whole corpus.
    exhausted
        bool of shape (Q,): whether no other passage lies below the policy's ceiling.
    """

    rows: Int64Array
    positives: Rows
    pos_scores: Float32Array
    pos_ranks: Int64Array
    pos_kept: Bools
    candidates: Rows
    scores: Float32Array
    excluded: Rows
    complete: Int64Array
    exhausted: Bools

    def __len__(self) -> int:
        return len(self.rows)

    def mine(self, labels: Labels, policy: Policy, threads: int | None = None) -> Negatives:
        """Returns the negatives of the queries; a query without a kept positive has none."""
        kept = self.kept
        request = Request(
            scores=replace(kept.candidates, values=kept.scores),
            pos_scores=replace(kept.positives, values=kept.pos_scores),
            ids=kept.candidates,
            pos_ids=kept.positives,
            exclude_ids=joined([labels.selves.take(self.rows), kept.excluded]),
            keys=Keys(labels.keys[self.rows], labels.names(self.rows)),
            classes=labels.classes,
            texts=labels.texts(self.rows) if policy.near_duplicate is not None else None,
        )
        # The search has refused, or accepted, queries without a positive.
        return apply(request, replace(policy, on_missing="skip"), threads=threads)

    @property
    def kept(self) -> CandidateBlock:
        """The block without dropped positives, which are excluded instead."""
        if self.pos_kept.all():
            return self
        row_of = self.positives.row_of()
        parts = []
        for chosen in (self.pos_kept, ~self.pos_kept):
            lengths = np.bincount(row_of[chosen], minlength=len(self))
            parts.append(Rows(self.positives.values[chosen], None, offsets_of(lengths)))
        return replace(
            self,
            positives=parts[0],
            pos_scores=self.pos_scores[self.pos_kept],
            pos_ranks=self.pos_ranks[self.pos_kept],
            pos_kept=self.pos_kept[self.pos_kept],
            excluded=joined([self.excluded, parts[1]]),
        )

    @property
    def has_positive(self) -> Bools:
        """Whether each query has a positive that is kept."""
        return np.bincount(self.positives.row_of()[self.pos_kept], minlength=len(self)) > 0

    def deepen(self, places: Int64Array, ids: Int64Array, scores: Float32Array, exhausted: Bools) -> CandidateBlock:
        """Returns the block with more candidates.

        Parameters
        ----------
        places, ids, scores
            The place of the query in the block, and the candidate with its score; those it has already are ignored.
        exhausted
            bool of shape (Q,): the new value of `exhausted`.
        """
        place_of = np.concatenate([self.candidates.row_of(), places])
        all_ids, all_scores = np.concatenate([self.candidates.values, ids]), np.concatenate([self.scores, scores])
        # Of equal pairs the first is taken, which is the one that the block has already.
        order = np.lexsort((all_ids, place_of))
        first = np.ones(len(order), np.bool_)
        first[1:] = np.diff(place_of[order]).astype(np.bool_) | np.diff(all_ids[order]).astype(np.bool_)
        order = order[first]
        order = order[np.lexsort((all_ids[order], -all_scores[order], place_of[order]))]
        offsets = offsets_of(np.bincount(place_of[order], minlength=len(self)))
        return replace(
            self, candidates=Rows(all_ids[order], None, offsets), scores=all_scores[order], exhausted=exhausted
        )

    def take(self, places: Int64Array) -> CandidateBlock:
        """Returns the block of some of its queries."""
        positives, candidates = self.positives, self.candidates

        def of_positives(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return replace(positives, values=values).take(places).values

        return CandidateBlock(
            rows=self.rows[places],
            positives=positives.take(places),
            pos_scores=of_positives(self.pos_scores),
            pos_ranks=of_positives(self.pos_ranks),
            pos_kept=of_positives(self.pos_kept),
            candidates=candidates.take(places),
            scores=replace(candidates, values=self.scores).take(places).values,
            excluded=self.excluded.take(places),
            complete=self.complete[places],
            exhausted=self.exhausted[places],
        )

    def to_table(self, labels: Labels) -> pl.DataFrame:
        """Returns the table that the run stores, see :meth:`nvmine.Run.scan_candidates`."""
        per_positive = np.diff(self.positives.ragged_offsets())
        per_query = np.diff(self.candidates.ragged_offsets())
        return pl.DataFrame(
            [
                pl.Series("query_id", labels.names(self.rows), pl.String),
                list_column("pos_ids", self.positives.values, per_positive),
                list_column("pos_scores", self.pos_scores, per_positive),
                list_column("pos_ranks", self.pos_ranks, per_positive),
                list_column("pos_kept", self.pos_kept, per_positive),
                list_column("ids", self.candidates.values, per_query),
                list_column("scores", self.scores, per_query),
                list_column("excluded", self.excluded.values, np.diff(self.excluded.ragged_offsets())),
                pl.Series("complete", self.complete, pl.UInt32),
                pl.Series("exhausted", self.exhausted),
            ]
        )

    @classmethod
    def of_table(cls, table: pl.DataFrame, rows: Int64Array) -> CandidateBlock:
        """Returns the block that :meth:`to_table` wrote, of the queries `rows`."""
        flat = {name: table[name].explode(empty_as_null=False).to_numpy() for name in table.columns if name in _LISTS}

        def lists(name: str) -> Rows:
            lengths = table[name].list.len().to_numpy().astype(np.int64)
            return Rows(flat[name].astype(np.int64), None, offsets_of(lengths))

        return cls(
            rows=rows,
            positives=lists("pos_ids"),
            pos_scores=flat["pos_scores"].astype(np.float32),
            pos_ranks=flat["pos_ranks"].astype(np.int64),
            pos_kept=flat["pos_kept"].astype(np.bool_),
            candidates=lists("ids"),
            scores=flat["scores"].astype(np.float32),
            excluded=lists("excluded"),
            complete=table["complete"].to_numpy().astype(np.int64),
            exhausted=table["exhausted"].to_numpy().astype(np.bool_),
        )

    @classmethod
    def concat(cls, blocks: Sequence[CandidateBlock]) -> CandidateBlock:
        """Returns the block of the queries of several blocks."""

        def lists(name: str) -> Rows:
            sides: list[Rows] = [getattr(block, name) for block in blocks]
            lengths = np.concatenate([np.diff(side.ragged_offsets()) for side in sides])
            return Rows(np.concatenate([side.values for side in sides]), None, offsets_of(lengths))

        def flat(name: str) -> npt.NDArray[Any]:
            return np.concatenate([getattr(block, name) for block in blocks])

        return cls(
            rows=flat("rows"),
            positives=lists("positives"),
            pos_scores=flat("pos_scores"),
            pos_ranks=flat("pos_ranks"),
            pos_kept=flat("pos_kept"),
            candidates=lists("candidates"),
            scores=flat("scores"),
            excluded=lists("excluded"),
            complete=flat("complete"),
            exhausted=flat("exhausted"),
        )


_LISTS = ("pos_ids", "pos_scores", "pos_ranks", "pos_kept", "ids", "scores", "excluded")


def no_rows(queries: int) -> Rows:
    """Returns an empty list for each of some queries."""
    return Rows(np.empty(0, np.int64), None, np.zeros(queries + 1, np.int64))


def joined(lists: Sequence[Rows]) -> Rows:
    """Returns each row's ids from all of the lists, one after the other."""
    row_of = np.concatenate([rows.row_of() for rows in lists])
    order = np.argsort(row_of, kind="stable")
    values = np.concatenate([rows.values for rows in lists])[order]
    return Rows(values, None, offsets_of(np.bincount(row_of, minlength=len(lists[0]))))

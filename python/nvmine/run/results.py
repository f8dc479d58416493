"""Candidates to negatives: the rule applied to stored candidates, and the table of results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

import polars as pl
from nvmine.audit import REASONS
from nvmine.inputs.foreign import list_column
from nvmine.mining import mine
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.positives import kept_positives

Int64Array = npt.NDArray[np.int64]


def negatives_name(number: int) -> str:
    """Where a shard of results lies in the run."""
    return f"negatives-{number:05d}.parquet"


def mine_candidates(candidates: pl.DataFrame, labels: Labels, policy: Policy, threads: int | None = None) -> Negatives:
    """The negatives of some queries, from their rows of a candidates table; none where no positive is kept."""
    candidates = kept_positives(candidates)
    return mine(
        candidates["scores"],
        candidates["pos_scores"],
        ids=candidates["ids"],
        pos_ids=candidates["pos_ids"],
        query_ids=candidates["query_id"],
        exclude_ids=pl.select(pl.concat_list(labels.own(candidates["query_id"]), candidates["excluded"])).to_series(),
        identity=labels.classes,
        passage_texts=labels.passage_shingles,
        query_texts=labels.query_texts(candidates["query_id"]),
        # That a query has no positive was allowed, or refused, when its candidates were searched.
        policy=replace(policy, on_missing="skip"),
        threads=threads,
    )


def results_table(candidates: pl.DataFrame, negatives: Negatives, passage_ids: pl.Series, teacher: str) -> pl.DataFrame:
    """Results with a row a (query, positive) pair, named by the ids of the data.

    Columns: `query_id`, `positive_id`, `positive_score`, `negative_ids`, `negative_scores`, `teacher`, `candidates`,
    `rejected` (a count a reason). For an anchor other than ``each``, all positives of a query share its negatives.
    """
    pairs = Pairs.of(candidates, negatives)
    return pl.DataFrame(
        [
            *pairs.names(candidates, passage_ids),
            pairs.positive_scores.alias("positive_score"),
            *pairs.negatives(negatives, passage_ids),
            pl.Series("teacher", [teacher]).new_from_index(0, len(pairs.rows)),
            *pairs.account(negatives),
        ]
    )


@dataclass(frozen=True, slots=True)
class Pairs:
    """The (query, positive) pairs of a table of candidates, and which result is whose.

    Parameters
    ----------
    rows, positives, positive_scores
        The query's row in the table, the positive's id, and its score.
    results
        The row of the result.
    """

    rows: Int64Array
    positives: pl.Series
    positive_scores: pl.Series
    results: Int64Array

    @classmethod
    def of(cls, candidates: pl.DataFrame, negatives: Negatives) -> Pairs:
        """The pairs that are kept. Results are a row a query, or, where each positive is an anchor, a row a pair."""
        kept = kept_positives(candidates)
        lengths = kept["pos_ids"].list.len().to_numpy().astype(np.int64)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        results = np.arange(len(rows)) if (negatives.positives >= 0).any() else rows
        positives, scores = (kept[name].explode(empty_as_null=False) for name in ("pos_ids", "pos_scores"))
        return cls(rows, positives, scores, results)

    def names(self, candidates: pl.DataFrame, passage_ids: pl.Series) -> list[pl.Series]:
        """`query_id` and `positive_id`."""
        return [
            candidates["query_id"].gather(self.rows),
            passage_ids.gather(self.positives).alias("positive_id"),
        ]

    def negatives(self, negatives: Negatives, passage_ids: pl.Series) -> list[pl.Series]:
        """`negative_ids` and `negative_scores`."""
        return [
            self.lists("negative_ids", negatives, lambda held: passage_ids.gather(negatives.ids[self.results][held])),
            self.lists("negative_scores", negatives, lambda held: negatives.scores[self.results][held]),
        ]

    def lists(self, name: str, negatives: Negatives, values: Callable[[Any], Any]) -> pl.Series:
        """A list a pair, of one value a negative; `values` gives them for a mask of shape (pairs, n)."""
        return list_column(name, values(negatives.held[self.results]), negatives.counts[self.results])

    def account(self, negatives: Negatives) -> list[pl.Series]:
        """`candidates` and `rejected`."""
        rejected = pl.DataFrame(negatives.audit.by_reason, schema=dict.fromkeys(REASONS, pl.UInt32))
        return [
            pl.Series("candidates", negatives.audit.candidates[self.results], dtype=pl.UInt32),
            rejected.to_struct("rejected").gather(self.results),
        ]

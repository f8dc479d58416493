"""The table of results: one row per (query, positive) pair, named by the ids of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nvmine.errors import InternalError
from nvmine.negatives import Negatives, result_table
from nvmine.run.candidates.block import CandidateBlock
from nvmine.run.candidates.labels import Labels

Int64Array = npt.NDArray[np.int64]


def results_table(
    block: CandidateBlock, labels: Labels, negatives: Negatives, passage_ids: pl.Series, teacher: str
) -> pl.DataFrame:
    """Returns the results of one teacher.

    Columns: `query_id`, `positive_id`, `positive_score`, `negative_ids`, `negative_scores`, `teacher`, `candidates`,
    `rejected` (one count per reason). The positives of a query share its negatives, unless each positive is an anchor.
    """
    pairs = _Pairs.of(block, negatives)
    return result_table(
        negatives,
        rows=pairs.results,
        first=[*pairs.names(block, labels, passage_ids), pl.Series("positive_score", pairs.scores)],
        ids=passage_ids,
        then=[pl.Series("teacher", [teacher]).new_from_index(0, len(pairs.results))],
        counts=pl.UInt32,
    )


def ensemble_table(
    blocks: Sequence[CandidateBlock],
    labels: Labels,
    negatives: Negatives,
    passage_ids: pl.Series,
    names: Sequence[str],
) -> pl.DataFrame:
    """Returns the results of several teachers.

    Columns: `query_id`, `positive_id`, `negative_ids`, `negative_scores`, `negative_teachers`, `positive_scores` (the
    positive's score by the teacher of each negative, null where it has none), `candidates`, `rejected`.
    """
    pairs = _Pairs.of(blocks[0], negatives)
    # One column per teacher, one row per pair.
    scores = np.stack([block.pos_scores[blocks[0].pos_kept] for block in blocks], axis=1)
    teachers = teachers_of(negatives)[pairs.results]
    of_positive = np.take_along_axis(scores, np.maximum(teachers, 0), axis=1)
    held = negatives.held[pairs.results]
    return result_table(
        negatives,
        rows=pairs.results,
        first=pairs.names(blocks[0], labels, passage_ids),
        ids=passage_ids,
        lists={
            "negative_teachers": pl.Series(names, dtype=pl.String).gather(teachers[held]),
            "positive_scores": pl.Series(of_positive[held]).fill_nan(None),
        },
        counts=pl.UInt32,
    )


def teachers_of(negatives: Negatives) -> Int64Array:
    """Returns the place of the teacher of each negative, in an ensemble."""
    if negatives.teachers is None:
        raise InternalError("an ensemble does not say which teacher gave a negative; please report this")
    return negatives.teachers


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The (query, positive) pairs of a block that are kept: their places, passages and scores, and their results."""

    places: Int64Array
    passages: Int64Array
    scores: npt.NDArray[np.float32]
    results: Int64Array

    @classmethod
    def of(cls, block: CandidateBlock, negatives: Negatives) -> _Pairs:
        kept = block.kept
        places = kept.positives.row_of()
        # Where each positive is an anchor, each pair has a result of its own.
        results = np.arange(len(places)) if (negatives.positives >= 0).any() else places
        return cls(places, kept.positives.values, kept.pos_scores, results)

    def names(self, block: CandidateBlock, labels: Labels, passage_ids: pl.Series) -> list[pl.Series]:
        return [
            pl.Series("query_id", labels.names(block.rows), pl.String).gather(self.places),
            passage_ids.gather(self.passages).alias("positive_id"),
        ]

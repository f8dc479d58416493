"""Which positives of a query the teacher stands by: their ranks, and the consistency filter.

A pair whose positive the teacher does not find among its best passages is wrong often enough that dropping it pays
(round-trip consistency: Alberti et al. 2019, arXiv 1906.05416; Dai et al. 2022, arXiv 2209.11755). A positive that is
dropped is no anchor and gets no result, and still is never a negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

import polars as pl
from nvmine.inputs.foreign import list_column
from nvmine.search import Candidates

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def positive_ranks(
    found: Candidates, classes: Int64Array, known: list[Int64Array], scores: Float32Array, counts: Int64Array
) -> Int64Array:
    """The rank of every positive among the passages: 1 for the best, 0 where it lies beyond the lists.

    The query's other positives do not count before it, nor does the query itself where it is a passage.

    Parameters
    ----------
    found
        The best passages of Q queries.
    classes
        The identity class of every passage.
    known
        The classes that do not count, for each query.
    scores, counts
        The scores of the queries' positives one after the other, and how many each has.
    """
    ranks = np.zeros(len(scores), np.int64)
    stop = 0
    for ids, list_scores, count, uncounted in zip(found.ids, found.scores, counts.tolist(), known, strict=True):
        start, stop = stop, stop + count
        mine, held = scores[start:stop], ids >= 0
        if held.any():
            counted = list_scores[held][~np.isin(classes[ids[held]], uncounted)]
            better = (counted[None, :] > mine[:, None]).sum(axis=1)
            # What scores less than all that was found may come after any number of others.
            ranks[start:stop] = np.where(mine >= list_scores[held][-1], better + 1, 0)
    return ranks


def kept_positives(candidates: pl.DataFrame) -> pl.DataFrame:
    """A table of candidates without the positives that were dropped, which are excluded instead."""
    lengths = candidates["pos_ids"].list.len().to_numpy().astype(np.int64)
    flat = {name: candidates[name].explode(empty_as_null=False) for name in ("pos_ids", "pos_scores", "pos_kept")}
    kept = flat["pos_kept"].to_numpy()
    if kept.all():
        return candidates
    rows = np.repeat(np.arange(len(lengths)), lengths)
    left, gone = (np.bincount(rows[mask], minlength=len(lengths)) for mask in (kept, ~kept))
    lost = list_column("lost", flat["pos_ids"].filter(pl.Series(~kept)), gone)
    return candidates.with_columns(
        list_column("pos_ids", flat["pos_ids"].filter(pl.Series(kept)), left),
        list_column("pos_scores", flat["pos_scores"].filter(pl.Series(kept)), left),
        pl.concat_list("excluded", lost).alias("excluded"),
    )


def with_positives(tables: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """The rows of queries that have kept a positive, by the first of one or several teachers' candidates."""
    stay = tables[0]["pos_kept"].list.any()
    return [table.filter(stay) for table in tables]


def worst_positives(candidates: pl.LazyFrame, passages: pl.LazyFrame, most: int = 10) -> pl.DataFrame:
    """The positives with the worst ranks: those beyond the depth first, and of those the ones that score least.

    Returns
    -------
    `query_id`, `positive_id`, `score`, `rank` (0: beyond the depth), `kept`.
    """
    names = passages.select("passage_id", pl.int_range(pl.len()).alias("id"))
    beyond = pl.col("rank") == 0
    return (
        candidates.select(
            "query_id",
            pl.col("pos_ids").alias("id"),
            pl.col("pos_scores").alias("score"),
            pl.col("pos_ranks").alias("rank"),
            pl.col("pos_kept").alias("kept"),
        )
        .explode("id", "score", "rank", "kept", empty_as_null=False)
        .sort(~beyond, -pl.col("rank"), "score", "query_id", "id")
        .head(most)
        .join(names, on="id", how="left", maintain_order="left")
        .select("query_id", pl.col("passage_id").alias("positive_id"), "score", "rank", "kept")
        .collect()
    )

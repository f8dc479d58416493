"""Positives of a finished run, from its stored candidates: those that count, and those that the teacher ranks worst."""

from __future__ import annotations

import polars as pl

_PAIRS = ("pos_ids", "pos_scores", "pos_kept")


def kept_positives(candidates: pl.DataFrame) -> pl.DataFrame:
    """Returns a table of candidates without the positives that were dropped, which are excluded instead."""
    pairs = candidates.select("query_id", *_PAIRS).with_row_index("row").explode(*_PAIRS, empty_as_null=False)
    kept = pairs.filter("pos_kept").group_by("row").agg(*_PAIRS)
    dropped = pairs.filter(~pl.col("pos_kept")).group_by("row").agg(pl.col("pos_ids").alias("dropped"))
    joined = candidates.drop(_PAIRS).with_row_index("row").join(kept, on="row", how="left", maintain_order="left")
    joined = joined.join(dropped, on="row", how="left", maintain_order="left")
    empty = [pl.col(name).fill_null(pl.lit([], joined.schema[name])) for name in (*_PAIRS, "dropped")]
    joined = joined.with_columns(empty).with_columns(pl.concat_list("excluded", "dropped").alias("excluded"))
    return joined.select(candidates.columns)


def worst_positives(candidates: pl.LazyFrame, passages: pl.LazyFrame, most: int = 10) -> pl.DataFrame:
    """Returns the positives with the worst ranks: first those beyond the depth, the lowest scores first.

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

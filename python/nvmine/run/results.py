"""Candidates to negatives: the rule applied to stored candidates, and the table of results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from nvmine.audit import REASONS
from nvmine.foreign import list_column
from nvmine.mining import mine
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.run.labels import Labels


def negatives_name(number: int) -> str:
    """Where a shard of results lies in the run."""
    return f"negatives-{number:05d}.parquet"


def mine_candidates(candidates: pl.DataFrame, labels: Labels, policy: Policy, threads: int | None = None) -> Negatives:
    """The negatives of some queries, from their rows of a candidates table."""
    return mine(
        candidates["scores"],
        candidates["pos_scores"],
        ids=candidates["ids"],
        pos_ids=candidates["pos_ids"],
        query_ids=candidates["query_id"],
        exclude_ids=labels.own(candidates["query_id"]),
        identity=labels.classes,
        passage_texts=labels.passage_shingles,
        query_texts=labels.query_texts(candidates["query_id"]),
        policy=policy,
        threads=threads,
    )


def results_table(candidates: pl.DataFrame, negatives: Negatives, passage_ids: pl.Series, teacher: str) -> pl.DataFrame:
    """Results with a row a (query, positive) pair, named by the ids of the data.

    Columns: `query_id`, `positive_id`, `positive_score`, `negative_ids`, `negative_scores`, `teacher`, `candidates`,
    `rejected` (a count a reason). For an anchor other than ``each``, all positives of a query share its negatives.
    """
    held = negatives.held
    results = pl.DataFrame(
        [
            pl.Series("row", negatives.queries),
            pl.Series("positive", negatives.positives),
            list_column("negative_ids", passage_ids.gather(negatives.ids[held]), negatives.counts),
            list_column("negative_scores", negatives.scores[held], negatives.counts),
            pl.Series("candidates", negatives.audit.candidates, dtype=pl.UInt32),
            pl.DataFrame(negatives.audit.by_reason, schema=dict.fromkeys(REASONS, pl.UInt32)).to_struct("rejected"),
        ]
    )
    pairs = candidates.select(
        pl.int_range(pl.len()).alias("row"),
        "query_id",
        pl.col("pos_ids").alias("positive_id"),
        pl.col("pos_scores").alias("positive_score"),
    )
    if (negatives.positives < 0).all():
        table = pairs.join(results.drop("positive"), on="row", how="left", maintain_order="left")
        table = table.explode("positive_id", "positive_score", empty_as_null=False)
    else:
        # Results are in the order of pairs already.
        exploded = pairs.explode("positive_id", "positive_score", empty_as_null=False)
        table = exploded.hstack(results.drop("row", "positive"))
    return table.select(
        "query_id",
        passage_ids.gather(table["positive_id"]).alias("positive_id"),
        "positive_score",
        "negative_ids",
        "negative_scores",
        pl.lit(teacher).alias("teacher"),
        "candidates",
        "rejected",
    )


def writer(table: pl.DataFrame) -> Callable[[Path], None]:
    """What writes a table as Parquet to the path it is given."""
    return lambda path: table.write_parquet(path)

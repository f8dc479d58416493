"""Mines one batch of whole queries in the long form."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

import nvmine.mining
from nvmine.audit import REASONS
from nvmine.errors import DataError, NvmineError
from nvmine.negatives import Negatives, result_table
from nvmine.policy import Policy

# Types of ids that the core reads directly; ids of any other type are numbered within each query.
_NUMBERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


@dataclass(slots=True)
class LongRule:
    """A policy, and the positives that it is applied with.

    Parameters
    ----------
    policy
        The rule.
    positives
        Pairs of `query` and `passage`, perhaps with a `score`, in the order of their ids. The ids have the types of the
        candidates' ids.
    threads
        Number of threads that the core uses.
    totals
        Counts of what has been mined so far: `queries`, `results`, `negatives`, `short` results, and `labelled`, the
        queries with positives. :func:`nvmine.polars.lists.mine_lists` also counts the `judged` queries.
    """

    policy: Policy
    positives: pl.DataFrame
    threads: int | None = None
    totals: Counter[str] = field(default_factory=Counter)

    def mine(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Returns the results of whole queries, given as `query`, `passage` and `score`, one row per candidate.

        Raises
        ------
        NvmineError
            A query is null, or :func:`nvmine.mine` refuses a query, which the message names by its id.
        """
        if rows["query"].null_count():
            raise DataError("a candidate has no query: its id is null; filter out such rows", column="query")
        rows = rows.with_columns(rows["query"].rle_id().alias("number"))
        queries = rows.group_by("number", maintain_order=True).agg(pl.first("query"))
        positives = self.positives.join(queries, on="query", maintain_order="left").sort("number", maintain_order=True)
        marked = positives.select("number", "passage", positive=True)
        rows = rows.join(marked, on=["number", "passage"], how="left", maintain_order="left")
        plain = rows.schema["passage"] in _NUMBERS
        rows = rows.with_columns(id="passage" if plain else _numbered(rows.schema["passage"]))
        scored = self._scored(rows, positives)
        lists = (
            rows.group_by("number", maintain_order=True)
            .agg(
                pl.first("query"),
                ids="id",
                scores="score",
                pos_ids=pl.col("id").filter(pl.col("positive")),
            )
            .join(scored.group_by("number").agg(pos_scores="score"), on="number", how="left", maintain_order="left")
        )
        names = None if plain else rows.select("number", "id", "passage")
        negatives = _mine(lists, self.policy, self.threads)
        return self._table(lists["query"], negatives, positives, scored, names)

    def _table(
        self,
        queries: pl.Series,
        negatives: Negatives,
        positives: pl.DataFrame,
        scored: pl.DataFrame,
        names: pl.DataFrame | None = None,
    ) -> pl.DataFrame:
        """Adds the results to the totals, and returns them as a table."""
        self.totals += totals(negatives, self.policy.n) + Counter(labelled=positives["number"].n_unique())
        each = self.policy.anchor == "each"
        pairs = scored.select(positive_id="passage", positive_score="score") if each else None
        return results(queries, negatives, pairs, self.positives.schema["passage"], names)

    def takes_lists(self, ids: pl.DataType) -> bool:
        """Whether :meth:`mine_lists` works for ids of this type: nothing has to be looked up in the lists."""
        return ids in _NUMBERS and "score" in self.positives.columns

    def mine_lists(self, lists: pl.DataFrame) -> pl.DataFrame:
        """Returns the results of queries given as `query` and the lists `passage` and `score`, one row per query.

        The results are those of :meth:`mine` for the same candidates, but the lists stay lists, which is faster.
        """
        lists = lists.select("query", ids="passage", scores="score").with_row_index("number")
        positives = self.positives.join(lists.select("query", "number"), on="query").sort("number", "passage")
        scored = positives.drop_nulls("score")
        for name, column, pairs in (("pos_ids", "passage", positives), ("pos_scores", "score", scored)):
            own = pairs.group_by("number").agg(pl.col(column).alias(name))
            lists = lists.join(own, on="number", how="left", maintain_order="left")
        negatives = _mine(lists, self.policy, self.threads)
        return self._table(lists["query"], negatives, positives, scored)

    def _scored(self, rows: pl.DataFrame, positives: pl.DataFrame) -> pl.DataFrame:
        """Returns `number`, `passage` and `score` of the positives that have a score, in the order of their ids."""
        if "score" in positives.columns:
            return positives.select("number", "passage", "score").drop_nulls("score")
        # If a positive has several rows, its best score counts, as for other candidates.
        found = rows.filter(pl.col("positive") & pl.col("score").is_not_null())
        return found.group_by("number", "passage").agg(pl.max("score")).sort("number", "passage")


def _numbered(kind: pl.DataType) -> pl.Expr:
    """Ranks each id among the ids of its query, so that equal scores are ordered by id; a null is padding."""
    passage = pl.col("passage")
    if kind.is_integer():
        passage = pl.when(passage >= 0).then(passage)
    return passage.rank("dense").over("number").cast(pl.Int64)


def _mine(lists: pl.DataFrame, policy: Policy, threads: int | None) -> Negatives:
    """Returns the negatives of queries whose candidates and positives are lists.

    Raises
    ------
    NvmineError
        :func:`nvmine.mine` refuses a query. The error has no row number, which would count from the start of the batch.
    """
    try:
        return nvmine.mining.mine(
            lists["scores"],
            lists["pos_scores"],
            ids=lists["ids"],
            pos_ids=lists["pos_ids"],
            query_ids=lists["query"],
            policy=policy,
            threads=threads,
        )
    except NvmineError as error:
        raise error.at(row=None) from None


def totals(negatives: Negatives, n: int) -> Counter[str]:
    """Returns the counts of `queries`, `results`, `negatives` and `short` results."""
    return Counter(
        queries=len(np.unique(negatives.queries)),
        results=len(negatives),
        negatives=int(negatives.counts.sum()),
        short=int((negatives.counts < n).sum()),
    )


def results(
    queries: pl.Series,
    negatives: Negatives,
    pairs: pl.DataFrame | None,
    kind: pl.DataType,
    names: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Returns a table with one row per result.

    Parameters
    ----------
    queries
        Ids of the queries.
    negatives
        Negatives of these queries.
    pairs
        `positive_id` and `positive_score` of all positives, in order, if there is one result per positive.
    kind
        Type of the passage ids.
    names
        Maps the numbers `id` of the candidates of query `number` to their ids `passage`. None if the numbers are the
        ids.
    """
    held = negatives.held
    found = pl.Series("id", negatives.ids[held])
    if names is not None:
        numbers = pl.Series("number", np.repeat(negatives.queries, negatives.counts), names.schema["number"])
        mined = pl.DataFrame([numbers, found])
        keys = ["number", "id"]
        few = names.join(mined, on=keys, how="semi").unique(keys)
        found = mined.join(few, on=keys, how="left", maintain_order="left")["passage"]
    first = [queries.gather(negatives.queries).alias("query")]
    if pairs is not None:
        first += pairs.with_columns(pl.col("positive_score").cast(pl.Float64)).get_columns()
    return result_table(negatives, first=first, named=found.cast(kind), counts=pl.UInt32)


def results_schema(schema: pl.Schema, policy: Policy, query: str) -> pl.Schema:
    """Returns the schema of :func:`results` for candidates of this `schema`; `query` names the query column."""
    score = pl.Float32 if schema["score"] in (pl.Float32, getattr(pl, "Float16", pl.Float32)) else pl.Float64
    columns: dict[str, Any] = {query: schema["query"]}
    if policy.anchor == "each":
        columns |= {"positive_id": schema["passage"], "positive_score": pl.Float64}
    columns |= {"negative_ids": pl.List(schema["passage"]), "negative_scores": pl.List(score)}
    columns |= {"candidates": pl.UInt32, "rejected": pl.Struct(dict.fromkeys(REASONS, pl.UInt32))}
    return pl.Schema(columns)

"""Candidates with a row a query: their lists, as rows a candidate."""

from __future__ import annotations

import polars as pl

from nvmine.data.ranked_forms import long_types
from nvmine.errors import DataError
from nvmine.polars.rows import LongRule


def mine_lists(lists: pl.DataFrame, rule: LongRule) -> pl.DataFrame | None:
    """The results of all rows of some queries, given as lists; none where no list holds anything.

    Lists that bring their positives are mined against those.

    Raises
    ------
    DataError
        A query has another number of ids than of scores.
    """
    _refuse_uneven(lists, "passage", "score", "candidates")
    types = long_types(lists.schema)
    if "pos_ids" in types:
        _refuse_uneven(lists, "pos_ids", "pos_scores", "positives")
        pairs = lists.select("query", passage="pos_ids", score="pos_scores").pipe(_long_rows)
        # Of a positive that is named twice the best score counts.
        best = pairs.group_by("query", "passage").agg(pl.max("score")).sort("query", "passage")
        rule.positives = best.with_columns(pl.col("passage").cast(types["passage"], strict=False))
        rule.totals["judged"] += best["query"].n_unique()
    filled = lists.filter(pl.col("passage").list.len() > 0)
    if not len(filled):
        return None
    if rule.takes_lists(types["passage"]) and filled["query"].is_unique().all():
        return rule.mine_lists(filled)
    return rule.mine(_long_rows(filled))


def _refuse_uneven(lists: pl.DataFrame, ids: str, scores: str, what: str) -> None:
    lengths = lists.select(pl.col(ids, scores).list.len().fill_null(0))
    uneven = (lengths[ids] != lengths[scores]).arg_true()
    if len(uneven):
        found = "{} ids for {} scores".format(*lengths.row(uneven[0]))
        raise DataError(f"{found} of its {what}; give each one score", query=lists["query"][uneven[0]])


def _long_rows(lists: pl.DataFrame) -> pl.DataFrame:
    """A row a passage, in the order of the lists; a query without any has none."""
    filled = lists.select("query", "passage", "score").filter(pl.col("passage").list.len() > 0)
    return filled.explode("passage", "score", empty_as_null=False)

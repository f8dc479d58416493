"""Mines ranked lists with one row per query."""

from __future__ import annotations

import polars as pl

from nvmine.data.ranked_forms import long_types
from nvmine.errors import DataError
from nvmine.polars.rows import LongRule


def mine_lists(lists: pl.DataFrame, rule: LongRule) -> pl.DataFrame | None:
    """Returns the results of some queries, given as lists with all their rows; None if every list is empty.

    If the lists come with their own positives, these become the positives of the rule.

    Raises
    ------
    DataError
        The numbers of ids and scores of a query differ.
    """
    _refuse_uneven(lists, "passage", "score", "candidates")
    types = long_types(lists.schema)
    if "pos_ids" in types:
        _refuse_uneven(lists, "pos_ids", "pos_scores", "positives")
        pairs = lists.select("query", passage="pos_ids", score="pos_scores").pipe(_long_rows)
        # If a positive is listed more than once, its best score counts.
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
    """Raises :class:`DataError` if the lists in two columns differ in length."""
    lengths = lists.select(pl.col(ids, scores).list.len().fill_null(0))
    uneven = (lengths[ids] != lengths[scores]).arg_true()
    if len(uneven):
        found = "{} ids but {} scores".format(*lengths.row(uneven[0]))
        raise DataError(f"its {what} have {found}; give one score per id", query=lists["query"][uneven[0]])


def _long_rows(lists: pl.DataFrame) -> pl.DataFrame:
    """Returns one row per passage, in the order of the lists; a query with an empty list has no row."""
    filled = lists.select("query", "passage", "score").filter(pl.col("passage").list.len() > 0)
    return filled.explode("passage", "score", empty_as_null=False)

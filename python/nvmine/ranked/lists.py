"""Candidates with a row a query: their lists, as rows a candidate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from nvmine.data import columns
from nvmine.errors import DataError, DtypeError
from nvmine.polars.rows import LongRule
from nvmine.polars.stream import Source


def list_form(frame: pl.LazyFrame, path: Path, *, query: str | None, passage: str | None, score: str | None) -> Source:
    """The columns of a file with a row a query: `query`, lists `passage` and `score`.

    With both known names for positives among its columns, the lists `pos_ids` and `pos_scores` too.

    Raises
    ------
    DataError
        It has no such column.
    DtypeError
        A column holds something else.
    """
    schema = frame.collect_schema()
    roles = {
        "query": columns.choose(schema, query, columns.QUERY, "query_column", path),
        "passage": columns.choose(schema, passage, columns.IDS, "passage_column", path),
        "score": columns.choose(schema, score, columns.SCORES, "score_column", path),
    }
    pos_ids, pos_scores = columns.find(schema, columns.POS_IDS), columns.find(schema, columns.POS_SCORES)
    if pos_ids is not None and pos_scores is not None:
        roles |= {"pos_ids": pos_ids, "pos_scores": pos_scores}
    lists = Source(frame, {role: _column(name, schema[name], role) for role, name in roles.items()})
    types = long_types(lists.schema)
    if "pos_ids" in types and types["pos_ids"].is_integer() != types["passage"].is_integer():
        message = f"holds {types['pos_ids']} and the candidates {types['passage']}; cast one of them"
        raise DtypeError(message, column=pos_ids)
    return lists


def _column(name: str, kind: pl.DataType, role: str) -> pl.Expr:
    """A column of ids, lists of ids, or lists of scores; a positive may be one a row."""
    inner: Any = kind.inner if isinstance(kind, pl.List | pl.Array) else kind
    scores = role in ("score", "pos_scores")
    single = inner is kind
    fits = inner.is_integer() or (inner.is_float() if scores else inner == pl.String)
    if not fits or (single and role in ("passage", "score")) or (role == "query" and not single):
        wanted = "numbers" if scores else "whole numbers or String"
        wanted = wanted if role == "query" else f"lists of {wanted}"
        raise DtypeError(f"holds {kind}, expected {wanted}; cast the column", column=name)
    if single:
        return pl.col(name) if role == "query" else pl.concat_list(name)
    return pl.col(name).cast(pl.List(inner)) if isinstance(kind, pl.Array) else pl.col(name)


def long_types(schema: pl.Schema) -> pl.Schema:
    """The schema of the same columns with a row a value."""
    return pl.Schema({role: kind.inner if isinstance(kind, pl.List) else kind for role, kind in schema.items()})


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

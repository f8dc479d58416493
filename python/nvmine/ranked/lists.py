"""Candidates with a row a query: their lists, as rows a candidate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from nvmine.errors import DataError, DtypeError
from nvmine.ranked import columns


def list_form(
    frame: pl.LazyFrame, path: Path, *, query: str | None, passage: str | None, score: str | None
) -> pl.LazyFrame:
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
    return frame.select(_column(name, schema[name], role).alias(role) for role, name in roles.items())


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
    return pl.col(name).cast(pl.List(inner))


def long_rows(lists: pl.DataFrame) -> pl.DataFrame:
    """A row a candidate, in the order of the lists; a query without any has none.

    Raises
    ------
    DataError
        A query has another number of ids than of scores.
    """
    lengths = lists.select(pl.col("passage", "score").list.len().fill_null(0))
    uneven = (lengths["passage"] != lengths["score"]).arg_true()
    if len(uneven):
        ids, scores = lengths.row(uneven[0])
        raise DataError(f"{ids} ids for {scores} scores", query=lists["query"][uneven[0]])
    filled = lists.select("query", "passage", "score").filter(lengths["passage"] > 0)
    return filled.explode("passage", "score", empty_as_null=False)


def own_positives(lists: pl.LazyFrame, path: Path) -> pl.DataFrame:
    """The positives that the file itself names, with their scores: `query`, `passage`, `score`.

    Raises
    ------
    DataError
        A query has another number of positives than of scores for them.
    """
    named = lists.select("query", passage="pos_ids", score="pos_scores").collect()
    try:
        pairs = long_rows(named)
    except DataError as error:
        raise DataError(f"its positives have {error.message}", path=path, query=error.query) from None
    # Of a positive that is named twice the best score counts.
    return pairs.group_by("query", "passage").agg(pl.max("score")).sort("query", "passage")

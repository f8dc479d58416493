"""The two forms of ranked lists, a row a candidate or a row a query, as columns named by their roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from nvmine.data.formats import columns
from nvmine.data.formats.stream import Source
from nvmine.errors import DataError, DtypeError, quote


def long_form(lf: pl.LazyFrame, *, query: str, passage: str, score: str) -> Source:
    """The three columns of the candidates under the names of their roles.

    Raises
    ------
    DataError
        A column is missing.
    DtypeError
        A column holds something else than ids or scores.
    """
    schema = lf.collect_schema()
    for name in (query, passage, score):
        if name not in schema:
            raise DataError(f"no such column; the columns are: {', '.join(map(quote, schema))}", column=name)
        kind, expected = schema[name], "numbers" if name == score else "whole numbers or String"
        fits = kind.is_float() or kind.is_integer() if name == score else kind.is_integer() or kind == pl.String
        if not fits:
            raise DtypeError(f"holds {kind}, expected {expected}; cast the column", column=name)
    columns = {"query": pl.col(query), "passage": pl.col(passage), "score": pl.col(score)}
    if schema[query] in (pl.Int128, getattr(pl, "UInt128", pl.Int128)):
        # Keys of the draws have 64 bits.
        columns["query"] = pl.col(query).cast(pl.Int64)
    return Source(lf, columns)


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

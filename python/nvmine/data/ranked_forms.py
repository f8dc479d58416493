"""The two forms of ranked lists, one row per candidate or one row per query, with columns named by their roles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from nvmine.data.formats import columns
from nvmine.data.stream import Source
from nvmine.errors import DataError, DtypeError, quote


def long_form(lf: pl.LazyFrame, *, query: str, passage: str, score: str) -> Source:
    """Returns candidates, one per row, as the columns `query`, `passage` and `score`.

    Parameters
    ----------
    lf
        The candidates.
    query, passage, score
        Names of the three columns in `lf`.

    Raises
    ------
    DataError
        A column is missing.
    DtypeError
        A column does not hold ids or scores.
    """
    schema = lf.collect_schema()
    for name in (query, passage, score):
        if name not in schema:
            raise DataError(f"no such column; the columns are: {', '.join(map(quote, schema))}", column=name)
        if not fits(schema[name], scores=name == score):
            raise wrong_type(name, schema[name], scores=name == score)
    roles = {"query": pl.col(query), "passage": pl.col(passage), "score": pl.col(score)}
    if schema[query] in (pl.Int128, getattr(pl, "UInt128", pl.Int128)):
        # Query ids are keys of the random draws, and keys have 64 bits.
        roles["query"] = pl.col(query).cast(pl.Int64)
    return Source(lf, roles)


def list_form(frame: pl.LazyFrame, path: Path, named: Mapping[str, str | None]) -> Source:
    """Returns ranked lists, one query per row, as the columns `query`, `passage` and `score`; the last two hold lists.

    If the file has both known columns of positives, their lists come as `pos_ids` and `pos_scores`.

    Parameters
    ----------
    frame
        The lists.
    path
        Their file, for messages.
    named
        The column names that the caller gave, by role: `query`, `passage` and `score`.

    Raises
    ------
    DataError
        A column is missing.
    DtypeError
        A column does not hold ids, lists of ids, or lists of scores.
    """
    schema = frame.collect_schema()
    known = (columns.QUERY, columns.IDS, columns.SCORES)
    roles = dict(zip(named, columns.choose_all(schema, named, known, path), strict=True))
    pos_ids, pos_scores = columns.find(schema, columns.POS_IDS), columns.find(schema, columns.POS_SCORES)
    if pos_ids is not None and pos_scores is not None:
        roles |= {"pos_ids": pos_ids, "pos_scores": pos_scores}
    lists = Source(frame, {role: _column(name, schema[name], role) for role, name in roles.items()})
    types = long_types(lists.schema)
    if "pos_ids" in types and types["pos_ids"].is_integer() != types["passage"].is_integer():
        message = f"holds {types['pos_ids']}, but the candidates hold {types['passage']}; cast one of them"
        raise DtypeError(message, column=pos_ids)
    return lists


def long_types(schema: pl.Schema) -> pl.Schema:
    """Returns the schema of the same columns with one row per list item."""
    return pl.Schema({role: kind.inner if isinstance(kind, pl.List) else kind for role, kind in schema.items()})


def fits(values: pl.DataType, *, scores: bool) -> bool:
    """Whether values of a type can be scores, which are numbers, or ids, which are whole numbers or strings."""
    return values.is_integer() or (values.is_float() if scores else values == pl.String)


def wrong_type(column: str, found: pl.DataType, *, scores: bool, lists: bool = False) -> DtypeError:
    """Returns the error for a column that does not hold scores or ids, or lists of them."""
    wanted = "numbers" if scores else "whole numbers or String"
    return DtypeError(f"holds {found}, expected {'lists of ' if lists else ''}{wanted}; cast the column", column=column)


def _column(name: str, kind: pl.DataType, role: str) -> pl.Expr:
    """Returns a column of ids, of lists of ids, or of lists of scores; a column with one positive per row is a list."""
    inner: Any = kind.inner if isinstance(kind, pl.List | pl.Array) else kind
    scores = role in ("score", "pos_scores")
    single = inner is kind
    if not fits(inner, scores=scores) or (single and role in ("passage", "score")) or (role == "query" and not single):
        raise wrong_type(name, kind, scores=scores, lists=role != "query")
    if single:
        return pl.col(name) if role == "query" else pl.concat_list(name)
    return pl.col(name).cast(pl.List(inner)) if isinstance(kind, pl.Array) else pl.col(name)

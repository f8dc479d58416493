"""Relevance judgements, one per row, read as the positives that the long form is mined against."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from nvmine.errors import DataError, DtypeError, quote


def read_positives(
    qrels: pl.LazyFrame | pl.DataFrame,
    *,
    query: str,
    passage: str,
    relevance: str | None,
    pos_score: str | None,
    types: Mapping[str, pl.DataType],
) -> pl.DataFrame:
    """Returns the unique pairs with a relevance above 0: `query`, `passage` and, with `pos_score`, `score`.

    Ids are cast to the `types` of the candidates' columns `query` and `passage`. A passage id that its type cannot hold
    becomes null: it is a positive that is not among the candidates. A query id that its type cannot hold is left out,
    for the same reason.

    Parameters
    ----------
    qrels
        The judgements.
    query, passage, relevance, pos_score
        Columns of `qrels`. Without `relevance`, the column ``relevance`` is used if there is one, else every row is a
        positive.
    types
        The types of the candidates' columns `query` and `passage`.

    Raises
    ------
    DataError
        A column is missing, an id is null, or a pair has two relevances or two scores.
    DtypeError
        Ids are whole numbers in `qrels` and strings among the candidates, or the other way round; or relevances or
        scores are not numbers.
    """
    lazy = qrels.lazy()
    schema = lazy.collect_schema()
    columns = {"query": query, "passage": passage}
    if relevance is None and "relevance" in schema:
        relevance = "relevance"
    columns |= {role: name for role, name in (("relevance", relevance), ("score", pos_score)) if name is not None}
    for role, name in columns.items():
        if name not in schema:
            raise DataError(f"no such column in qrels; the columns are: {', '.join(map(quote, schema))}", column=name)
        if role in types and schema[name].is_integer() != types[role].is_integer():
            raise DtypeError(
                f"qrels hold {schema[name]}, but the candidates hold {types[role]}; cast one of them", column=name
            )
        if role not in types and not schema[name].is_numeric():
            raise DtypeError(f"qrels hold {schema[name]}, expected numbers; cast the column", column=name)
    pairs = lazy.select(pl.col(name).alias(role) for role, name in columns.items()).collect()
    for role in ("query", "passage"):
        if pairs[role].null_count():
            raise DataError("an id in qrels is null", column=columns[role], row=pairs[role].is_null().arg_max())
    return (
        _positive(pairs.unique())
        .with_columns(pl.col(role).cast(kind, strict=False) for role, kind in types.items())
        .drop_nulls("query")
    )


def _positive(judged: pl.DataFrame) -> pl.DataFrame:
    """Returns the judgements with a relevance above 0, in the order of their ids; refuses contradictions."""
    twice = judged.filter(pl.struct("query", "passage").is_duplicated()).sort("query", "passage")
    if len(twice):
        passage = quote(str(twice["passage"][0]))
        message = f"qrels contradict themselves about passage {passage}; keep one row of the pair"
        raise DataError(message, query=twice["query"][0])
    if "relevance" in judged.columns:
        judged = judged.filter(pl.col("relevance") > 0).drop("relevance")
    return judged.sort("query", "passage")

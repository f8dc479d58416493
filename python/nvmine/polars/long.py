"""``mine_long``: the rule for candidates in the long form, one row per candidate, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

import polars as pl

from nvmine.data.ranked_forms import long_form
from nvmine.data.stream import streamed
from nvmine.inputs.numbers import thread_count
from nvmine.polars.expression import refuse_texts
from nvmine.polars.positives import read_positives
from nvmine.polars.rows import LongRule, results_schema
from nvmine.polars.whole import whole_queries
from nvmine.policy import Policy, PolicyFields, takes_policy_fields

# Candidates mined at once: enough to keep all threads busy, few enough to hold in memory.
BATCH = 2**20


@takes_policy_fields
def mine_long(
    lf: pl.LazyFrame | pl.DataFrame,
    qrels: pl.LazyFrame | pl.DataFrame,
    *,
    query: str = "query_id",
    passage: str = "passage_id",
    score: str = "score",
    qrels_query: str | None = None,
    qrels_passage: str | None = None,
    relevance: str | None = None,
    pos_score: str | None = None,
    grouped: bool = False,
    threads: int | None = None,
    policy: Policy | None = None,
    **fields: Unpack[PolicyFields],
) -> pl.LazyFrame:
    """Picks the hard negatives of every query from scored candidates in the long form, one row per candidate.

    The results are those of :func:`nvmine.mine` for the same candidates, with the query ids as `query_ids`. They do not
    depend on the order of the rows or the number of threads. Candidates are mined a million at a time, as they are
    read.

    Parameters
    ----------
    lf
        Candidates. A null or non-finite score is counted as ``not_finite``, and a null passage as ``padding``. If a
        passage has several rows, the one with the best score counts.
    qrels
        Positives, one (query, passage) pair per row, held in memory. Queries without candidates give no row.
    query, passage, score
        Columns of `lf`. Ids are whole numbers or strings, as in `qrels`; UInt64 ids from 2**63 on are padding. Equal
        scores are ordered by id, strings by their bytes. Random draws use the ids if they are whole numbers of at most
        64 bits. Otherwise they use the position of an id among the sorted ids of its query, so that the draws of a
        query depend on its own candidates but not on other queries.
    qrels_query, qrels_passage
        Columns of `qrels`. Default: the names in `lf`.
    relevance
        Column of `qrels`; a value above 0 makes a positive. Default: ``relevance`` if there is such a column, else
        every row is a positive.
    pos_score
        Column of `qrels` with the scores of the positives by the same teacher. Default: the score of a positive is that
        of its row among the candidates. A positive without a score (null, or not among the candidates) is never emitted
        and does not count for the anchor. A query whose positives all have no score is treated as `on_missing` says.
    grouped
        Whether the rows of each query are adjacent in `lf`, as in most files of ranked lists. If so, memory holds
        `qrels`, a few batches, what Polars reads ahead, and the query ids; a query that appears again later is an
        error. If not, `lf` is held in memory and sorted by query: with 64-bit ids this takes about 25 bytes per
        candidate in Polars 2, 45 in 1.44 and 70 in 1.36.
    threads
        Number of threads that the core uses. Default: as many as the process may use.
    policy
        The whole rule; or pass its fields as keywords, see :class:`nvmine.Policy`.
    **fields
        The fields of a policy, if `policy` is not given.

    Returns
    -------
    polars.LazyFrame
        One row per query, in ascending order, or in the order of `lf` with `grouped`. The columns are the query, named
        as in `lf`; `negative_ids`, lists of the passages' type, and `negative_scores`, lists of Float32, or of Float64
        for scores that are Float64 or whole numbers, both best first; `candidates`, UInt32; and `rejected`, a Struct
        with a UInt32 count for each reason in ``nvmine.audit.REASONS``. With ``anchor="each"``, there is one row per
        positive with a score, in the order of their ids, and the columns `positive_id` and `positive_score` (Float64)
        follow the query.

    Raises
    ------
    PolicyError
        A field of the policy is wrong.
    DataError
        A column is missing, or `qrels` hold a null id or contradict themselves.
    DtypeError
        A column does not hold ids or scores, or ids are strings in one table and numbers in the other.
    ScoreError, ShortError, DataError
        On collection: :func:`nvmine.mine` refuses a query, which the message names; a query is null; or, with
        `grouped`, a query appears again. Polars before 2.0 raises ``polars.exceptions.ComputeError`` instead, with the
        class and the query in the message.

    Examples
    --------
    >>> import polars as pl
    >>> import nvmine.polars
    >>> run = pl.LazyFrame(
    ...     {"query_id": ["q"] * 4, "passage_id": ["a", "b", "c", "d"], "score": [0.91, 0.90, 0.62, 0.84]}
    ... )
    >>> qrels = pl.LazyFrame({"query_id": ["q"], "passage_id": ["b"], "relevance": [1]})
    >>> nvmine.polars.mine_long(run, qrels, method="margin", margin=0.05, n=2).collect()["negative_ids"].to_list()
    [['d', 'c']]
    """
    chosen = Policy.of(policy, fields)
    refuse_texts(chosen)
    count = thread_count(threads)
    candidates = long_form(lf.lazy(), query=query, passage=passage, score=score)
    schema = candidates.schema
    positives = read_positives(
        qrels,
        query=qrels_query or query,
        passage=qrels_passage or passage,
        relevance=relevance,
        pos_score=pos_score,
        types={role: schema[role] for role in ("query", "passage")},
    )
    source = candidates if grouped else candidates.sort("query")

    def tables() -> Iterator[pl.DataFrame]:
        rule = LongRule(chosen, positives, count)
        for rows in whole_queries(source.batches(BATCH)):
            yield rule.mine(rows).rename({"query": query})

    return streamed(tables, results_schema(schema, chosen, query))

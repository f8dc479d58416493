"""``mine_long``: the rule on the long form, one row a candidate, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

import polars as pl

from nvmine.data.formats.stream import streamed
from nvmine.data.ranked_forms import long_form
from nvmine.inputs.numbers import thread_count
from nvmine.polars.expression import refuse_texts
from nvmine.polars.positives import read_positives
from nvmine.polars.rows import LongRule, results_schema
from nvmine.polars.whole import whole_queries
from nvmine.policy import Policy, PolicyFields, takes_policy_fields

# Candidates mined at once: enough to keep all threads busy, few enough to hold.
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
    """Picks the hard negatives of every query from scored candidates in the long form, one row a candidate.

    The results are those of :func:`nvmine.mine` for the same candidates, with the queries' ids as `query_ids`, whatever
    the order of the rows and however many threads work. Candidates are mined a million at a time, as they are read.

    Parameters
    ----------
    lf
        Candidates. A null or non-finite score is counted as ``not_finite``, a null passage as ``padding``; of several
        rows of the same passage the best-scored counts.
    qrels
        Which passages are whose positives, a row a pair; held in memory. Queries without candidates give no row.
    query, passage, score
        Columns of `lf`. Ids are whole numbers or strings, the same in `qrels`; UInt64 ids from 2**63 on are padding.
        Equal scores go by the ids, strings by their bytes. Draws go by the ids too if they are whole numbers of at most
        64 bits; else by the place of an id in the order of its query's ids, so that a query's draws depend on no other
        query, but do on which candidates it has.
    qrels_query, qrels_passage
        Columns of `qrels`. Default: named as in `lf`.
    relevance
        Column of `qrels`: above 0 is a positive. Default: ``relevance`` if there is one, else every row is a positive.
    pos_score
        Column of `qrels` with the positives' scores by the same teacher. Default: a positive's score is that of its row
        among the candidates. A positive without a score (null, or not among the candidates) is never emitted but is no
        anchor; a query without any falls under `on_missing`.
    grouped
        Whether the rows of each query stand together in `lf`, as they do in most files of ranked lists. Then memory is
        that of `qrels`, of what Polars reads ahead, a few batches, and the ids of the queries; a query that comes again
        is an error. Else `lf` is sorted by query first, for which it is held in memory: with 64-bit ids about 25 bytes
        a candidate in Polars 2, 45 in 1.44 and 70 in 1.36.
    threads
        How many threads of the core work. Default: as many as the process may use.
    policy
        The whole rule; or give its fields as keywords, see :class:`nvmine.Policy`.
    **fields
        The fields of a policy, where `policy` is not given.

    Returns
    -------
    polars.LazyFrame
        A row a query, in ascending order, or for `grouped` in that of `lf`: `query`, named as in `lf`; `negative_ids`,
        lists of the passages' type, and `negative_scores`, of Float32, or Float64 for Float64 scores and whole numbers,
        best first; `candidates`, UInt32; `rejected`, a Struct with the count of each reason in
        ``nvmine.audit.REASONS``, UInt32. For ``anchor="each"`` a row a positive that has a score, in the order of their
        ids, with `positive_id` and `positive_score`, Float64, after `query`.

    Raises
    ------
    PolicyError
        A field of the policy is wrong.
    DataError
        A column is missing, or `qrels` hold a null id or contradict themselves.
    DtypeError
        A column holds something else than ids or scores, or ids are strings in one table and numbers in the other.
    ScoreError, ShortError, DataError
        When it is collected: what :func:`nvmine.mine` refuses, by the query; a null query; with `grouped`, a query that
        comes again. Polars before 2.0 wraps it as ``polars.exceptions.ComputeError``, class and query in the message.

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

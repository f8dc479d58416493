"""``mine_ranked``: from a file of ranked lists to a file of negatives, without holding either as a whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import polars as pl

from nvmine.data.formats.scan import POLARS_FAILURES
from nvmine.data.qrels import open_qrels
from nvmine.data.ranked_forms import long_types
from nvmine.data.ranked_lists import CandidateFile, keep_error, open_candidates
from nvmine.data.stream import streamed
from nvmine.errors import DataError, NvmineError, quote
from nvmine.files import write_whole
from nvmine.inputs.numbers import thread_count
from nvmine.polars.expression import refuse_texts
from nvmine.polars.lists import mine_lists
from nvmine.polars.long import BATCH
from nvmine.polars.positives import read_positives
from nvmine.polars.rows import LongRule, results_schema
from nvmine.polars.whole import are_grouped, whole_queries
from nvmine.policy import Policy, PolicyFields, takes_policy_fields

# Results per row group of the output, which is what a reader holds at once.
ROW_GROUP = 2**16
# Queries mined at once, if the file has one row per query.
QUERIES = 2**13


@dataclass(frozen=True, slots=True)
class MinedFile:
    """A file of negatives that was written, and its counts.

    Parameters
    ----------
    path
        The file.
    queries, results, negatives
        Numbers of queries, results and negatives in the file. A query has several results only with ``anchor="each"``.
    short
        Number of results with fewer than `n` negatives.
    unranked
        Number of queries that have positives but no candidates; they are not in the file.
    """

    path: Path
    queries: int
    results: int
    negatives: int
    short: int
    unranked: int


@takes_policy_fields
def mine_ranked(
    candidates: str | Path,
    qrels: str | Path | None = None,
    *,
    out: str | Path,
    query_column: str | None = None,
    passage_column: str | None = None,
    score_column: str | None = None,
    threads: int | None = None,
    policy: Policy | None = None,
    **fields: Unpack[PolicyFields],
) -> MinedFile:
    """Picks the hard negatives of every query in a file of ranked lists, without texts and out of core.

    The file is first checked for whether the rows of each query are adjacent. If they are, memory holds at most a
    million candidates, the positives and the query ids. If not, all candidates are held in memory and sorted.

    Parameters
    ----------
    candidates
        Parquet, CSV, TSV or JSONL with one row per candidate: query, passage and score. Parquet with one row per query:
        its id, a list of passage ids and a list of scores. Or a TREC run file (``.trec``, ``.run``, ``.txt``). Text
        files may be gzipped. Ids are whole numbers or strings; in CSV, TSV and run files they are strings.
    qrels
        Positives of the queries: BEIR or TREC labels (``.tsv``, ``.txt``, ``.qrels``), or Parquet, CSV or JSONL with
        columns for query, passage and optionally relevance (above 0 makes a positive) and `pos_score`. The score of a
        positive is its `pos_score`, or else that of its row among the candidates. May be omitted for lists with the
        columns `pos_ids` and `pos_scores`, which are ignored if `qrels` are given.
    out
        The Parquet file to write. It is written completely or not at all, and replaces an existing file. Its bytes do
        not depend on the number of threads.
    query_column, passage_column, score_column
        Names of the columns of `candidates`. Default: the first known name, such as ``query_id``, ``qid``,
        ``passage_id``, ``docid``, ``corpus-id``, ``score``; for lists, ``ids`` and ``scores``.
    threads
        Number of threads that the core uses. Default: as many as the process may use.
    policy
        The whole rule; or pass its fields as keywords, see :class:`nvmine.Policy`. Queries that have no positives in
        `qrels`, or none with a score, are treated as `on_missing` says.
    **fields
        The fields of a policy, if `policy` is not given.

    Returns
    -------
    MinedFile
        The path and counts of the written file. It has the columns of :func:`nvmine.polars.mine_long`, with the query
        in `query_id`.

    Raises
    ------
    PolicyError
        A field of the policy is wrong.
    DataError
        A file is missing, damaged or malformed, a column is missing, or `qrels` are needed; the message names the file
        and, where there is one, the line or row.
    DtypeError
        A column does not hold ids or scores.
    ScoreError, ShortError
        A query cannot be mined under this policy; the message names it.
    RunError
        `out` cannot be written.

    Examples
    --------
    >>> import nvmine
    >>> nvmine.mine_ranked("run.trec", "qrels.tsv", out="negatives.parquet", n=8)
    MinedFile(path=PosixPath('negatives.parquet'), queries=1, results=1, negatives=8, short=0, unranked=0)
    """
    chosen = Policy.of(policy, fields)
    refuse_texts(chosen)
    path, target = Path(candidates), Path(out)
    opened = open_candidates(path, query=query_column, passage=passage_column, score=score_column)
    if opened.lists and qrels is not None:
        # The given judgements take precedence over the positives in the lists.
        opened = replace(opened, source=opened.source.only("query", "passage", "score"))
    schema = long_types(opened.source.schema)
    if qrels is None and "pos_ids" not in schema:
        message = "no positives: pass qrels=, or a file with one row per query and columns pos_ids and pos_scores"
        raise DataError(message, path=path)
    types = {role: schema[role] for role in ("query", "passage")}
    positives = pl.DataFrame(schema=types) if qrels is None else _positives(Path(qrels), types)
    rule = LongRule(chosen, positives, thread_count(threads))
    rule.totals["judged"] = positives["query"].n_unique()
    if target.exists() and target.resolve() == path.resolve():
        raise DataError("this is the file of candidates; choose another one", path=target, argument="out")

    def tables() -> Iterator[pl.DataFrame]:
        try:
            for rows in whole_queries(_rows(opened)):
                table = mine_lists(rows, rule) if opened.lists else rule.mine(rows)
                if table is not None:
                    yield table.rename({"query": "query_id"})
        except NvmineError as error:
            if error.path is not None:
                raise
            raise error.at(path=path) from None

    errors = opened.errors

    def write(temporary: Path) -> None:
        results = streamed(lambda: keep_error(tables(), errors), results_schema(schema, chosen, "query_id"))
        try:
            results.sink_parquet(temporary, row_group_size=ROW_GROUP, maintain_order=True, engine="streaming")
        except Exception:
            if errors:
                raise errors[0] from None
            raise

    write_whole(target, target.with_name(f".{target.name}.{uuid.uuid4().hex}"), write)
    counts = {name: rule.totals[name] for name in ("queries", "results", "negatives", "short")}
    return MinedFile(target, **counts, unranked=rule.totals["judged"] - rule.totals["labelled"])


def _positives(qrels: Path, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Returns the positives in a file, with ids of the same types as the candidates'."""
    judged = open_qrels(qrels)
    # Ids of a text file are strings; where the ids of the candidates are numbers, these must be numbers too.
    for role in (role for role in types if types[role].is_integer() and judged.schema[role] == pl.String):
        numbers = judged[role].cast(pl.Int64, strict=False)
        others = judged[role].filter(numbers.is_null() & judged[role].is_not_null())
        if len(others):
            message = f"{quote(others[0])} is not a whole number, but the ids of the candidates are"
            raise DataError(message, path=qrels, column=role)
        judged = judged.with_columns(numbers)
    try:
        return read_positives(
            judged,
            query="query",
            passage="passage",
            relevance=None,
            pos_score="score" if "score" in judged.columns else None,
            types=types,
        )
    except NvmineError as error:
        raise error.at(path=qrels) from None


def _rows(opened: CandidateFile) -> Iterator[pl.DataFrame]:
    """Iterates over frames of candidates, or of lists, in which the rows of each query are adjacent."""
    source = opened.source
    try:
        if not are_grouped(source.only("query").batches(BATCH)):
            source = source.sort("query")
        for rows in source.batches(QUERIES if opened.lists else BATCH):
            opened.check(rows)
            yield rows
    except POLARS_FAILURES as error:
        raise opened.unreadable(error) from None

"""``mine_ranked``: a file of ranked lists in, a file of negatives out, with neither ever held whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import polars as pl

from nvmine.data.formats.stream import streamed
from nvmine.data.qrels import open_qrels
from nvmine.data.ranked_forms import long_types
from nvmine.data.ranked_lists import CandidateFile, noted, open_candidates
from nvmine.errors import DataError, NvmineError, quote
from nvmine.files import write_whole
from nvmine.inputs.numbers import thread_count
from nvmine.polars.expression import refuse_texts
from nvmine.polars.lists import mine_lists
from nvmine.polars.long import BATCH
from nvmine.polars.positives import read_positives
from nvmine.polars.rows import LongRule, results_schema
from nvmine.polars.whole import stand_together, whole_queries
from nvmine.policy import Policy, PolicyFields, takes_policy_fields

# Results in a row group of the output: a reader needs so many at once.
ROW_GROUP = 2**16
# Rows of lists that are mined at once.
QUERIES = 2**13


@dataclass(frozen=True, slots=True)
class MinedFile:
    """A file of negatives that was written, and how many it holds.

    Parameters
    ----------
    path
        The file.
    queries, results, negatives
        How many it has; a query has several results only for ``anchor="each"``.
    short
        Results with fewer than `n` negatives.
    unranked
        Queries that have positives and no candidates: they are not in the file.
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

    The rows of each query may stand anywhere, but where they stand together, which is found out first, no more than a
    million candidates, the positives and the ids of the queries are held. Else the candidates are held and sorted.

    Parameters
    ----------
    candidates
        Parquet, CSV, TSV or JSONL with a row a candidate: query, passage and score. Parquet with a row a query: its id,
        and lists of passages' ids and of scores. Or a TREC run file (``.trec``, ``.run``, ``.txt``). Text files may be
        gzipped. Ids are whole numbers or strings; in CSV, TSV and run files they are strings.
    qrels
        Which passages are whose positives: BEIR or TREC labels (``.tsv``, ``.txt``, ``.qrels``), or Parquet, CSV or
        JSONL with the columns query, passage, perhaps relevance (above 0 is a positive) and perhaps `pos_score`. A
        positive's score is `pos_score` or else that of its row among the candidates. May be left out for lists with the
        columns `pos_ids` and `pos_scores`, which count only then.
    out
        The Parquet file to write: whole or not at all, in the place of one that is there. The same bytes for any number
        of threads.
    query_column, passage_column, score_column
        What the columns of `candidates` are called. Default: the first that is known, such as ``query_id``, ``qid``,
        ``passage_id``, ``docid``, ``corpus-id``, ``score``; for lists ``ids`` and ``scores``.
    threads
        How many threads of the core work. Default: as many as the process may use.
    policy
        The whole rule; or give its fields as keywords, see :class:`nvmine.Policy`. Queries whose positives have no
        score, or that have none in `qrels`, fall under `on_missing`.
    **fields
        The fields of a policy, where `policy` is not given.

    Returns
    -------
    MinedFile
        What was written. The file has the columns of :func:`nvmine.polars.mine_long`, with `query_id` for the query.

    Raises
    ------
    PolicyError
        A field of the policy is wrong.
    DataError
        A file is missing, damaged or malformed, by its line or row; it has no such column; `qrels` are needed.
    DtypeError
        A column holds something else than ids or scores.
    ScoreError, ShortError
        A query cannot be mined by this policy; it is named.
    RunError
        `out` cannot be written.

    Examples
    --------
    >>> nvmine.mine_ranked("run.trec", "qrels.tsv", out="negatives.parquet", n=8)  # doctest: +SKIP
    MinedFile(path=PosixPath('negatives.parquet'), queries=3452, results=3452, negatives=27616, short=0, unranked=0)
    """
    chosen = Policy.of(policy, fields)
    refuse_texts(chosen)
    path, target = Path(candidates), Path(out)
    opened = open_candidates(path, query=query_column, passage=passage_column, score=score_column)
    if opened.lists and qrels is not None:
        # Whoever gives judgements means these.
        opened = replace(opened, source=opened.source.only("query", "passage", "score"))
    schema = long_types(opened.source.schema)
    if qrels is None and "pos_ids" not in schema:
        message = "no positives: give qrels, or a row a query with the columns pos_ids and pos_scores"
        raise DataError(message, path=path)
    types = {role: schema[role] for role in ("query", "passage")}
    positives = pl.DataFrame(schema=types) if qrels is None else _positives(Path(qrels), types)
    rule = LongRule(chosen, positives, thread_count(threads))
    rule.totals["judged"] = positives["query"].n_unique()
    if target.exists() and target.resolve() == path.resolve():
        raise DataError("is the file of candidates; choose another", path=target, argument="out")

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
        results = streamed(lambda: noted(tables(), errors), results_schema(schema, chosen, "query_id"))
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
    """The positives in a file, of the types of the candidates' ids."""
    judged = open_qrels(qrels)
    # Text files have no types: their ids are numbers, as the candidates' are, if they can be read as such.
    for role in (role for role in types if types[role].is_integer() and judged.schema[role] == pl.String):
        numbers = judged[role].cast(pl.Int64, strict=False)
        others = judged[role].filter(numbers.is_null() & judged[role].is_not_null())
        if len(others):
            message = f"{quote(others[0])} is no whole number, as the ids of the candidates are"
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
    """Rows of candidates, or of lists, those of each query together."""
    source = opened.source
    try:
        if not stand_together(source.only("query").batches(BATCH)):
            source = source.sort("query")
        for rows in source.batches(QUERIES if opened.lists else BATCH):
            opened.check(rows)
            yield rows
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise opened.unreadable(error) from None

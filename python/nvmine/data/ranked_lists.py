"""Files of candidates, whatever their form, to frames of `query`, `passage` and `score`, a row a candidate.

Parquet, CSV, TSV and JSONL with a row a candidate; Parquet with a row a query and lists; TREC run files. Ids in CSV,
TSV and TREC files are text, which keeps ``007`` and ``7`` apart; in the others they are what they are. A cell of a text
file must not be empty; a null in Parquet follows the rule of :func:`nvmine.mine`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nvmine.data.formats import columns, trec
from nvmine.data.formats.scan import FORMS, RUNS, first_bad_cell, first_of_another_type, kind, scan, unreadable
from nvmine.data.formats.stream import Source, streamed
from nvmine.data.ranked_forms import list_form, long_form
from nvmine.errors import DataError, NvmineError


@dataclass(frozen=True, slots=True)
class CandidateFile:
    """An opened file.

    Parameters
    ----------
    path
        The file.
    source
        `query`, `passage` and `score`, or what :func:`nvmine.polars.lists.list_form` gives if `lists`.
    names
        What the file calls the three; none in a run file, and with lists.
    errors
        What reading has found wrong: Polars before 2.0 passes on no more than the text.
    lists
        Whether a row is a query.
    """

    path: Path
    source: Source
    names: tuple[str, str, str] | None
    errors: list[NvmineError]
    lists: bool = False

    def check(self, rows: pl.DataFrame) -> None:
        """Looks for cells that are empty, or no number, in rows of a text file.

        Raises
        ------
        DataError
            There is one; the file is read again to find its line.
        """
        if self.path.suffix.lower() != ".parquet" and self.names and sum(rows.null_count().row(0)):
            raise first_bad_cell(self.path, self.names)

    def unreadable(self, error: BaseException) -> NvmineError:
        """What is wrong where Polars cannot read on: by its line, if it is in a text file."""
        if self.errors:
            return self.errors[0]
        found = unreadable(self.path, error)
        if found.line is None and self.names is not None and self.path.suffix.lower() != ".parquet":
            return first_of_another_type(self.path, self.names) or found
        return found


def open_candidates(path: Path, *, query: str | None, passage: str | None, score: str | None) -> CandidateFile:
    """Open a file by its suffix; its rows are read later.

    Parameters
    ----------
    path
        One of :data:`nvmine.data.formats.scan.FORMS`; all but Parquet may end in ``.gz``.
    query, passage, score
        What its columns are called. Default: the first known name.

    Raises
    ------
    DataError
        The file is missing or damaged, its suffix is unknown, or it has no such column.
    DtypeError
        A column holds something else than ids or scores.
    """
    suffix = kind(path, FORMS)
    if suffix in RUNS:
        errors: list[NvmineError] = []
        named = [name for name in (query, passage, score) if name is not None]
        if named:
            raise DataError("a TREC run file has no names for its columns", path=path, column=named[0])
        run = streamed(lambda: noted(trec.read_run(path), errors), trec.SCHEMA)
        return CandidateFile(path, Source(run, {name: pl.col(name) for name in trec.SCHEMA}), None, errors)
    frame = scan(path, suffix)
    schema = frame.collect_schema()
    try:
        if any(isinstance(kind, pl.List | pl.Array) for kind in schema.values()):
            lists = list_form(frame, path, query=query, passage=passage, score=score)
            return CandidateFile(path, lists, None, [], lists=True)
        names = (
            columns.choose(schema, query, columns.QUERY, "query_column", path),
            columns.choose(schema, passage, columns.PASSAGE, "passage_column", path),
            columns.choose(schema, score, columns.SCORE, "score_column", path),
        )
        if suffix != ".parquet" and schema[names[2]] == pl.String:
            frame = frame.with_columns(pl.col(names[2]).cast(pl.Float64, strict=False))
        source = long_form(frame, query=names[0], passage=names[1], score=names[2])
    except NvmineError as error:
        raise error.at(path=path) from None
    return CandidateFile(path, source, names, [])


def noted(tables: Iterator[pl.DataFrame], errors: list[NvmineError]) -> Iterator[pl.DataFrame]:
    """The tables; an error on the way is kept, as Polars may hand on its text alone."""
    try:
        yield from tables
    except NvmineError as error:
        errors.append(error)
        raise

"""Files of ranked lists in any form, read as frames with the columns `query`, `passage` and `score`.

A file is Parquet, CSV, TSV or JSONL with one row per candidate, Parquet with one row per query and its lists, or a TREC
run file. Ids in CSV, TSV and TREC files are strings, so ``007`` and ``7`` are different ids; in the other formats they
have the type that the file gives them. A cell of a text file must not be empty. A null in Parquet is treated as in
:func:`nvmine.mine`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nvmine.data.formats import columns, trec
from nvmine.data.formats.scan import first_bad_cell, first_of_another_type, scan, unreadable
from nvmine.data.formats.suffixes import RANKED_LISTS, RUNS, require_suffix
from nvmine.data.ranked_forms import list_form, long_form
from nvmine.data.stream import Source, streamed
from nvmine.errors import NvmineError


@dataclass(frozen=True, slots=True)
class CandidateFile:
    """An opened file of candidates.

    Parameters
    ----------
    path
        The file.
    source
        The columns `query`, `passage` and `score`; or, if `lists`, those of :func:`nvmine.data.ranked_forms.list_form`.
    names
        Names of the three columns in the file. None for a run file, and for lists.
    errors
        Errors found while reading. They are kept here because Polars before 2.0 passes on only an exception's text.
    lists
        Whether the file has one row per query instead of one row per candidate.
    """

    path: Path
    source: Source
    names: tuple[str, str, str] | None
    errors: list[NvmineError]
    lists: bool = False

    def check(self, rows: pl.DataFrame) -> None:
        """Checks rows of a text file for cells that are empty, or scores that are not numbers.

        Raises
        ------
        DataError
            There is such a cell; the file is read again to find its line.
        """
        if self.path.suffix.lower() != ".parquet" and self.names and sum(rows.null_count().row(0)):
            raise first_bad_cell(self.path, self.names)

    def unreadable(self, error: BaseException) -> NvmineError:
        """Returns the error for a file that Polars cannot read on; for a text file, it names the line."""
        if self.errors:
            return self.errors[0]
        found = unreadable(self.path, error)
        if found.line is None and self.names is not None and self.path.suffix.lower() != ".parquet":
            return first_of_another_type(self.path, self.names) or found
        return found


def open_candidates(path: Path, *, query: str | None, passage: str | None, score: str | None) -> CandidateFile:
    """Opens a file according to its suffix; the rows are read later.

    Parameters
    ----------
    path
        A file with a suffix of ``RANKED_LISTS`` in :mod:`nvmine.data.formats.suffixes`; all but Parquet may be gzipped.
    query, passage, score
        Names of the columns. Default: the first known name.

    Raises
    ------
    DataError
        The file is missing or damaged, its suffix is unknown, or a column is missing.
    DtypeError
        A column does not hold ids or scores.
    """
    suffix = require_suffix(path, RANKED_LISTS)
    named = {"query": query, "passage": passage, "score": score}
    if suffix in RUNS:
        errors: list[NvmineError] = []
        columns.refuse_names(named, path)
        run = streamed(lambda: keep_error(trec.read_run(path), errors), trec.SCHEMA)
        return CandidateFile(path, Source(run, {name: pl.col(name) for name in trec.SCHEMA}), None, errors)
    frame = scan(path, suffix)
    schema = frame.collect_schema()
    try:
        if any(isinstance(kind, pl.List | pl.Array) for kind in schema.values()):
            return CandidateFile(path, list_form(frame, path, named), None, [], lists=True)
        names = columns.choose_all(schema, named, (columns.QUERY, columns.PASSAGE, columns.SCORE), path)
        if suffix != ".parquet" and schema[names[2]] == pl.String:
            frame = frame.with_columns(pl.col(names[2]).cast(pl.Float64, strict=False))
        source = long_form(frame, query=names[0], passage=names[1], score=names[2])
    except NvmineError as error:
        raise error.at(path=path) from None
    return CandidateFile(path, source, names, [])


def keep_error(tables: Iterator[pl.DataFrame], errors: list[NvmineError]) -> Iterator[pl.DataFrame]:
    """Yields the tables, and keeps an error that interrupts them, because Polars may pass on only its text."""
    try:
        yield from tables
    except NvmineError as error:
        errors.append(error)
        raise

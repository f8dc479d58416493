"""Tables of named columns, whatever holds them: Parquet, CSV, TSV, JSONL, plain text, a DataFrame, a list.

A :class:`Table` is read a row at a time, only the columns asked for, and knows how to name a place in itself. Nothing
is coerced: a cell comes as the value that the format holds, and who reads it says what is acceptable. Polars is
imported when a Parquet file is opened, and not with this module.

CSV and TSV are read by the standard library's strict parser and not by Polars', which fills short rows with nulls and
renames repeated headers; both would hide a broken file. Fields above 131,072 characters are refused: use Parquet.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from nvmine.data.formats.jsonl import read_jsonl
from nvmine.data.formats.lines import read_lines
from nvmine.errors import DataError, quote

if TYPE_CHECKING:
    import polars as pl

_T = TypeVar("_T")

Row = tuple[int, Sequence[object]]
"""A place, and the cells of the columns asked for."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns.

    Parameters
    ----------
    name
        For messages: the path, or what the table is.
    columns
        Names, in order. In JSONL those of the first object.
    unit
        What places count: 1-based lines of a text file, or 0-based rows.
    read
        Given column names, iterates over ``(place, cells)``, cells in the order of the names.
    """

    name: str
    columns: list[str]
    unit: Literal["line", "row"]
    read: Callable[[Sequence[str]], Iterator[Row]]

    def error(self, message: str, *, place: int | None = None, column: str | None = None) -> DataError:
        """Return (not raise) a :class:`DataError` at a place of this table."""
        line, row = (place, None) if self.unit == "line" else (None, place)
        return DataError(message, path=self.name, line=line, row=row, column=column)


def open_table(path: Path) -> Table:
    """Open a file by its suffix; its rows are read later.

    Parameters
    ----------
    path
        ``.parquet``, ``.jsonl`` or ``.json`` (one object a line), ``.csv``, ``.tsv``, or ``.txt`` (one text a line
        under the column ``text``, blank lines passed over). All but Parquet may end in ``.gz``.

    Raises
    ------
    DataError
        The file is missing, damaged or empty, its suffix is unknown, or a CSV header repeats a name.

    Examples
    --------
    >>> open_table(Path("pairs.csv")).columns  # doctest: +SKIP
    ['query', 'positive']
    """
    suffix = table_suffix(path)
    if suffix is None:
        raise DataError(f"unknown kind of file; expected one of {', '.join(SUFFIXES)}", path=path)
    if not path.is_file():
        raise DataError("no such file", path=path)
    return _READERS[suffix](path)


def table_suffix(path: Path) -> str | None:
    """Return the suffix that :func:`open_table` would go by; None where it knows none."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    suffix = plain.suffix.lower()
    known = suffix in _READERS and (plain is path or suffix != ".parquet")
    return suffix if known else None


def frame_table(frame: pl.DataFrame, name: str) -> Table:
    """Return the rows of a Polars DataFrame as a table."""

    def read(columns: Sequence[str]) -> Iterator[Row]:
        return enumerate(frame.select(columns).iter_rows())

    return Table(name, frame.columns, "row", read)


def list_table(rows: Sequence[object], columns: list[str], name: str) -> Table:
    """Return Python tuples, one item a column, as a table; their number is checked when they are read."""

    def read(names: Sequence[str]) -> Iterator[Row]:
        numbers = [columns.index(name) for name in names]
        for place, row in enumerate(rows):
            if not isinstance(row, tuple | list) or len(row) != len(columns):
                expected = f"expected a tuple ({', '.join(columns)})"
                raise DataError(f"{expected}, found {quote(repr(row))}", path=name, row=place)
            yield place, [row[number] for number in numbers]

    return Table(name, columns, "row", read)


def _open_parquet(path: Path) -> Table:
    import polars as pl

    def read(columns: Sequence[str]) -> Iterator[Row]:
        return enumerate(_polars(path, lambda: scan.select(columns).collect()).iter_rows())

    scan = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    return Table(str(path), _polars(path, scan.collect_schema).names(), "row", read)


def _polars(path: Path, call: Callable[[], _T]) -> _T:
    import polars as pl

    try:
        return call()
    # A damaged page can make Polars' decoder panic, which Python sees as a BaseException.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(f"cannot be read as Parquet: {error}", path=path) from error


def _open_jsonl(path: Path) -> Table:
    def read(columns: Sequence[str]) -> Iterator[Row]:
        for line, record in read_jsonl(path):
            missing = next((name for name in columns if name not in record), None)
            if missing is not None:
                found = ", ".join(map(quote, record)) or "none"
                raise DataError(f"no such key; the keys are: {found}", path=path, line=line, column=missing)
            yield line, [record[name] for name in columns]

    _, first = next(read_jsonl(path), (0, None))
    if first is None:
        raise DataError("the file is empty", path=path)
    return Table(str(path), list(first), "line", read)


def _open_text(path: Path) -> Table:
    def read(columns: Sequence[str]) -> Iterator[Row]:
        for line, text in read_lines(path):
            if text.strip():
                yield line, [text.rstrip("\r\n")] * len(columns)

    return Table(str(path), ["text"], "line", read)


def _open_csv(delimiter: str, path: Path) -> Table:
    def read(names: Sequence[str]) -> Iterator[Row]:
        numbers = [columns.index(name) for name in names]
        rows = _csv_rows(path, delimiter)
        next(rows)
        for line, row in rows:
            if len(row) != len(columns):
                raise DataError(f"{len(row)} fields, but the header has {len(columns)}", path=path, line=line)
            yield line, [row[number] for number in numbers]

    line, columns = next(_csv_rows(path, delimiter), (0, []))
    if not columns:
        raise DataError("the file is empty; expected a header line", path=path)
    repeated = next((name for name in columns if columns.count(name) > 1), None)
    if repeated is not None:
        raise DataError("the header has this column twice", path=path, line=line, column=repeated)
    return Table(str(path), columns, "line", read)


def _csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line that each begins on; wholly empty lines are no rows."""
    lines = (text for _, text in read_lines(path))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = f"broken quoting or field: {error}; quote fields and double the quotes in them"
            raise DataError(message, path=path, line=line) from error
        if row:
            yield line, row


_READERS: dict[str, Callable[[Path], Table]] = {
    ".parquet": _open_parquet,
    ".jsonl": _open_jsonl,
    ".json": _open_jsonl,
    ".csv": partial(_open_csv, ","),
    ".tsv": partial(_open_csv, "\t"),
    ".txt": _open_text,
}

SUFFIXES: Iterable[str] = tuple(_READERS)
"""What :func:`open_table` reads."""

"""Tables with named columns: Parquet, CSV, TSV, JSONL, plain text, a DataFrame or a list.

A :class:`Table` is read row by row, with only the requested columns, and can name a place in itself for a message.
Cells are not converted: a cell has the value that the format holds, and the reader decides what it accepts. Polars is
imported when a Parquet file is opened, not when this module is.

CSV and TSV are read with the standard library's parser in strict mode. The parser of Polars fills short rows with
nulls and renames repeated headers, and both would hide a broken file. Fields longer than 131,072 characters are
refused; use Parquet for those.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from nvmine.data.formats.jsonl import field, read_jsonl
from nvmine.data.formats.lines import read_lines
from nvmine.data.formats.suffixes import TABLES, require_suffix
from nvmine.errors import DataError, quote

if TYPE_CHECKING:
    import polars as pl

_T = TypeVar("_T")

Row = tuple[int, Sequence[object]]
"""The place of a row, and the cells of the requested columns."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with named columns.

    Parameters
    ----------
    name
        Name of the table in messages: a path or a description.
    columns
        Names of the columns, in order. For JSONL, the keys of the first object.
    unit
        Unit of the places: the 1-based lines of a text file, or 0-based rows.
    read
        Takes column names and iterates over ``(place, cells)``, with the cells in the order of the names.
    """

    name: str
    columns: list[str]
    unit: Literal["line", "row"]
    read: Callable[[Sequence[str]], Iterator[Row]]

    def error(self, message: str, *, place: int | None = None, column: str | None = None) -> DataError:
        """Returns (does not raise) a :class:`DataError` at a place in this table."""
        line, row = (place, None) if self.unit == "line" else (None, place)
        return DataError(message, path=self.name, line=line, row=row, column=column)


def open_table(path: Path) -> Table:
    """Opens a file according to its suffix; the rows are read later.

    Parameters
    ----------
    path
        ``.parquet``, ``.jsonl`` or ``.json`` (one object per line), ``.csv``, ``.tsv``, or ``.txt`` (one text per line
        in the column ``text``, blank lines skipped). All but Parquet may be gzipped (``.gz``).

    Raises
    ------
    DataError
        The file is missing, damaged or empty, its suffix is unknown, or a CSV header repeats a name.

    Examples
    --------
    >>> open_table(Path("pairs.csv")).columns
    ['query', 'positive']
    """
    return _READERS[require_suffix(path, TABLES)](path)


def frame_table(frame: pl.DataFrame, name: str) -> Table:
    """Returns the rows of a Polars DataFrame as a table."""

    def read(columns: Sequence[str]) -> Iterator[Row]:
        return enumerate(frame.select(columns).iter_rows())

    return Table(name, frame.columns, "row", read)


def list_table(rows: Sequence[object], columns: list[str], name: str) -> Table:
    """Returns Python tuples, with one item per column, as a table; their lengths are checked when they are read."""

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
            yield line, [field(record, name, path, line) for name in columns]

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
        raise DataError("the header names this column twice", path=path, line=line, column=repeated)
    return Table(str(path), columns, "line", read)


def _csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Iterates over the rows, each with the line that it begins on; empty lines are skipped."""
    lines = (text for _, text in read_lines(path))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = f"broken quoting or field: {error}; quote the fields, and double the quotes inside them"
            raise DataError(message, path=path, line=line) from error
        if row:
            yield line, row


_COMMAS, _TABS = partial(_open_csv, ","), partial(_open_csv, "\t")
_READERS: dict[str, Callable[[Path], Table]] = dict(
    zip(TABLES, (_open_parquet, _open_jsonl, _open_jsonl, _COMMAS, _TABS, _open_text), strict=True)
)

"""Files of ids and numbers as lazy Polars frames, for more rows than Python can loop over.

Cells of CSV and TSV are read as text, because an id such as ``007`` must not become a number. Polars says little about
what is wrong with a file, and it fills short rows of CSV with nulls. So a file that Polars cannot read, or that holds
nulls, is read again by :mod:`nvmine.data.formats.tables`, which names the line. Prefer those tables for texts.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nvmine.data.formats.jsonl import type_of
from nvmine.data.formats.suffixes import RANKED_LISTS, require_suffix
from nvmine.data.formats.tables import open_table
from nvmine.errors import DataError, quote

POLARS_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What Polars raises for a file that it cannot read; a damaged page can make its decoder panic."""


def scan(path: Path, suffix: str) -> pl.LazyFrame:
    """Opens a table with named columns as a lazy frame; cells of CSV and TSV are text.

    Raises
    ------
    DataError
        The schema cannot be read.
    """
    try:
        if suffix == ".parquet":
            frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        elif suffix in (".jsonl", ".json"):
            frame = pl.scan_ndjson(path)
        else:
            separator = "\t" if suffix == ".tsv" else ","
            frame = pl.scan_csv(path, separator=separator, infer_schema=False, glob=False)
        frame.collect_schema()
    except POLARS_FAILURES as error:
        raise unreadable(path, error) from error
    return frame


def unreadable(path: Path, error: BaseException) -> DataError:
    """Returns the error for a file that Polars cannot read; for a text file, it names the line."""
    if require_suffix(path, RANKED_LISTS) != ".parquet":
        try:
            table = open_table(path)
            for _ in table.read(table.columns):
                pass
        except DataError as found:
            return found
    # The lines after the first describe the query plan of Polars, not the file.
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"cannot be read: {reason}", path=path)


def first_bad_cell(path: Path, names: tuple[str, str, str]) -> DataError:
    """Returns the error for the first cell of a text file that is not an id (first two columns) or a number (third)."""
    table = open_table(path)
    for place, cells in table.read(names):
        for name, cell in zip(names, cells, strict=True):
            is_score = name == names[2]
            if not (_is_number(cell) if is_score else _is_id(cell)):
                found = quote(cell) if isinstance(cell, str) else type_of(cell)
                return table.error(f"{found} is not {'a number' if is_score else 'an id'}", place=place, column=name)
    return DataError("the ids or the scores are of several types; use one type for each", path=path)


def first_of_another_type(path: Path, names: tuple[str, str, str]) -> DataError | None:
    """Returns the error for the first id of a text file whose type differs from the ids before it, if there is one."""
    table = open_table(path)
    first: dict[str, type] = {}
    for place, cells in table.read(names):
        for name, cell in zip(names[:2], cells, strict=False):
            if first.setdefault(name, type(cell)) is not type(cell):
                message = f"{type_of(cell)}, but earlier ids are {first[name].__name__}; use one type for all ids"
                return table.error(message, place=place, column=name)
    return None


def _is_id(cell: object) -> bool:
    return isinstance(cell, str | int) and not isinstance(cell, bool) and cell != ""


def _is_number(cell: object) -> bool:
    if isinstance(cell, str):
        try:
            float(cell)
        except ValueError:
            return False
        # Python also reads 1_000, which no other reader does.
        return "_" not in cell
    return isinstance(cell, int | float) and not isinstance(cell, bool)

"""Files of ids and numbers as Polars frames that are read when they are needed: for more rows than Python can visit.

Cells of CSV and TSV come as text, for a number must not be guessed out of an id. Polars says little about what is wrong
with a file, and fills short rows of CSV with nulls; so what it cannot read, and a file with nulls, is read again by
:mod:`nvmine.data.formats.tables`, which knows the line. Prefer those tables where a row holds texts.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nvmine.data.formats.jsonl import kind as kind_of
from nvmine.data.formats.tables import open_table
from nvmine.errors import DataError, quote

RUNS = (".trec", ".run", ".txt")
FORMS = (".parquet", ".csv", ".tsv", ".jsonl", ".json", *RUNS)


def kind(path: Path, known: tuple[str, ...]) -> str:
    """The suffix that a file is read by.

    Raises
    ------
    DataError
        It is not known, or there is no such file.
    """
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    suffix = plain.suffix.lower()
    if suffix not in known or (suffix == ".parquet" and plain is not path):
        raise DataError(f"unknown kind of file; expected one of {', '.join(known)}", path=path)
    if not path.is_file():
        raise DataError("no such file", path=path)
    return suffix


def scan(path: Path, suffix: str) -> pl.LazyFrame:
    """A table with named columns, read when it is needed; cells of CSV and TSV are text.

    Raises
    ------
    DataError
        Its schema cannot be read.
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
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise unreadable(path, error) from error
    return frame


def unreadable(path: Path, error: BaseException) -> DataError:
    """What is wrong with a file that Polars cannot read, by its line if it has lines."""
    if kind(path, FORMS) != ".parquet":
        try:
            table = open_table(path)
            for _ in table.read(table.columns):
                pass
        except DataError as found:
            return found
    # The rest of what Polars says is about its own plan.
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"cannot be read: {reason}", path=path)


def first_bad_cell(path: Path, names: tuple[str, str, str]) -> DataError:
    """The first cell of a text file that is no id, in the first two columns, or no number, in the third."""
    table = open_table(path)
    for place, cells in table.read(names):
        for name, cell in zip(names, cells, strict=True):
            wanted = "number" if name == names[2] else "id"
            if not (_is_number(cell) if wanted == "number" else _is_id(cell)):
                found = quote(cell) if isinstance(cell, str) else kind_of(cell)
                return table.error(f"{found} is no {wanted}", place=place, column=name)
    return DataError("ids, or scores, are of several types; make them of one", path=path)


def first_of_another_type(path: Path, names: tuple[str, str, str]) -> DataError | None:
    """The first cell of a text file that is another kind of id than those before it, if there is one."""
    table = open_table(path)
    first: dict[str, type] = {}
    for place, cells in table.read(names):
        for name, cell in zip(names[:2], cells, strict=False):
            if first.setdefault(name, type(cell)) is not type(cell):
                message = f"{kind_of(cell)}, where earlier ids are {first[name].__name__}; make them of one type"
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
        # Python reads 1_000 too, which no other reader does.
        return "_" not in cell
    return isinstance(cell, int | float) and not isinstance(cell, bool)

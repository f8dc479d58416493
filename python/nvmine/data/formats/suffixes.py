"""The suffix of a file name, which decides how the file is read."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path

from nvmine.errors import DataError


def suffix_of(path: Path, known: Container[str]) -> str | None:
    """Returns the lower-case suffix of a file name without a final ``.gz``, or None if it is not a known one.

    Parquet files compress their own pages, so ``.parquet.gz`` is not known.

    Examples
    --------
    >>> suffix_of(Path("pairs.CSV.gz"), (".csv", ".parquet"))
    '.csv'
    """
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    suffix = plain.suffix.lower()
    return suffix if suffix in known and (plain is path or suffix != ".parquet") else None


def require_suffix(path: Path, known: Iterable[str]) -> str:
    """Returns the known suffix of a file that exists.

    Raises
    ------
    DataError
        The suffix is not a known one, or there is no such file.
    """
    suffixes = tuple(known)
    suffix = suffix_of(path, suffixes)
    if suffix is None:
        raise DataError(f"unknown kind of file; expected one of {', '.join(suffixes)}", path=path)
    if not path.is_file():
        raise DataError("no such file", path=path)
    return suffix

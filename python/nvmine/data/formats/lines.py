"""Lines of a UTF-8 text file, plain or gzipped: the reader under JSONL, CSV, TSV, plain text and labels.

A line ends at byte 0x0A and nowhere else. Python's own text mode and ``str.splitlines`` also cut at a lone carriage
return, U+0085, U+2028 or U+2029, all of which occur inside real passages. Each line is decoded separately, so that an
error names the exact line. The length of a line is limited, so that a small archive of one endless line cannot fill
the memory.
"""

from __future__ import annotations

import codecs
import gzip
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from nvmine.errors import DataError

READ_FAILURES = (OSError, EOFError, zlib.error)
"""What reading a plain or gzipped file can raise."""

_LONGEST_LINE = 256 * 2**20


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Iterates over the lines of a file, each with its 1-based number.

    A line keeps its terminator (``"\n"`` or ``"\r\n"``). A byte-order mark before the first line is dropped. A file
    whose name ends in ``.gz`` is decompressed while it is read. One line at a time is held in memory.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DataError
        The file cannot be opened or decompressed, is not UTF-8, or has a line longer than 256 MiB.

    Examples
    --------
    >>> list(read_lines(Path("two.txt")))
    [(1, 'first\n'), (2, 'second')]
    """
    number = 0
    try:
        with open_bytes(path) as file:
            for number in itertools.count(1):
                raw = file.readline(_LONGEST_LINE + 1)
                if not raw:
                    return
                if len(raw) > _LONGEST_LINE:
                    raise DataError(f"the line is longer than {_LONGEST_LINE} bytes", path=path, line=number)
                yield number, _decode(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw, path, number)
    except READ_FAILURES as error:
        raise read_failure(error, path, number or None) from error


def open_bytes(path: Path) -> BinaryIO:
    """Opens a file for reading, decompressing it if its name ends in ``.gz``; raises one of :data:`READ_FAILURES`."""
    return cast("BinaryIO", gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def read_failure(error: Exception, path: Path, line: int | None = None) -> DataError:
    """Returns the error for a file that cannot be opened or decompressed."""
    if isinstance(error, FileNotFoundError):
        return DataError("no such file", path=path)
    return DataError(f"cannot be read: {getattr(error, 'strerror', None) or error}", path=path, line=line)


def _decode(raw: bytes, path: Path, number: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the line; convert the file"
        raise DataError(message, path=path, line=number) from error

"""Lines of a UTF-8 text file, plain or gzipped: what every text format here is read through.

A line ends at byte 0x0A and nowhere else. Python's own text mode and ``str.splitlines`` also cut at a lone carriage
return, U+0085, U+2028 or U+2029, all of which occur inside real passages. A line is decoded by itself, so that an
error names its exact number, and is limited in length, so that a small archive of one endless line cannot fill memory.
"""

from __future__ import annotations

import codecs
import gzip
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path

from nvmine.errors import DataError

_LONGEST_LINE = 256 * 2**20


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Iterate over the lines of a file, each with its 1-based number.

    A line keeps its terminator (``"\n"`` or ``"\r\n"``), a byte-order mark before the first one is dropped, and a name
    that ends in ``.gz`` is decompressed on the way. Memory is that of one line.

    Parameters
    ----------
    path
        A file.

    Raises
    ------
    DataError
        The file cannot be opened or decompressed, is not UTF-8, or has a line above 256 MiB.

    Examples
    --------
    >>> list(read_lines(Path("two.txt")))  # doctest: +SKIP
    [(1, 'first\n'), (2, 'second')]
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            for number in itertools.count(1):
                raw = file.readline(_LONGEST_LINE + 1)
                if not raw:
                    return
                if len(raw) > _LONGEST_LINE:
                    raise DataError(f"the line is longer than {_LONGEST_LINE} bytes", path=path, line=number)
                yield number, _decode(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw, path, number)
    except FileNotFoundError as error:
        raise DataError("no such file", path=path) from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot be read: {reason}", path=path, line=number or None) from error


def _decode(raw: bytes, path: Path, number: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the line; convert the file"
        raise DataError(message, path=path, line=number) from error

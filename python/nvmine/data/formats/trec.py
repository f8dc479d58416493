"""TREC run files: lines of query, ``Q0``, passage, rank, score and tag, separated by white space.

The lines count, not the ranks: a query's candidates are ordered by their scores. Files are read in pieces of whole
lines, so that their length does not matter, and may be gzipped (``.gz``).
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from nvmine.errors import DataError, quote

SCHEMA = pl.Schema({"query": pl.String, "passage": pl.String, "score": pl.Float64})

_PIECE = 16 * 2**20
_FIELDS = ("(?P<query>{})", "{}", "(?P<passage>{})", "{}", "(?P<text>{})", "{}")
_LINE = r"^[ \t\r]*" + r"[ \t]+".join(field.format(r"[^ \t\r]+") for field in _FIELDS) + r"[ \t\r]*$"


def read_run(path: Path) -> Iterator[pl.DataFrame]:
    """Read the candidates of a run file, some lines at a time: `query`, `passage` and `score`.

    Raises
    ------
    DataError
        The file cannot be read, is not UTF-8, or a line has other columns or no number for a score.
    """
    number = 1
    for piece in _pieces(path):
        lines = _decoded(piece, path, number).split("\n")
        frame = pl.DataFrame({"line": range(number, number + len(lines)), "whole": lines})
        # A piece ends with the end of a line, except the last one.
        number += len(lines) - 1
        parts = frame.filter(pl.col("whole").str.strip_chars() != "").with_columns(
            pl.col("whole").str.extract_groups(_LINE).struct.unnest()
        )
        parts = parts.with_columns(score=pl.col("text").cast(pl.Float64, strict=False))
        for line, whole, text in parts.filter(pl.col("score").is_null()).select("line", "whole", "text").iter_rows():
            if text is None:
                message = f"{len(whole.split())} columns, expected 6: query, Q0, passage, rank, score, tag"
                raise DataError(message, path=path, line=line)
            raise DataError(f"{quote(text)} is no number", path=path, line=line, column="score")
        yield parts.select(SCHEMA.names())


def _pieces(path: Path) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time."""
    rest = b""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            first = file.read(_PIECE).removeprefix(codecs.BOM_UTF8)
            for read in iter(lambda: file.read(_PIECE), b""):
                end = first.rfind(b"\n") + 1
                if end:
                    yield rest + first[:end]
                    rest = first[end:]
                else:
                    rest += first
                first = read
            yield rest + first
    except FileNotFoundError as error:
        raise DataError("no such file", path=path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read: {getattr(error, 'strerror', None) or error}", path=path) from error


def _decoded(piece: bytes, path: Path, number: int) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError as error:
        line = number + piece.count(b"\n", 0, error.start)
        raise DataError("not UTF-8; convert the file", path=path, line=line) from error

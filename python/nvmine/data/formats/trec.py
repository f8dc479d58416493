"""TREC run files: lines of query, ``Q0``, passage, rank, score and tag, separated by white space.

The ranks are ignored; a query's candidates are ordered by their scores. A file is read in pieces of whole lines, so
that a file of any length fits in memory, and may be gzipped (``.gz``).
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from nvmine.data.formats.lines import READ_FAILURES, open_bytes, read_failure
from nvmine.errors import DataError, quote

SCHEMA = pl.Schema({"query": pl.String, "passage": pl.String, "score": pl.Float64})

_PIECE = 16 * 2**20
_FIELDS = ("(?P<query>{})", "{}", "(?P<passage>{})", "{}", "(?P<text>{})", "{}")
_LINE = r"^[ \t\r]*" + r"[ \t]+".join(field.format(r"[^ \t\r]+") for field in _FIELDS) + r"[ \t\r]*$"


def read_run(path: Path) -> Iterator[pl.DataFrame]:
    """Iterates over the candidates of a run file, some lines at a time: `query`, `passage` and `score`.

    Raises
    ------
    DataError
        The file cannot be read or is not UTF-8, a line does not have six columns, or a score is not a number.
    """
    number = 1
    for piece in _pieces(path):
        lines = _decoded(piece, path, number).split("\n")
        frame = pl.DataFrame({"line": range(number, number + len(lines)), "whole": lines})
        # Every piece but the last ends with a line feed, after which `split` gives one empty string more.
        number += len(lines) - 1
        parts = frame.filter(pl.col("whole").str.strip_chars() != "").with_columns(
            pl.col("whole").str.extract_groups(_LINE).struct.unnest()
        )
        parts = parts.with_columns(score=pl.col("text").cast(pl.Float64, strict=False))
        for line, whole, text in parts.filter(pl.col("score").is_null()).select("line", "whole", "text").iter_rows():
            if text is None:
                message = f"{len(whole.split())} columns, expected 6: query, Q0, passage, rank, score, tag"
                raise DataError(message, path=path, line=line)
            raise DataError(f"{quote(text)} is not a number", path=path, line=line, column="score")
        yield parts.select(SCHEMA.names())


def _pieces(path: Path) -> Iterator[bytes]:
    """Iterates over pieces of some megabytes that end with a whole line."""
    rest = b""
    try:
        with open_bytes(path) as file:
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
    except READ_FAILURES as error:
        raise read_failure(error, path) from error


def _decoded(piece: bytes, path: Path, number: int) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError as error:
        line = number + piece.count(b"\n", 0, error.start)
        raise DataError("not UTF-8; convert the file", path=path, line=line) from error

"""JSON Lines: one object per line; an error names its line.

The parser is ``json`` from the standard library, made stricter: NaN and Infinity are not JSON, and a lone surrogate
is not text (it cannot be written as UTF-8, so it would fail much later). Prefer Parquet for collections so large that
the time of parsing matters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from nvmine.data.formats.lines import read_lines
from nvmine.errors import DataError, quote

Record = dict[str, object]

_EXPECTED = "expected one JSON object per line"


def read_jsonl(path: Path) -> Iterator[tuple[int, Record]]:
    """Iterates over the objects of a JSONL file, each with its 1-based line number; blank lines are skipped.

    If a key is repeated, the last value counts, as in most readers.

    Parameters
    ----------
    path
        The file, plain or ``.gz``.

    Raises
    ------
    DataError
        A line is not UTF-8, not JSON (NaN and Infinity included), not an object, or holds a lone surrogate.

    Examples
    --------
    >>> list(read_jsonl(Path("queries.jsonl")))
    [(1, {'_id': 'a', 'text': 'what is a negative?'})]
    """
    for line, text in read_lines(path):
        if text.strip(" \t\r\n"):
            yield line, _parse(text.rstrip("\r\n"), path, line)


def _parse(text: str, path: Path, line: int) -> Record:
    try:
        record = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg} (character {error.pos + 1}); {_EXPECTED}"
        raise DataError(message, path=path, line=line) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"not readable as JSON: {error}", path=path, line=line) from error
    if not isinstance(record, dict):
        raise DataError(f"found {type_of(record)}; {_EXPECTED}", path=path, line=line)
    # The bytes were valid UTF-8, so only an escape can have brought in a surrogate.
    if "\\ud" in text or "\\uD" in text:
        _refuse_lone_surrogates(record, path, line)
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _refuse_lone_surrogates(record: Record, path: Path, line: int) -> None:
    for key, value in record.items():
        try:
            json.dumps([key, value], ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = f"U+{ord(error.object[error.start]):04X}"
            message = f"a lone surrogate ({half}) is not text; write the character, or both halves of the pair"
            raise DataError(message, path=path, line=line, column=ascii(key)[1:-1]) from error


def text_field(record: Mapping[str, object], column: str, path: Path, line: int) -> str:
    """Returns the text under a key.

    Raises
    ------
    DataError
        The key is missing (the message lists the keys of the record), or its value is not a string.

    Examples
    --------
    >>> text_field({"text": "a passage"}, "text", Path("corpus.jsonl"), 1)
    'a passage'
    """
    value = field(record, column, path, line)
    if not isinstance(value, str):
        raise DataError(f"expected text, found {type_of(value)}", path=path, line=line, column=column)
    return value


def id_field(record: Mapping[str, object], column: str, path: Path, line: int) -> str:
    """Returns the id under a key: a string unchanged, an integer in decimal.

    Raises
    ------
    DataError
        The key is missing, or its value is empty or neither a string nor an integer.

    Examples
    --------
    >>> id_field({"_id": 7}, "_id", Path("corpus.jsonl"), 1)
    '7'
    """
    return as_id(field(record, column, path, line), path, column=column, line=line)


def field(record: Mapping[str, object], column: str, path: Path, line: int) -> object:
    """Returns the value under a key.

    Raises
    ------
    DataError
        The key is missing; the message lists the keys of the record.
    """
    if column not in record:
        found = ", ".join(map(quote, record)) or "none"
        raise DataError(f"no such key; the keys are: {found}", path=path, line=line, column=column)
    return record[column]


def as_id(
    value: object, path: str | Path, *, column: str | None = None, line: int | None = None, row: int | None = None
) -> str:
    """Returns `value` as an id; raises :class:`DataError` unless it is a non-empty string or an integer."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        message = f"expected an id (a string or an integer), found {type_of(value)}"
        raise DataError(message, path=path, line=line, column=column, row=row)
    if value == "":
        raise DataError("the id is empty", path=path, line=line, column=column, row=row)
    return str(value)


def type_of(value: object) -> str:
    """Returns the name of a value's type for a message; ``null`` for None."""
    return "null" if value is None else type(value).__name__

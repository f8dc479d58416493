"""JSON Lines: one object a line, with every deviation named by its line.

Strict where Python's ``json`` is lax: NaN and Infinity are no JSON, and half of a surrogate pair is no text (it cannot
be written as UTF-8, so it would fail much later). Parsing is ``json`` from the standard library; prefer Parquet for
collections so large that this shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from nvmine.data.formats.lines import read_lines
from nvmine.errors import DataError, quote

Record = dict[str, object]

_EXPECTED = "expected one JSON object a line"


def read_jsonl(path: Path) -> Iterator[tuple[int, Record]]:
    """Iterate over the objects of a JSONL file, each with its 1-based line number; blank lines are passed over.

    The last of two equal keys counts, as in most readers.

    Parameters
    ----------
    path
        A file, plain or ``.gz``.

    Raises
    ------
    DataError
        A line is not UTF-8, not JSON (NaN and Infinity included), not an object, or holds a lone surrogate.

    Examples
    --------
    >>> list(read_jsonl(Path("queries.jsonl")))  # doctest: +SKIP
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
        raise DataError(f"not JSON that can be read: {error}", path=path, line=line) from error
    if not isinstance(record, dict):
        raise DataError(f"found {kind(record)}; {_EXPECTED}", path=path, line=line)
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
            message = f"a lone surrogate ({half}), which is no text; write characters, or both halves of the pair"
            raise DataError(message, path=path, line=line, column=ascii(key)[1:-1]) from error


def text_field(record: Mapping[str, object], column: str, path: Path, line: int) -> str:
    """Return the text under a key.

    Raises
    ------
    DataError
        The key is missing (the message lists those that are there), or its value is not a string.

    Examples
    --------
    >>> text_field({"text": "a passage"}, "text", Path("corpus.jsonl"), 1)
    'a passage'
    """
    value = _field(record, column, path, line)
    if not isinstance(value, str):
        raise DataError(f"expected text, found {kind(value)}", path=path, line=line, column=column)
    return value


def id_field(record: Mapping[str, object], column: str, path: Path, line: int) -> str:
    """Return the id under a key: a string as it is, an integer in decimal.

    Raises
    ------
    DataError
        The key is missing, or its value is empty or neither a string nor an integer.

    Examples
    --------
    >>> id_field({"_id": 7}, "_id", Path("corpus.jsonl"), 1)
    '7'
    """
    return as_id(_field(record, column, path, line), path, column=column, line=line)


def as_id(
    value: object, path: str | Path, *, column: str | None = None, line: int | None = None, row: int | None = None
) -> str:
    """Return `value` as an id; :class:`DataError` unless it is a non-empty string or an integer."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        message = f"expected an id (a string or an integer), found {kind(value)}"
        raise DataError(message, path=path, line=line, column=column, row=row)
    if value == "":
        raise DataError("the id is empty", path=path, line=line, column=column, row=row)
    return str(value)


def kind(value: object) -> str:
    """Name the type of a cell for a message; null for None."""
    return "null" if value is None else type(value).__name__


def _field(record: Mapping[str, object], column: str, path: Path, line: int) -> object:
    if column not in record:
        found = ", ".join(map(quote, record)) or "none"
        raise DataError(f"no such key; the keys are: {found}", path=path, line=line, column=column)
    return record[column]

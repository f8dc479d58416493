"""What can go wrong, one class a kind.

Every class is an :class:`NvmineError` and also the builtin that fits, so ``except ValueError`` keeps working. A message
names what is wrong, where, what was expected and what to do; the place is also held in attributes, so that programs
need not parse the text.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

# Text from a file may hold terminal control codes or be megabytes long; a message shows neither.
_LONGEST_QUOTE = 200


class NvmineError(Exception):
    """Anything that nvmine refuses, with the place where it was found.

    Parameters
    ----------
    message
        One sentence or two: what is wrong, what was expected, what to do.
    path
        The file or folder concerned. Named first in the text.
    line
        1-based line of a text file.
    column
        Name of a column, key, field or option.
    row
        0-based row of a table or array.
    query
        The query's id or key.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        column: str | None = None,
        row: int | None = None,
        query: str | int | None = None,
    ) -> None:
        where = []
        if path is not None:
            where.append(str(path) if line is None else f"{path}:{line}")
        elif line is not None:
            where.append(f"line {line}")
        if column is not None:
            where.append(f"column {quote(column)}")
        if row is not None:
            where.append(f"row {row}")
        if query is not None:
            where.append(f"query {quote(str(query))}")
        super().__init__(f"{', '.join(where)}: {message}" if where else message)
        # After the builtin's own initialisation: ImportError has a path too, and would clear it.
        self.message = message
        self.path = None if path is None else str(path)
        self.line = line
        self.column = column
        self.row = row
        self.query = query

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.path, self.line, self.column, self.row, self.query))


def _rebuild(
    kind: type[NvmineError],
    message: str,
    path: str | None,
    line: int | None,
    column: str | None,
    row: int | None,
    query: str | int | None,
) -> NvmineError:
    """Keyword-only arguments do not survive the default pickling of exceptions."""
    return kind(message, path=path, line=line, column=column, row=row, query=query)


def quote(text: str) -> str:
    """``text`` in quotes, control characters escaped, cut at 200 characters."""
    shown = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
    return repr(shown)


class PolicyError(NvmineError, ValueError):
    """A policy field is unknown, of the wrong type or out of range."""

    code = "policy"


class ShapeError(NvmineError, ValueError):
    """Arrays do not fit each other."""

    code = "shape"


class DtypeError(NvmineError, TypeError):
    """An array or value has a type that cannot be mined."""

    code = "dtype"


class ScoreError(NvmineError, ValueError):
    """A positive score is missing, NaN or infinite."""

    code = "score"


class IdError(NvmineError, ValueError):
    """An id lies outside the passages it should name."""

    code = "id"


class ShortError(NvmineError, ValueError):
    """A query got fewer than n negatives, under ``on_short="raise"``."""

    code = "short"


class DataError(NvmineError, ValueError):
    """A data set cannot be read, or contradicts itself."""

    code = "data"


class TeacherError(NvmineError, RuntimeError):
    """A teacher cannot be loaded, or gave something unusable."""

    code = "teacher"


class SearchError(NvmineError, ValueError):
    """A search cannot be run as asked."""

    code = "search"


class RunError(NvmineError, RuntimeError):
    """A run folder is missing, damaged, in use, or of something else."""

    code = "run"


class MissingExtraError(NvmineError, ImportError):
    """An optional dependency is not installed; the message names the command that installs it."""

    code = "extra"


class InternalError(NvmineError, RuntimeError):
    """A bug in nvmine; please report it with the message."""

    code = "internal"

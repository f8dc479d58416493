"""Exceptions: one class for each kind of error.

Every class derives from :class:`NvmineError` and from the builtin exception that fits, so ``except ValueError`` keeps
working. A message says what is wrong, where, what was expected and what to do. The place is available as attributes
too, so programs need not parse the text.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

# Text from a file may contain terminal control codes or be megabytes long. A message must show neither.
_LONGEST_QUOTE = 200


class NvmineError(Exception):
    """Base class of all errors that nvmine raises.

    The text starts with the place of the error, in the order of the parameters below.

    Parameters
    ----------
    message
        One or two sentences: what is wrong, what was expected, what to do.
    path
        File or folder of the error.
    line
        1-based line of a text file.
    column
        Name of a column, key or field in a file or table.
    argument
        Name of the argument to change, or of the policy field. The command line shows the option instead.
    row
        0-based row of a table or array.
    query
        Id or key of the query.

    Examples
    --------
    >>> error = NvmineError("expected a number, found 'x'", path="scores.jsonl", line=3, column="score")
    >>> print(error)
    scores.jsonl:3, column 'score': expected a number, found 'x'
    >>> error.line
    3
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        column: str | None = None,
        argument: str | None = None,
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
        if argument is not None:
            where.append(f"argument {quote(argument)}")
        if row is not None:
            where.append(f"row {row}")
        if query is not None:
            where.append(f"query {quote(str(query))}")
        super().__init__(f"{', '.join(where)}: {message}" if where else message)
        # ImportError has an attribute `path` too, which its initialisation clears. So these are set after it.
        self.message = message
        self.path = None if path is None else str(path)
        self.line = line
        self.column = column
        self.argument = argument
        self.row = row
        self.query = query

    def __reduce__(self) -> tuple[object, ...]:
        # The default pickling of exceptions loses keyword-only arguments.
        return partial(type(self), self.message, **self.place), ()

    @property
    def place(self) -> dict[str, Any]:
        """The place of the error, as keyword arguments of this class; None for the parts that are unknown."""
        return {name: getattr(self, name) for name in ("path", "line", "column", "argument", "row", "query")}

    def at(self, **place: Any) -> Self:
        """Returns a copy of the error with these parts of its place replaced."""
        return type(self)(self.message, **(self.place | place))


def quote(text: str) -> str:
    """Returns the text in quotes, with control characters escaped and cut at 200 characters."""
    shown = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
    return repr(shown)


def reason(error: Exception) -> str:
    """Returns the type and the first line of another library's error, for use in a message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class PolicyError(NvmineError, ValueError):
    """A policy field or another option is unknown, of the wrong type or out of range."""

    code = "policy"


class ShapeError(NvmineError, ValueError):
    """An array has the wrong shape, or its shape does not fit that of another array."""

    code = "shape"


class DtypeError(NvmineError, TypeError):
    """An array or a value has an unsupported type."""

    code = "dtype"


class ScoreError(NvmineError, ValueError):
    """A query has no positive score, or one that is NaN or infinite."""

    code = "score"


class IdError(NvmineError, ValueError):
    """An id lies outside the range of the passages."""

    code = "id"


class ShortError(NvmineError, ValueError):
    """A query got fewer than `n` negatives, with ``on_short="raise"``."""

    code = "short"


class DataError(NvmineError, ValueError):
    """A data set cannot be read, or is inconsistent."""

    code = "data"


class TeacherError(NvmineError, RuntimeError):
    """A teacher cannot be loaded, or returned unusable results."""

    code = "teacher"


class SearchError(NvmineError, ValueError):
    """A search cannot run with these vectors or options."""

    code = "search"


class RunError(NvmineError, RuntimeError):
    """A run folder is missing, damaged or in use, or was made with other data or settings."""

    code = "run"


class MissingExtraError(NvmineError, ImportError):
    """An optional dependency is not installed; the message contains the command that installs it."""

    code = "extra"


class InternalError(NvmineError, RuntimeError):
    """nvmine has a bug; please report it with the message."""

    code = "internal"

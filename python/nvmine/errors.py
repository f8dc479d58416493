"""What can go wrong, one class a kind.

Every class is an :class:`NvmineError` and also the builtin that fits, so ``except ValueError`` keeps working. A message
names what is wrong, where, what was expected and what to do; the place is also held in attributes, so that programs
need not parse the text.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

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
        Name of a column, key or field in a file or table.
    argument
        Name of the argument to change, or of the field of a policy; the command line names its option.
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
        # After the builtin's own initialisation: ImportError has a path too, and would clear it.
        self.message = message
        self.path = None if path is None else str(path)
        self.line = line
        self.column = column
        self.argument = argument
        self.row = row
        self.query = query

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling of exceptions.
        return partial(type(self), self.message, **self.place), ()

    @property
    def place(self) -> dict[str, Any]:
        """Where the error was found, as the keywords of this class."""
        return {name: getattr(self, name) for name in ("path", "line", "column", "argument", "row", "query")}

    def at(self, **place: Any) -> Self:
        """Returns the same error with another place; what is not given stays as it is."""
        return type(self)(self.message, **(self.place | place))


def quote(text: str) -> str:
    """``text`` in quotes, control characters escaped, cut at 200 characters."""
    shown = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
    return repr(shown)


def reason(error: Exception) -> str:
    """Give the kind and first line of another library's error, fit for one of ours."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


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

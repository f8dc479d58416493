"""Options that are numbers: finite or not, whole, or whole in a range, such as a number of threads."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from nvmine.errors import PolicyError

MOST_THREADS = 1024


def whole_number(name: str, value: Any, most: int, why: str = "") -> int:
    """Returns the value of an option, which must lie in [1, most].

    Parameters
    ----------
    name
        Name of the option.
    value
        Its value.
    most
        The largest valid value.
    why
        The reason for that limit, for the message; it ends in a comma and a space.

    Raises
    ------
    PolicyError
        The value is not a whole number, or out of range.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        whole = operator.index(value)
    except TypeError:
        raise PolicyError(f"must be a whole number, not {value!r}", argument=name) from None
    if not 1 <= whole <= most:
        raise PolicyError(f"must lie in [1, {most}], {why}not {whole}", argument=name)
    return whole


def thread_count(threads: int | None) -> int | None:
    """Returns the number of threads in the form that the core takes; None: as many as the process may use.

    Raises
    ------
    PolicyError
        The number is not a whole number, or not in [1, 1024].
    """
    return None if threads is None else whole_number("threads", threads, MOST_THREADS)


def number(name: str, value: Any, *, optional: bool) -> float | None:
    """Returns the value of an option as a float; an `optional` one may be None.

    Raises
    ------
    PolicyError
        The value is not a number.
    """
    if value is None and optional:
        return None
    try:
        if isinstance(value, bool | np.bool_ | str | bytes | bytearray):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"must be a number, not {value!r}", argument=name) from None


def unsigned(name: str, value: Any, *, optional: bool) -> int | None:
    """Returns the value of an option that must be a whole number in [0, 2**64); an `optional` one may be None.

    Raises
    ------
    PolicyError
        The value is not a whole number, or out of range.
    """
    if value is None and optional:
        return None
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        whole = operator.index(value)
    except TypeError:
        raise PolicyError(f"must be a whole number, not {value!r}", argument=name) from None
    if not 0 <= whole < 2**64:
        raise PolicyError(f"must lie in [0, 2**64), not {whole}", argument=name)
    return whole

"""Options that are whole numbers in a range, such as numbers of threads or words."""

from __future__ import annotations

import operator
from typing import Any

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

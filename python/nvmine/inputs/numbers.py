"""Options that are whole numbers in a range: how many threads, how many words, how many to compare."""

from __future__ import annotations

import operator
from typing import Any

from nvmine.errors import PolicyError

MOST_THREADS = 1024


def whole_number(name: str, value: Any, most: int, why: str = "") -> int:
    """The value of an option, from 1 to `most`; `why` says what sets that bound.

    Raises
    ------
    PolicyError
        It is no whole number, or out of range.
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
    """The number of threads as the core takes it.

    Raises
    ------
    PolicyError
        It is no whole number, or outside [1, 1024].
    """
    return None if threads is None else whole_number("threads", threads, MOST_THREADS)

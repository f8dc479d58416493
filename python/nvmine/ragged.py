"""Rows of different lengths, one after the other in one array, with offsets that say where each begins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]


def take_rows(offsets: Int64Array, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Some of the rows, in any order and repeated ones too: their offsets, and the places of their values.

    Examples
    --------
    >>> offsets, places = take_rows(np.array([0, 2, 2, 5]), np.array([2, 0]))
    >>> offsets.tolist(), places.tolist()
    ([0, 3, 5], [2, 3, 4, 0, 1])
    """
    lengths = np.diff(offsets)[rows]
    taken = offsets_of(lengths)
    return taken, np.repeat(offsets[:-1][rows] - taken[:-1], lengths) + np.arange(taken[-1])


def offsets_of(lengths: Int64Array) -> Int64Array:
    """The offsets of rows with these lengths."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])

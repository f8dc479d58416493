"""Rows of passage numbers in the compressed layout that :class:`~nvmine.data.dataset.Dataset` and the core use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from nvmine.data.dataset import Int64Array

OnMissing = Literal["raise", "skip"]
"""What a reader does with a query that has no positive."""


def compressed_rows(rows: Iterable[Iterable[int]]) -> tuple[Int64Array, Int64Array]:
    """Put rows of different lengths end to end, each ascending and without repetition.

    Returns
    -------
    offsets, values
        int64; row r is ``values[offsets[r]:offsets[r + 1]]``.

    Examples
    --------
    >>> compressed_rows([[5, 2, 5], [], [1]])
    (array([0, 2, 2, 3]), array([2, 5, 1]))
    """
    values: list[int] = []
    offsets = [0]
    for row in rows:
        values.extend(sorted(set(row)))
        offsets.append(len(values))
    return np.array(offsets, np.int64), np.array(values, np.int64)

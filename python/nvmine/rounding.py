"""Bounds in float32 that err on the safe side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def rounded_up(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The least float32 that is not below each value: a float32 is below the one exactly if it is below the other.

    Examples
    --------
    >>> bool(rounded_up(np.array([0.1]))[0] >= 0.1), rounded_up(np.array([0.5, np.inf])).tolist()
    (True, [0.5, inf])
    """
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return np.where(narrow < values, np.nextafter(narrow, np.float32(np.inf)), narrow)

"""Rows of values, flat and contiguous as the core reads them, and the conversions that keep their meaning.

Rows are dense, ``(rows, columns)``, or ragged, as offsets into one long array. :mod:`nvmine.inputs.read` makes them
from what callers pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvmine.inputs.foreign import Array

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The values of all rows, one row after the other.

    Parameters
    ----------
    values
        Array of one dimension, in a type that the core reads. bfloat16 is held as uint16 bits.
    shape
        (rows, columns) of dense rows; None for ragged ones.
    offsets
        int64 of shape (rows + 1,): the values of row i are ``values[offsets[i]:offsets[i + 1]]``. None for dense rows.
    """

    values: Array
    shape: tuple[int, int] | None
    offsets: npt.NDArray[np.int64] | None

    @classmethod
    def of_matrix(cls, matrix: Array) -> Rows:
        """Returns the rows of a contiguous matrix whose type the core reads."""
        return cls(matrix.reshape(-1), (matrix.shape[0], matrix.shape[1]), None)

    def __len__(self) -> int:
        if self.shape is not None:
            return self.shape[0]
        return 0 if self.offsets is None else len(self.offsets) - 1

    @property
    def layout(self) -> tuple[int, int] | npt.NDArray[np.int64]:
        """The shape of dense rows, or the offsets of ragged ones."""
        return self.ragged_offsets() if self.shape is None else self.shape

    def ragged_offsets(self) -> npt.NDArray[np.int64]:
        """Returns the offsets; those of dense rows are computed."""
        if self.offsets is not None:
            return self.offsets
        rows, columns = self.shape or (0, 0)
        return np.arange(rows + 1, dtype=np.int64) * columns

    def row_of(self) -> npt.NDArray[np.int64]:
        """Returns the row number of each value."""
        return np.repeat(np.arange(len(self)), np.diff(self.ragged_offsets()))

    def take(self, rows: npt.NDArray[np.int64]) -> Rows:
        """Returns the rows with these numbers, in this order, as ragged rows."""
        offsets, places = take_rows(self.ragged_offsets(), rows)
        return Rows(self.values[places], None, offsets)

    def same_layout(self, other: Rows) -> bool:
        """Returns whether each row has the same number of values in both, at the same place."""
        if self.shape is not None and other.shape is not None:
            return self.shape == other.shape
        return bool(np.array_equal(self.ragged_offsets(), other.ragged_offsets()))


def take_rows(offsets: Int64Array, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Selects ragged rows by number, in any order and with repetitions.

    Returns the offsets of the selected rows, and the places of their values in the original array.

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
    """Returns the offsets of ragged rows with these lengths."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def widened(values: Array) -> npt.NDArray[np.float64]:
    """Returns scores in float64, which represents every type that the core reads exactly."""
    if values.dtype == np.uint16:
        # The bits of a bfloat16 number are the upper half of those of the same float32 number.
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float64)


def signed(values: Array) -> npt.NDArray[np.int64]:
    """Returns ids in int64. The maximum of an unsigned type, which marks padding, becomes -1."""
    ids = values.astype(np.int64, copy=False)
    if values.dtype.kind == "u":
        ids[values == np.iinfo(values.dtype).max] = -1
    return ids

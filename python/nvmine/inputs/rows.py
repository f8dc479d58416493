"""Input arrays of any kind as the flat, contiguous numpy arrays that the core reads.

Rows are dense, ``(rows, columns)``, or ragged, as offsets into one long array. numpy arrays and memory maps and torch
tensors on the CPU are passed on without a copy where they are contiguous, Arrow columns of lists or numbers where they
are of one chunk and hold no nulls; chunks are put together, and tensors on a GPU are fetched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.errors import DtypeError, NvmineError, ShapeError
from nvmine.inputs.foreign import Array, Bfloat16, is_arrow, to_numpy, type_name

Kind = Literal["scores", "ids"]
Int64Array = npt.NDArray[np.int64]

# Types that the core reads as they are; uint16 holds the bits of bfloat16 and is made by this module only.
_SCORES = (np.float16, np.float32, np.float64)
_IDS = (np.int32, np.int64, np.uint32, np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Values of every row: dense with a `shape`, or ragged with `offsets`."""

    values: Array
    shape: tuple[int, int] | None
    offsets: npt.NDArray[np.int64] | None

    @classmethod
    def of_matrix(cls, matrix: Array) -> Rows:
        """The rows of a contiguous matrix, in a type that the core reads."""
        return cls(matrix.reshape(-1), (matrix.shape[0], matrix.shape[1]), None)

    def __len__(self) -> int:
        if self.shape is not None:
            return self.shape[0]
        return 0 if self.offsets is None else len(self.offsets) - 1

    @property
    def layout(self) -> tuple[int, int] | npt.NDArray[np.int64]:
        """The shape, or the offsets."""
        return self.ragged_offsets() if self.shape is None else self.shape

    def ragged_offsets(self) -> npt.NDArray[np.int64]:
        """The offsets, made up for dense rows."""
        if self.offsets is not None:
            return self.offsets
        rows, columns = self.shape or (0, 0)
        return np.arange(rows + 1, dtype=np.int64) * columns

    def row_of(self) -> npt.NDArray[np.int64]:
        """The row of each value."""
        return np.repeat(np.arange(len(self)), np.diff(self.ragged_offsets()))

    def take(self, rows: npt.NDArray[np.int64]) -> Rows:
        """Some of the rows, ragged."""
        offsets, places = take_rows(self.ragged_offsets(), rows)
        return Rows(self.values[places], None, offsets)

    def same_layout(self, other: Rows) -> bool:
        """Whether both have the same number of values in each row, at the same places."""
        if self.shape is not None and other.shape is not None:
            return self.shape == other.shape
        return bool(np.array_equal(self.ragged_offsets(), other.ragged_offsets()))


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


def read_rows(name: str, data: Any, kind: Kind, *, single: bool = False) -> Rows:
    """Rows of scores or of ids.

    Parameters
    ----------
    name
        The argument, for messages.
    data
        A matrix; or ragged rows as an Arrow or Polars List column, an object array, or a sequence of arrays.
    kind
        What the values are.
    single
        Whether a one-dimensional array is taken as rows of one value.

    Raises
    ------
    ShapeError
        The data have another number of dimensions.
    DtypeError
        The values are no scores, or no ids.
    """
    if isinstance(data, Rows):
        return data
    if is_arrow(data):
        return _from_arrow(name, data, kind, single=single)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes | memoryview) and any(map(_is_row, data)):
        return _from_sequence(name, data, kind)
    array = to_numpy(name, data)
    if array.dtype == object and array.ndim == 1:
        return _from_sequence(name, list(array), kind)
    if single and array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        wanted = "(n_queries,) or (n_queries, n_positives)" if single else "(n_queries, n_candidates)"
        hint = "; for one query pass it as one row, x[None]" if array.ndim == 1 else ""
        raise ShapeError(f"{name} has shape {array.shape}, expected {wanted} or ragged rows{hint}")
    shape = (int(array.shape[0]), int(array.shape[1]))
    return Rows(_flat(name, array, kind), shape, None)


def read_lists(name: str, data: Any, queries: int) -> Rows | None:
    """Reads lists of ids, a row a query; None stays None.

    Raises
    ------
    ShapeError, DtypeError
        The number of rows is not that of the queries, or the values are not ids.
    """
    if data is None:
        return None
    rows = read_rows(name, data, "ids", single=True)
    if len(rows) != queries:
        raise ShapeError(f"{name} has {len(rows)} rows for {queries} queries")
    return rows


def read_column(name: str, data: Any) -> Array:
    """One whole number a row.

    Raises
    ------
    ShapeError, DtypeError
        The data have another number of dimensions, or are no whole numbers.
    """
    rows = read_rows(name, data, "ids", single=True)
    if rows.shape is None or rows.shape[1] != 1:
        found = "ragged rows" if rows.shape is None else f"shape {rows.shape}"
        raise ShapeError(f"{name} has {found}, expected one number a passage")
    return rows.values


def _is_row(row: Any) -> bool:
    """Whether an element of a sequence is a row of values, and not a value."""
    if isinstance(row, str | bytes) or getattr(row, "ndim", 1) == 0:
        return False
    return isinstance(row, Sequence) or hasattr(row, "__array__") or hasattr(row, "__dlpack__") or is_arrow(row)


def _flat(name: str, array: Array, kind: Kind) -> Array:
    """The values in one contiguous dimension, in a type of the core's."""
    if isinstance(array, Bfloat16) and kind == "scores":
        return np.ascontiguousarray(array.view(np.ndarray)).reshape(-1)
    native = array.dtype.newbyteorder("=")
    whole = native.kind in "iu" and not isinstance(array, Bfloat16)
    if kind == "scores":
        # Whole numbers are exact in float64 up to 2**53.
        target = native if native in _SCORES else np.dtype(np.float64) if whole else None
    else:
        target = native if native in _IDS and whole else np.dtype(np.int64) if whole else None
    if array.size == 0 and target is None:
        target = np.dtype(np.float32 if kind == "scores" else np.int64)
    if target is None:
        wanted = "float16, bfloat16 (torch), float32 or float64" if kind == "scores" else "int32, int64 or uint32"
        raise DtypeError(f"{name} has type {type_name(array)}, expected {wanted}")
    values = np.require(array, target, ["C", "ALIGNED"]).reshape(-1)
    return _padding_kept(values, native) if kind == "ids" else values


def _padding_kept(ids: Array, before: np.dtype[Any]) -> Array:
    """Ids in a wider type than before: the maximum of an unsigned type marks padding, which widening would hide."""
    if before.kind == "u" and ids.dtype != before:
        ids[ids == np.iinfo(before).max] = -1
    return ids


def _from_sequence(name: str, data: Sequence[Any], kind: Kind) -> Rows:
    """Rows given one by one, each of a type of its own."""
    rows = []
    for number, row in enumerate(data):
        try:
            array = _arrow_row(name, row, kind) if is_arrow(row) else to_numpy(name, [] if row is None else row)
            if array.ndim != 1:
                raise ShapeError(f"{name}: a row has shape {array.shape}, expected one dimension")
            values = _flat(name, array, kind)
        except NvmineError as error:
            raise error.at(row=number) from None
        # Mixed types meet in a wider one, in which the bits of bfloat16 would be numbers.
        rows.append(widened(values) if isinstance(array, Bfloat16) else values)
    offsets = offsets_of(np.array([len(row) for row in rows], np.int64))
    # An empty row has a type of its own that should not decide for the others.
    filled = [row for row in rows if row.size]
    if kind == "ids" and len({row.dtype for row in filled}) > 1:
        filled = [signed(row) for row in filled]
    values = np.concatenate(filled) if filled else np.empty(0, np.float32 if kind == "scores" else np.int64)
    lengths = np.unique(np.diff(offsets))
    if len(lengths) == 1:
        return Rows(values, (len(rows), int(lengths[0])), None)
    return Rows(values, None, offsets)


def widened(values: Array) -> npt.NDArray[np.float64]:
    """Scores that the core reads, in float64, which is exact."""
    if values.dtype == np.uint16:
        # The bits of bfloat16 are the upper half of a float32's.
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float64)


def signed(values: Array) -> npt.NDArray[np.int64]:
    """Ids that the core reads, in int64; the maximum of an unsigned type, which is padding, as -1."""
    ids = values.astype(np.int64, copy=False)
    if values.dtype.kind == "u":
        ids[values == np.iinfo(values.dtype).max] = -1
    return ids


def _from_arrow(name: str, data: Any, kind: Kind, *, single: bool) -> Rows:
    """A column of lists is ragged rows, one of lists of a fixed size dense ones. A null list is empty."""
    values, layout, column = _column(name, data, kind)
    if layout is None and not single:
        raise ShapeError(f"{name} is a column of {column}, expected a List column with a row a query")
    if layout is None:
        layout = (len(values), 1)
    return Rows(values, layout, None) if isinstance(layout, tuple) else Rows(values, None, layout)


def _column(name: str, data: Any, kind: Kind) -> tuple[Array, tuple[int, int] | npt.NDArray[np.int64] | None, str]:
    """The values, the layout of lists and the type of an Arrow column."""
    values, nulls, layout, column = _core.read_arrow(name, data)
    if isinstance(values, list):
        raise DtypeError(f"{name} is a column of {column}, expected numbers")
    if nulls is not None:
        values = _without_nulls(values, nulls, kind)
    return _flat(name, values, kind), layout, column


def _arrow_row(name: str, data: Any, kind: Kind) -> Array:
    """The values of a row that is an Arrow column of its own."""
    values, layout, column = _column(name, data, kind)
    if layout is not None:
        raise ShapeError(f"{name}: a row is a column of {column}, expected numbers")
    return values


def _without_nulls(values: Array, nulls: npt.NDArray[np.bool_], kind: Kind) -> Array:
    """NaN or padding in the place of nulls, in the type of the column."""
    if kind == "scores":
        scores = values if values.dtype.kind == "f" else values.astype(np.float64)
        return np.where(nulls, scores.dtype.type(math.nan), scores)
    # -1 would widen an unsigned column, and its own padding, the maximum, would pass for an id.
    padding = np.iinfo(values.dtype).max if values.dtype.kind == "u" else -1
    return np.where(nulls, values.dtype.type(padding), values)

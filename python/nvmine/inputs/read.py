"""Reads the arrays, tensors, columns and sequences that callers pass into :class:`nvmine.inputs.rows.Rows`.

Contiguous numpy arrays, memory maps and torch tensors on the CPU are used without a copy, and so are Arrow columns of
lists or numbers in one chunk without nulls. Several chunks are joined, and tensors on a GPU are copied to the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.errors import DtypeError, NvmineError, ShapeError
from nvmine.inputs.foreign import Array, Bfloat16, is_arrow, to_numpy, type_name
from nvmine.inputs.rows import Rows, offsets_of, signed, widened

Kind = Literal["scores", "ids"]

# Types that the core reads as they are. It also reads bfloat16 as uint16 bits, which only this module produces.
_SCORES = (np.float16, np.float32, np.float64)
_IDS = (np.int32, np.int64, np.uint32, np.uint64)


def read_rows(name: str, data: Any, kind: Kind, *, single: bool = False) -> Rows:
    """Reads rows of scores or of ids.

    Parameters
    ----------
    name
        Name of the argument, for messages.
    data
        A matrix; or ragged rows as an Arrow or Polars List column, an object array, or a sequence of arrays.
    kind
        Whether the values are scores or ids.
    single
        Whether a one-dimensional array is accepted, as rows of one value each.

    Raises
    ------
    ShapeError
        The data have another number of dimensions.
    DtypeError
        The type of the values is not one of scores, or not one of ids. If a row of a sequence is to blame, the error's
        `row` is its number.
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
    """Reads lists of ids, one list for each query; None stays None.

    Raises
    ------
    ShapeError, DtypeError
        The number of rows is not `queries`, or the values are not ids.
    """
    if data is None:
        return None
    rows = read_rows(name, data, "ids", single=True)
    if len(rows) != queries:
        raise ShapeError(f"{name} has {len(rows)} rows for {queries} queries")
    return rows


def read_column(name: str, data: Any) -> Array:
    """Reads one integer for each passage.

    Raises
    ------
    ShapeError, DtypeError
        The data have another number of dimensions, or are not integers.
    """
    rows = read_rows(name, data, "ids", single=True)
    if rows.shape is None or rows.shape[1] != 1:
        found = "ragged rows" if rows.shape is None else f"shape {rows.shape}"
        raise ShapeError(f"{name} has {found}, expected one number for each passage")
    return rows.values


def _is_row(row: Any) -> bool:
    """Returns whether an element of a sequence is a row of values, not a single value."""
    if isinstance(row, str | bytes) or getattr(row, "ndim", 1) == 0:
        return False
    return isinstance(row, Sequence) or hasattr(row, "__array__") or hasattr(row, "__dlpack__") or is_arrow(row)


def _flat(name: str, array: Array, kind: Kind) -> Array:
    """Returns the values in one contiguous dimension, in a type that the core reads."""
    if isinstance(array, Bfloat16) and kind == "scores":
        return np.ascontiguousarray(array.view(np.ndarray)).reshape(-1)
    native = array.dtype.newbyteorder("=")
    whole = native.kind in "iu" and not isinstance(array, Bfloat16)
    if kind == "scores":
        # Integer scores become float64, which is exact up to 2**53.
        target = native if native in _SCORES else np.dtype(np.float64) if whole else None
    else:
        target = native if native in _IDS and whole else np.dtype(np.int64) if whole else None
    if array.size == 0 and target is None:
        target = np.dtype(np.float32 if kind == "scores" else np.int64)
    if target is None:
        wanted = "float16, bfloat16 (torch), float32 or float64" if kind == "scores" else "integers"
        raise DtypeError(f"{name} has type {type_name(array)}, expected {wanted}")
    values = np.require(array, target, ["C", "ALIGNED"]).reshape(-1)
    return _padding_kept(values, native) if kind == "ids" else values


def _padding_kept(ids: Array, before: np.dtype[Any]) -> Array:
    """Marks padding with -1 in ids that were widened from an unsigned type, whose maximum marked it before."""
    if before.kind == "u" and ids.dtype != before:
        ids[ids == np.iinfo(before).max] = -1
    return ids


def _from_sequence(name: str, data: Sequence[Any], kind: Kind) -> Rows:
    """Reads rows that are given one by one and may have different types."""
    rows = []
    for number, row in enumerate(data):
        try:
            array = _arrow_row(name, row, kind) if is_arrow(row) else to_numpy(name, [] if row is None else row)
            if array.ndim != 1:
                raise ShapeError(f"{name}: a row has shape {array.shape}, expected one dimension")
            values = _flat(name, array, kind)
        except NvmineError as error:
            raise error.at(row=number) from None
        # Rows are joined in a common type, which would take the bits of bfloat16 for integers.
        rows.append(widened(values) if isinstance(array, Bfloat16) else values)
    offsets = offsets_of(np.array([len(row) for row in rows], np.int64))
    # The type of an empty row must not influence the common type.
    filled = [row for row in rows if row.size]
    if kind == "ids" and len({row.dtype for row in filled}) > 1:
        filled = [signed(row) for row in filled]
    values = np.concatenate(filled) if filled else np.empty(0, np.float32 if kind == "scores" else np.int64)
    lengths = np.unique(np.diff(offsets))
    if len(lengths) == 1:
        return Rows(values, (len(rows), int(lengths[0])), None)
    return Rows(values, None, offsets)


def _from_arrow(name: str, data: Any, kind: Kind, *, single: bool) -> Rows:
    """Reads a column of lists as ragged rows, or as dense ones if the lists have a fixed size. A null list is empty."""
    values, layout, column = _column(name, data, kind)
    if layout is None and not single:
        raise ShapeError(f"{name} is a column of {column}, expected a List column with one list for each query")
    if layout is None:
        layout = (len(values), 1)
    return Rows(values, layout, None) if isinstance(layout, tuple) else Rows(values, None, layout)


def _column(name: str, data: Any, kind: Kind) -> tuple[Array, tuple[int, int] | npt.NDArray[np.int64] | None, str]:
    """Returns the values of an Arrow column, the layout of its lists or None, and the name of its type."""
    values, nulls, layout, column = _core.read_arrow(name, data)
    if isinstance(values, list):
        raise DtypeError(f"{name} is a column of {column}, expected numbers")
    if nulls is not None:
        values = _without_nulls(values, nulls, kind)
    return _flat(name, values, kind), layout, column


def _arrow_row(name: str, data: Any, kind: Kind) -> Array:
    """Reads a single row that is an Arrow column of numbers."""
    values, layout, column = _column(name, data, kind)
    if layout is not None:
        raise ShapeError(f"{name}: a row is a column of {column}, expected numbers")
    return values


def _without_nulls(values: Array, nulls: npt.NDArray[np.bool_], kind: Kind) -> Array:
    """Replaces nulls by NaN or by padding, in the type of the column."""
    if kind == "scores":
        scores = values if values.dtype.kind == "f" else values.astype(np.float64)
        return np.where(nulls, scores.dtype.type(math.nan), scores)
    # -1 would widen an unsigned column, and then the maximum, which marks padding in it, would become an id.
    padding = np.iinfo(values.dtype).max if values.dtype.kind == "u" else -1
    return np.where(nulls, values.dtype.type(padding), values)

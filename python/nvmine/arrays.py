"""Input arrays of any kind as the flat, contiguous numpy arrays that the core reads.

Rows are dense, ``(rows, columns)``, or ragged, as offsets into one long array. numpy arrays and memory maps, torch
tensors on the CPU and Arrow lists are passed on without a copy where they are contiguous; tensors on a GPU are fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine.errors import DtypeError, NvmineError, ShapeError

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["scores", "ids"]
Array = npt.NDArray[Any]

# Types that the core reads as they are; uint16 holds the bits of bfloat16 and is made by this module only.
_SCORES = (np.float16, np.float32, np.float64)
_IDS = (np.int32, np.int64, np.uint32, np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Values of every row: dense with a `shape`, or ragged with `offsets`."""

    values: Array
    shape: tuple[int, int] | None
    offsets: npt.NDArray[np.int64] | None

    def __len__(self) -> int:
        if self.shape is not None:
            return self.shape[0]
        return 0 if self.offsets is None else len(self.offsets) - 1

    def ragged_offsets(self) -> npt.NDArray[np.int64]:
        """The offsets, made up for dense rows."""
        if self.offsets is not None:
            return self.offsets
        rows, columns = self.shape or (0, 0)
        return np.arange(rows + 1, dtype=np.int64) * columns

    def same_layout(self, other: Rows) -> bool:
        """Whether both have the same number of values in each row, at the same places."""
        if self.shape is not None and other.shape is not None:
            return self.shape == other.shape
        return bool(np.array_equal(self.ragged_offsets(), other.ragged_offsets()))


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
    if _is_arrow(data):
        return _from_arrow(name, data, kind, single=single)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes) and any(_is_row(row) for row in data):
        return _from_sequence(name, data, kind)
    array = _to_numpy(name, data)
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


def read_keys(name: str, data: Any) -> npt.NDArray[np.uint64]:
    """Keys of the queries for the draws: whole numbers as they are, texts by the first eight bytes of their BLAKE2b."""
    if _is_arrow(data):
        data = _series(name, data).to_list()
    array = _to_numpy(name, data)
    if array.ndim != 1:
        raise ShapeError(f"{name} has shape {array.shape}, expected one id a query")
    if array.size == 0:
        return np.empty(0, np.uint64)
    if array.dtype.kind in "iu":
        return array.astype(np.int64 if array.dtype.kind == "i" else np.uint64).view(np.uint64)
    if array.dtype.kind in "UO" and all(isinstance(key, str) for key in array.tolist()):
        return text_keys(array.tolist())
    raise DtypeError(f"{name} must be whole numbers or strings, not {array.dtype}")


def text_keys(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """The key of each text: the first eight bytes of its BLAKE2b digest, little-endian."""
    from hashlib import blake2b

    joined = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(joined, "<u8").astype(np.uint64)


def list_column(name: str, values: Array | pl.Series, lengths: npt.NDArray[np.int64]) -> pl.Series:
    """A Polars List column whose row i holds the next ``lengths[i]`` of the values."""
    import polars as pl

    rows = pl.Series("row", np.arange(len(lengths)))
    values_of = pl.DataFrame({"row": np.repeat(np.arange(len(lengths)), lengths), name: values})
    lists = values_of.group_by("row", maintain_order=True).agg(name)
    column = rows.to_frame().join(lists, on="row", how="left", maintain_order="left")[name]
    # Rows of no values have found no partner.
    return column.fill_null(pl.lit([], column.dtype)) if column.null_count() else column


def _is_row(row: Any) -> bool:
    return (isinstance(row, Sequence | np.ndarray) and not isinstance(row, str | bytes)) or hasattr(row, "__dlpack__")


def _is_arrow(data: Any) -> bool:
    return hasattr(data, "__arrow_c_array__") or hasattr(data, "__arrow_c_stream__")


def _to_numpy(name: str, data: Any) -> Array:
    """The data as a numpy array, whatever its number of dimensions and type."""
    if isinstance(data, np.ma.MaskedArray):
        raise DtypeError(f"{name} is a masked array, whose mask would be lost; fill it, with NaN or -1, first")
    if isinstance(data, np.ndarray):
        return np.asarray(data)
    if type(data).__module__.partition(".")[0] == "torch":
        return _from_torch(data)
    if not hasattr(data, "__array__") and hasattr(data, "__dlpack__"):
        return np.from_dlpack(data)
    try:
        return np.asarray(data)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"{name} cannot be read as an array: {error}") from None


def _from_torch(tensor: Any) -> Array:
    import torch

    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return _Bfloat16.mark(tensor.contiguous().cpu().view(torch.int16).numpy().view(np.uint16))
    result: Array = tensor.cpu().numpy()
    return result


class _Bfloat16(np.ndarray[Any, Any]):
    """uint16 bits that are bfloat16 numbers: numpy has no such type, and a plain uint16 array is refused."""

    @staticmethod
    def mark(bits: Array) -> Array:
        return bits.view(_Bfloat16)


def _flat(name: str, array: Array, kind: Kind) -> Array:
    """The values in one contiguous dimension, in a type of the core's."""
    if isinstance(array, _Bfloat16) and kind == "scores":
        return np.ascontiguousarray(array.view(np.ndarray)).reshape(-1)
    native = array.dtype.newbyteorder("=")
    if kind == "scores":
        # Whole numbers are exact in float64 up to 2**53.
        target = native if native in _SCORES else np.dtype(np.float64) if native.kind in "iu" else None
    else:
        target = native if native in _IDS else np.dtype(np.int64) if native.kind in "iu" else None
    if array.size == 0 and target is None:
        target = np.dtype(np.float32 if kind == "scores" else np.int64)
    if target is None:
        wanted = "float16, bfloat16 (torch), float32 or float64" if kind == "scores" else "int32, int64 or uint32"
        raise DtypeError(f"{name} has type {array.dtype}, expected {wanted}")
    values = np.ascontiguousarray(array, dtype=target).reshape(-1)
    if kind == "ids" and native.kind == "u" and native.itemsize < 4:
        # The maximum of the narrow type marks padding, which widening would hide.
        values[values == np.iinfo(native).max] = -1
    return values


def _from_sequence(name: str, data: Sequence[Any], kind: Kind) -> Rows:
    """Rows given one by one."""
    rows = []
    for number, row in enumerate(data):
        try:
            array = _to_numpy(name, [] if row is None else row)
            if array.ndim != 1:
                raise ShapeError(f"{name}: a row has shape {array.shape}, expected one dimension", row=number)
            rows.append(array)
        except NvmineError as error:
            raise type(error)(error.message, row=number) from None
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    if any(isinstance(row, _Bfloat16) for row in rows):
        values = _flat(name, _Bfloat16.mark(np.concatenate([row.view(np.ndarray) for row in rows])), kind)
    else:
        # An empty row has a type of its own that should not decide for the others.
        filled = [row for row in rows if row.size]
        values = _flat(name, np.concatenate(filled) if filled else np.empty(0), kind)
    lengths = np.unique(np.diff(offsets))
    if len(lengths) == 1:
        return Rows(values, (len(rows), int(lengths[0])), None)
    return Rows(values, None, offsets)


def _series(name: str, data: Any) -> Any:
    """An Arrow column as a Polars series, without a copy."""
    import polars as pl

    if isinstance(data, pl.Series):
        return data
    try:
        return pl.Series(data)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DtypeError(f"{name} cannot be read as a column: {error}") from None


def _from_arrow(name: str, data: Any, kind: Kind, *, single: bool) -> Rows:
    """A List column is ragged rows, an Array column is dense ones. A null list is empty, a null value NaN or -1."""
    import polars as pl

    if isinstance(data, pl.DataFrame | pl.LazyFrame):
        raise DtypeError(f"{name} is a table; pass one of its columns")
    series = _series(name, data)
    fill = float("nan") if kind == "scores" else -1
    if isinstance(series.dtype, pl.Array):
        series = series.cast(pl.List(series.dtype.inner))
    if not isinstance(series.dtype, pl.List):
        if not single:
            raise ShapeError(f"{name} is a column of {series.dtype}, expected a List column with a row a query")
        return Rows(_flat(name, series.fill_null(fill).to_numpy(), kind), (len(series), 1), None)
    lengths = series.list.len().fill_null(0).to_numpy().astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    # Exploding turns an empty or null list into a null of its own, so those rows are left out first.
    values = series.filter(pl.Series(lengths > 0)).explode()
    if not values.dtype.is_numeric() and len(values):
        raise DtypeError(f"{name} is a column of {series.dtype}, expected lists of numbers")
    if not len(values):
        return Rows(_flat(name, np.empty(0), kind), None, offsets)
    return Rows(_flat(name, values.fill_null(fill).to_numpy(), kind), None, offsets)

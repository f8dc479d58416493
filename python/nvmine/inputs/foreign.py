"""Converts values of other libraries to numpy arrays, and arrays to torch tensors and Polars columns.

A library is imported only if the caller already uses it. numpy has no bfloat16, so a bfloat16 tensor becomes an array
of its bits, in an array type of its own that cannot be mistaken for integers.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nvmine.errors import DtypeError, ShapeError

if TYPE_CHECKING:
    import polars as pl
    import torch

Array = npt.NDArray[Any]


def is_arrow(data: Any) -> bool:
    """Returns whether the data can be read through the Arrow capsule interface.

    A pandas Series has the interface but needs pyarrow for it. Without pyarrow it is read as an array instead.
    """
    kind = type(data)
    if kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "Series" and find_spec("pyarrow") is None:
        return False
    return hasattr(data, "__arrow_c_array__") or hasattr(data, "__arrow_c_stream__")


def to_numpy(name: str, data: Any) -> Array:
    """Returns the data as a numpy array of any number of dimensions and any type.

    Parameters
    ----------
    name
        Name of the argument, for messages.
    data
        An array, a torch tensor, or anything with ``__array__`` or DLPack, or nested sequences of numbers.

    Raises
    ------
    ShapeError
        numpy cannot make an array of the data.
    DtypeError
        The data are a masked array, or cannot be read from their device or type.
    """
    if isinstance(data, np.ma.MaskedArray):
        raise DtypeError(f"{name} is a masked array, and its mask would be lost; fill it with NaN or -1 first")
    if isinstance(data, np.ndarray):
        return np.asarray(data)
    if type(data).__module__.partition(".")[0] == "torch":
        return _from_torch(name, data)
    try:
        if not hasattr(data, "__array__") and hasattr(data, "__dlpack__"):
            return np.from_dlpack(data)
        return np.asarray(data)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"{name} cannot be read as an array: {error}") from None
    except (RuntimeError, BufferError) as error:
        raise DtypeError(f"{name} cannot be read from its device: {error}") from None


def _from_torch(name: str, tensor: Any) -> Array:
    import torch

    try:
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
        if tensor.dtype == torch.bfloat16:
            return Bfloat16.mark(tensor.contiguous().view(torch.int16).numpy().view(np.uint16))
        result: Array = tensor.numpy()
    except (TypeError, RuntimeError) as error:
        raise DtypeError(f"{name} is a {tensor.dtype} tensor that cannot be read: {error}") from None
    return result


def to_torch(array: Array, *, pinned: bool = False) -> torch.Tensor:
    """Returns a numpy array as a tensor on the CPU, without a copy if its memory is writeable.

    With `pinned`, the tensor is a copy in pinned memory, which a GPU can copy while other work goes on.
    """
    import torch

    bits = array.view(np.int16 if isinstance(array, Bfloat16) else array.dtype).view(np.ndarray)
    if pinned:
        tensor = torch.empty(bits.shape, dtype=torch.from_numpy(bits[:0].copy()).dtype, pin_memory=True)
        np.copyto(tensor.numpy(), bits)
    else:
        # torch does not support read-only memory.
        tensor = torch.from_numpy(np.require(bits, requirements=["C", "W"]))
    return tensor.view(torch.bfloat16) if isinstance(array, Bfloat16) else tensor


class Bfloat16(np.ndarray[Any, Any]):
    """Array of uint16 bits that are bfloat16 numbers. A plain uint16 array is not accepted in their place."""

    @staticmethod
    def mark(bits: Array) -> Array:
        """Returns a view of the bits as bfloat16 numbers."""
        return bits.view(Bfloat16)


def type_name(array: Array) -> str:
    """Returns the name of the type of an array's values, for messages."""
    return "bfloat16" if isinstance(array, Bfloat16) else str(array.dtype)


def list_column(name: str, values: Array | pl.Series, lengths: npt.NDArray[np.int64]) -> pl.Series:
    """Returns a Polars List column whose row i contains the next ``lengths[i]`` values."""
    import polars as pl

    rows = pl.Series("row", np.arange(len(lengths)))
    values_of = pl.DataFrame({"row": np.repeat(np.arange(len(lengths)), lengths), name: values})
    lists = values_of.group_by("row", maintain_order=True).agg(name)
    column = rows.to_frame().join(lists, on="row", how="left", maintain_order="left")[name]
    # Rows without values have no match in the join.
    return column.fill_null(pl.lit([], column.dtype)) if column.null_count() else column

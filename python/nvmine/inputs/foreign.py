"""Values of other libraries as numpy arrays and Polars columns, each library imported only if it is there already.

numpy has no bfloat16: tensors of it come as their bits, in an array type of its own, so that nobody takes them for
whole numbers.
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
    """Whether the data hand themselves over by the Arrow capsule interface.

    A pandas column says so but needs pyarrow for it; where that is missing, it is read as an array.
    """
    kind = type(data)
    if kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "Series" and find_spec("pyarrow") is None:
        return False
    return hasattr(data, "__arrow_c_array__") or hasattr(data, "__arrow_c_stream__")


def to_numpy(name: str, data: Any) -> Array:
    """The data as a numpy array, whatever its number of dimensions and type."""
    if isinstance(data, np.ma.MaskedArray):
        raise DtypeError(f"{name} is a masked array, whose mask would be lost; fill it, with NaN or -1, first")
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
        raise DtypeError(f"{name} cannot be read from where it lies: {error}") from None


def _from_torch(name: str, tensor: Any) -> Array:
    import torch

    try:
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
        if tensor.dtype == torch.bfloat16:
            return Bfloat16.mark(tensor.contiguous().view(torch.int16).numpy().view(np.uint16))
        result: Array = tensor.numpy()
    except (TypeError, RuntimeError) as error:
        raise DtypeError(f"{name} cannot be read from a {tensor.dtype} tensor: {error}") from None
    return result


def to_torch(array: Array, *, pinned: bool = False) -> torch.Tensor:
    """A numpy array as a tensor on the CPU, without a copy where the memory may be written to.

    One that is `pinned` is a copy, which a GPU can fetch while others work.
    """
    import torch

    bits = array.view(np.int16 if isinstance(array, Bfloat16) else array.dtype).view(np.ndarray)
    if pinned:
        tensor = torch.empty(bits.shape, dtype=torch.from_numpy(bits[:0].copy()).dtype, pin_memory=True)
        np.copyto(tensor.numpy(), bits)
    else:
        # torch takes no memory that is only for reading.
        tensor = torch.from_numpy(np.require(bits, requirements=["C", "W"]))
    return tensor.view(torch.bfloat16) if isinstance(array, Bfloat16) else tensor


class Bfloat16(np.ndarray[Any, Any]):
    """uint16 bits that are bfloat16 numbers: numpy has no such type, and a plain uint16 array is refused."""

    @staticmethod
    def mark(bits: Array) -> Array:
        """The bits, a view, as bfloat16."""
        return bits.view(Bfloat16)


def type_name(array: Array) -> str:
    """The type of the values, for messages."""
    return "bfloat16" if isinstance(array, Bfloat16) else str(array.dtype)


def list_column(name: str, values: Array | pl.Series, lengths: npt.NDArray[np.int64]) -> pl.Series:
    """A Polars List column whose row i holds the next ``lengths[i]`` of the values."""
    import polars as pl

    rows = pl.Series("row", np.arange(len(lengths)))
    values_of = pl.DataFrame({"row": np.repeat(np.arange(len(lengths)), lengths), name: values})
    lists = values_of.group_by("row", maintain_order=True).agg(name)
    column = rows.to_frame().join(lists, on="row", how="left", maintain_order="left")[name]
    # Rows of no values have found no partner.
    return column.fill_null(pl.lit([], column.dtype)) if column.null_count() else column

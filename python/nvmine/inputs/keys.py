"""Keys and names of queries: random draws depend on the keys, and messages show the names."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.errors import DtypeError, NvmineError, ShapeError
from nvmine.inputs.foreign import Array, Bfloat16, is_arrow, to_numpy, type_name


class Keys(NamedTuple):
    """Keys of the queries for random draws, uint64 of shape (n_queries,), and their names for messages."""

    keys: npt.NDArray[np.uint64]
    names: Sequence[Any] | Array


def read_keys(name: str, data: Any) -> Keys:
    """Reads the keys of queries. An integer is its own key; the key of a string is a hash, see :func:`text_keys`.

    Raises
    ------
    ShapeError, DtypeError
        The data have another number of dimensions, or are neither integers nor strings.
    """
    if is_arrow(data):
        data, nulls, layout, column = _core.read_arrow(name, data)
        if layout is not None or nulls is not None:
            found = f"a column of {column}" + ("" if nulls is None else " with nulls")
            raise DtypeError(f"{name} must be whole numbers or strings, not {found}")
    if isinstance(data, list | tuple) and len({isinstance(key, str) for key in data}) > 1:
        raise DtypeError(f"{name} must be whole numbers or strings, not both")
    if isinstance(data, list | tuple) and data and isinstance(data[0], str):
        # numpy would pad all strings to the length of the longest, and drop a NUL character at the end.
        return Keys(text_keys(data), data)
    array = to_numpy(name, data)
    if array.ndim != 1:
        raise ShapeError(f"{name} has shape {array.shape}, expected one id for each query")
    if array.size == 0:
        return Keys(np.empty(0, np.uint64), array)
    if array.dtype.kind in "iu" and not isinstance(array, Bfloat16):
        return Keys(array.astype(np.int64 if array.dtype.kind == "i" else np.uint64).view(np.uint64), array)
    texts = array.tolist()
    if array.dtype.kind in "UO" and all(isinstance(key, str) for key in texts):
        return Keys(text_keys(texts), texts)
    raise DtypeError(f"{name} must be whole numbers or strings, not {type_name(array)}")


def named(error: NvmineError, row: int, keys: Keys | None) -> NvmineError:
    """Returns the error with the row of its query, and the query's name if it has one."""
    return error.at(row=row, query=None if keys is None else str(keys.names[row]))


def text_keys(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Returns the key of each text: its 8-byte BLAKE2b digest as a little-endian number."""
    joined = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(joined, "<u8").astype(np.uint64)

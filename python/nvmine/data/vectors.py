"""Vectors of a whole collection, held as shards that may be memory-mapped files.

A shard is an ordinary ``(rows, dimension)`` array of float16, bfloat16 (as its bits, see :mod:`nvmine.inputs.foreign`)
or float32. The rows of the collection are those of its shards, in order. Only the requested rows are brought into
memory and converted to float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nvmine.errors import DtypeError, ShapeError
from nvmine.inputs.foreign import Array, Bfloat16, type_name
from nvmine.inputs.rows import offsets_of

Float32Array = npt.NDArray[np.float32]


class Vectors:
    """The rows of several arrays, addressed as one ``(n, dimension)`` matrix.

    Parameters
    ----------
    shards
        float16, bfloat16 or float32 arrays of shape (rows, dimension), memory maps included.
    name
        Name of the vectors in messages, such as the argument that they were passed as.

    Raises
    ------
    ShapeError
        There is no shard, a shard is not a matrix, or the dimensions differ.
    DtypeError
        A shard has another type.
    """

    def __init__(self, shards: Sequence[npt.NDArray[Any]], *, name: str = "vectors") -> None:
        if not shards:
            raise ShapeError(f"{name} has no shards, expected at least one")
        for number, shard in enumerate(shards):
            what = name if len(shards) == 1 else f"shard {number} of {name}"
            if shard.ndim != 2:
                raise ShapeError(f"{what} has shape {shard.shape}, expected (rows, dimension)")
            if shard.dtype not in (np.float16, np.float32) and not isinstance(shard, Bfloat16):
                wanted = "float16, bfloat16 (torch) or float32"
                raise DtypeError(
                    f"{what} has type {type_name(shard)}, expected {wanted}; convert it with astype() or to()"
                )
            if shard.shape[1] != shards[0].shape[1]:
                raise ShapeError(f"{what} has dimension {shard.shape[1]}, but shard 0 has {shards[0].shape[1]}")
        self._shards = list(shards)
        self._starts = offsets_of(np.array([len(shard) for shard in shards], np.int64))

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def dimension(self) -> int:
        """Number of components of a vector."""
        return int(self._shards[0].shape[1])

    @property
    def type_name(self) -> str:
        """The narrowest type that holds all vectors: float16, bfloat16 or float32."""
        types = {type_name(shard) for shard in self._shards}
        return types.pop() if len(types) == 1 else "float32"

    def rows(self, numbers: npt.NDArray[np.int64]) -> Float32Array:
        """Returns the given rows, float32 of shape ``(len(numbers), dimension)``; each number in ``[0, len(self))``."""
        result = np.empty((len(numbers), self.dimension), np.float32)
        shard_of = np.searchsorted(self._starts, numbers, side="right") - 1
        for shard in np.unique(shard_of):
            here = shard_of == shard
            result[here] = as_float32(self._shards[shard][numbers[here] - self._starts[shard]])
        return result

    def blocks(self, rows: int) -> Iterator[tuple[int, Array]]:
        """Iterates over consecutive blocks of at most `rows` rows in their own type, each with its first row number."""
        for start, shard in zip(self._starts[:-1], self._shards, strict=True):
            for first in range(0, len(shard), rows):
                yield int(start) + first, shard[first : first + rows]


def as_float32(vectors: Array) -> Float32Array:
    """Returns vectors as a contiguous float32 array, without a copy where they already are one."""
    if isinstance(vectors, Bfloat16):
        # The bits of a bfloat16 are the upper half of the bits of the same float32.
        return (vectors.view(np.ndarray).astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(vectors, np.float32).view(np.ndarray)

"""Vectors of a whole collection, held as shards that may be memory-mapped files.

A shard is an ordinary ``(rows, dimension)`` array of float16, bfloat16 (its bits, see :mod:`nvmine.inputs.foreign`) or
float32; the collection is their rows in order. Only the block that is asked for is brought into memory, widened to
float32.
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

    Raises
    ------
    ShapeError
        There is no shard, or their dimensions differ.
    DtypeError
        A shard is of another type.
    """

    def __init__(self, shards: Sequence[npt.NDArray[Any]]) -> None:
        if not shards:
            raise ShapeError("no vectors: at least one shard is needed")
        for number, shard in enumerate(shards):
            if shard.ndim != 2 or shard.shape[1] != shards[0].shape[1]:
                expected = f"(rows, {shards[0].shape[1]})" if shards[0].ndim == 2 else "(rows, dimension)"
                raise ShapeError(f"vector shard {number} has shape {shard.shape}, expected {expected}")
            if shard.dtype not in (np.float16, np.float32) and not isinstance(shard, Bfloat16):
                raise DtypeError(
                    f"vector shard {number} is {type_name(shard)}, expected float16, bfloat16 (torch) or float32"
                )
        self._shards = list(shards)
        self._starts = offsets_of(np.array([len(shard) for shard in shards], np.int64))

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def dimension(self) -> int:
        """Components of one vector."""
        return int(self._shards[0].shape[1])

    @property
    def type_name(self) -> str:
        """The narrowest type that holds them all: float16, bfloat16 or float32."""
        types = {type_name(shard) for shard in self._shards}
        return types.pop() if len(types) == 1 else "float32"

    def rows(self, numbers: npt.NDArray[np.int64]) -> Float32Array:
        """Return the named rows, float32 of shape ``(len(numbers), dimension)``; each number in ``[0, len(self))``."""
        result = np.empty((len(numbers), self.dimension), np.float32)
        shard_of = np.searchsorted(self._starts, numbers, side="right") - 1
        for shard in np.unique(shard_of):
            mine = shard_of == shard
            result[mine] = widened(self._shards[shard][numbers[mine] - self._starts[shard]])
        return result

    def blocks(self, rows: int) -> Iterator[tuple[int, Array]]:
        """Consecutive blocks of at most `rows` rows as they are held, each with its first row's number."""
        for start, shard in zip(self._starts[:-1], self._shards, strict=True):
            for first in range(0, len(shard), rows):
                yield int(start) + first, shard[first : first + rows]


def widened(vectors: Array) -> Float32Array:
    """Vectors in contiguous float32, which may be those given."""
    if isinstance(vectors, Bfloat16):
        # The bits of bfloat16 are the upper half of a float32's.
        return (vectors.view(np.ndarray).astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(vectors, np.float32).view(np.ndarray)

"""Reads vectors and positives of any kind into the form that the search takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nvmine.data import Vectors
from nvmine.errors import IdError
from nvmine.inputs.foreign import to_numpy
from nvmine.inputs.read import read_lists
from nvmine.inputs.rows import Rows, offsets_of, signed


def read_vectors(name: str, data: Any) -> Vectors:
    """Returns a matrix of vectors, or a sequence of such matrices, as :class:`Vectors`.

    Parameters
    ----------
    name
        The argument that `data` was passed as, for messages.
    data
        An array or tensor of shape (rows, dimension), or a list or tuple of such shards.

    Raises
    ------
    ShapeError, DtypeError
        The data cannot be read as arrays, or are not vectors; see :class:`Vectors`.
    """
    is_shards = isinstance(data, list | tuple) and bool(data) and all(getattr(part, "ndim", 0) == 2 for part in data)
    return Vectors([to_numpy(name, part) for part in (data if is_shards else [data])], name=name)


def read_passages(name: str, data: Any, queries: int, passages: int) -> Rows:
    """Reads lists of passages, one for each query, as ragged rows.

    Negative numbers are left out, and None gives empty rows.

    Raises
    ------
    ShapeError, DtypeError
        The data have another number of rows or dimensions, or are not integers.
    IdError
        A number is not a row of the corpus; the error has the row of the query.
    """
    rows = read_lists(name, data, queries)
    if rows is None:
        return Rows(np.empty(0, np.int64), None, np.zeros(queries + 1, np.int64))
    offsets, row_of = rows.ragged_offsets(), rows.row_of()
    ids = signed(rows.values)[offsets[0] : offsets[-1]]
    wrong = np.flatnonzero(ids >= passages)
    if wrong.size:
        raise IdError(
            f"passage {ids[wrong[0]]} in {name} lies outside the corpus of {passages} passages",
            row=int(row_of[wrong[0]]),
        )
    is_passage = ids >= 0
    return Rows(ids[is_passage], None, offsets_of(np.bincount(row_of[is_passage], minlength=queries)))

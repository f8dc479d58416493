"""Checks and normalises what teachers compute: vectors of unit length under cosine similarity, and only finite numbers.

Vectors are normalised from float32, whatever type they were computed in or are kept in, so that every later step needs
only the dot product.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nvmine.errors import TeacherError, quote

FloatArray = npt.NDArray[np.floating]
Float32Array = npt.NDArray[np.float32]

_SIMILARITIES = ("cosine", "dot")


def check_similarity(similarity: str) -> None:
    """Checks the name of a similarity.

    Raises
    ------
    TeacherError
        It is neither "cosine" nor "dot".
    """
    if similarity not in _SIMILARITIES:
        raise TeacherError(
            f"must be one of {', '.join(_SIMILARITIES)}, not {quote(str(similarity))}", argument="similarity"
        )


def finish_vectors(vectors: Float32Array, *, normalize: bool, dtype: npt.DTypeLike = np.float32) -> FloatArray:
    """Normalises vectors if asked to, and casts them to the type they are kept in.

    Parameters
    ----------
    vectors
        float32 of shape (rows, dimension).
    normalize
        Scale every vector to unit length. A zero vector has no direction and stays zero.
    dtype
        The type to return. Numbers outside its range become infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # the caller reports numbers that are not finite
        if normalize:
            # Squares of float32 neither overflow nor vanish in float64.
            lengths = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
            vectors = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        return vectors.astype(dtype, copy=False)


def first_not_finite(numbers: FloatArray) -> int | None:
    """Returns the first row with NaN or infinity, or None if there is none.

    Examples
    --------
    >>> first_not_finite(np.array([[0.5, 1], [0.5, np.inf]])), first_not_finite(np.array([0.5, 1]))
    (1, None)
    """
    finite = np.isfinite(numbers).all(axis=tuple(range(1, numbers.ndim)))
    return None if finite.all() else int(finite.argmin())


def check_finite(numbers: FloatArray, what: str, *, model: str, dtype: str) -> None:
    """Checks the output of a model that computed in `dtype`; `what` names a row of it.

    Raises
    ------
    TeacherError
        A row holds NaN or infinity; ``error.row`` is its number.
    """
    row = first_not_finite(numbers)
    if row is not None:
        raise TeacherError(
            f"model {quote(model)} gave a {what} that is not finite (NaN or infinity) in {dtype}; try dtype='float32'",
            row=row,
        )

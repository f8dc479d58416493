"""What teachers give, as it is kept: vectors brought to length one where the cosine is meant, and only finite numbers.

Length one is made of float32, whatever the numbers are computed or kept in, so that everything after needs only the dot
product.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
Float32Array = npt.NDArray[np.float32]


def stored(vectors: Float32Array, *, normalize: bool, dtype: npt.DTypeLike = np.float32) -> FloatArray:
    """Make vectors ready to keep.

    Parameters
    ----------
    vectors
        float32 of shape (rows, dimension).
    normalize
        Whether each is brought to length one; a zero vector, which has no direction, stays zero.
    dtype
        What they are kept in; numbers beyond it become infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is for the caller to name
        if normalize:
            # Squares of float32 neither overflow nor vanish in float64.
            lengths = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
            vectors = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        return vectors.astype(dtype, copy=False)


def not_finite(numbers: FloatArray) -> int | None:
    """Find the first row with NaN or infinity; None where there is none.

    Examples
    --------
    >>> not_finite(np.array([[0.5, 1], [0.5, np.inf]])), not_finite(np.array([0.5, 1]))
    (1, None)
    """
    finite = np.isfinite(numbers).all(axis=tuple(range(1, numbers.ndim)))
    return None if finite.all() else int(finite.argmin())

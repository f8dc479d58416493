"""The input of :func:`nvmine.mine_embeddings`, read and checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvmine.data import Vectors
from nvmine.inputs.keys import Keys
from nvmine.inputs.rows import Rows
from nvmine.shingles import Shingles

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Collection:
    """Queries and corpus, and what is known about them. A passage is its row number in the corpus.

    Parameters
    ----------
    queries, corpus
        The vectors.
    positives, exclude
        Passages that never become negatives, as ragged rows, one for each query.
    keys
        Keys of the queries for random draws, and their names in messages. None: the row numbers.
    classes
        int64 of shape (n_passages,): passages with equal numbers count as the same passage. None: all differ.
    texts
        Shingles of the passages and of the queries. None if the policy does not compare texts.
    """

    queries: Vectors
    corpus: Vectors
    positives: Rows
    exclude: Rows
    keys: Keys | None
    classes: Int64Array | None
    texts: tuple[Shingles, Shingles | None] | None

"""Random scores: the baseline that every teacher has to beat.

The paper first compares with negatives drawn at random. Most passages of a corpus have nothing to do with a query, so
the gain over random negatives is what mining is worth. A random score says nothing about relevance, nor does the score
of a positive, so a ceiling relative to it has no meaning: mine with ``method="naive"``. Prefer BM25
(:mod:`nvmine.teachers.bm25`) for hard negatives without a model.

A score is a hash of the seed and the two ids, and of nothing else. It does not depend on the order of the files, on
other queries and passages, or on how many are scored together. Let m be the output function of SplitMix64 (Steele, Lea
and Flood 2014), in which every bit of the input affects every bit of the output; key the hash of
:func:`nvmine.inputs.keys.text_keys`; ^ exclusive or; and all sums modulo 2**64::

    STEP = 0x9e3779b97f4a7c15
    h = m(m(m(seed + STEP) ^ (key(query) + STEP)) ^ (key(passage) + STEP))
    score = (2 * (h >> 41) + 1) / 2**24

The core draws samples in the same way (``rule/sample.rs``). The scores are the 2**23 odd multiples of 2**-24: all lie
between 0 and 1, exclusive, and are exact in float32.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nvmine.data import Dataset
from nvmine.errors import TeacherError
from nvmine.inputs.keys import text_keys

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Uint64Array = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
# Passages hashed together, few enough that their hashes stay in the processor's cache.
_BLOCK = 2**15


class RandomTeacher:
    """Uniform random scores in (0, 1) that depend only on the seed and the ids.

    Parameters
    ----------
    seed
        Seed of the scores, in [0, 2**64).

    Raises
    ------
    TeacherError
        `seed` is not a whole number, or out of range.
    """

    def __init__(self, *, seed: int = 0) -> None:
        try:
            self._seed = operator.index(seed)
        except TypeError:
            raise TeacherError(f"must be a whole number, not {seed!r}", argument="seed") from None
        if not 0 <= self._seed < 2**64:
            raise TeacherError(f"must lie in [0, 2**64), not {self._seed}", argument="seed")

    def describe(self) -> dict[str, Any]:
        """Returns everything that changes the scores, ready for JSON."""
        return {"kind": "random", "seed": self._seed}

    def scorer(self, dataset: Dataset) -> Callable[[Int64Array], Float32Array]:
        """Returns a function that scores every passage of a dataset. It holds the hashed ids, 8 bytes each.

        Returns
        -------
        A function from row numbers of queries to float32 scores of shape ``(len(rows), number of passages)``.
        """
        seeded = _splitmix64(np.array([self._seed], np.uint64) + _STEP)
        queries = _splitmix64(seeded ^ (text_keys(dataset.query_ids) + _STEP))
        passages = text_keys(dataset.passage_ids) + _STEP

        def score_rows(rows: Int64Array) -> Float32Array:
            scores = np.empty((len(rows), len(passages)), np.float32)
            for row, query in zip(scores, queries[rows], strict=True):
                for start in range(0, len(passages), _BLOCK):
                    hashes = _splitmix64(query ^ passages[start : start + _BLOCK])
                    odd = hashes >> np.uint64(41) << np.uint64(1) | np.uint64(1)
                    # A whole number below 2**24 is exact in float32, and so is its product with a power of two.
                    np.multiply(odd, 2.0**-24, out=row[start : start + _BLOCK], casting="same_kind")
            return scores

        return score_rows


def _splitmix64(bits: Uint64Array) -> Uint64Array:
    """Applies the output function of SplitMix64 in place, and returns the array."""
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return bits

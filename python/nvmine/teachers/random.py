"""Random scores: the baseline that every teacher has to beat.

The paper's first comparison is with negatives drawn at random, and most of a corpus has nothing to do with a query, so
what is won over them is what mining is worth. A score tells nothing of relevance, nor does a positive's, so that a
ceiling relative to it would mean nothing: mine them with ``method="naive"``. Prefer BM25
(:mod:`nvmine.teachers.bm25`) where there is no model and the negatives are to be hard.

A score is a hash of the seed and the two ids' texts, and of nothing else: the order of the files, other queries and
passages, and how many are scored at once do not change it. With m the output function of SplitMix64 (Steele, Lea and
Flood 2014), in which every bit of the input reaches every bit of the output, key the one of
:func:`nvmine.inputs.keys.text_keys`, ^ for exclusive or and all sums modulo 2**64::

    STEP = 0x9e3779b97f4a7c15
    h = m(m(m(seed + STEP) ^ (key(query) + STEP)) ^ (key(passage) + STEP))
    score = (2 * (h >> 41) + 1) / 2**24

That is how the core draws too (``sample.rs``). The scores are the 2**23 odd multiples of 2**-24: all of them above 0
and below 1, and exact in float32.
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
# Passages hashed at once: what is worked on stays in the processor's cache.
_BLOCK = 2**15


class RandomTeacher:
    """Uniform scores in (0, 1), keyed by the ids.

    Parameters
    ----------
    seed
        In [0, 2**64): another one gives other scores.

    Raises
    ------
    TeacherError
        `seed` is no whole number, or out of range.
    """

    def __init__(self, *, seed: int = 0) -> None:
        try:
            self._seed = operator.index(seed)
        except TypeError:
            raise TeacherError(f"must be a whole number, not {seed!r}", argument="seed") from None
        if not 0 <= self._seed < 2**64:
            raise TeacherError(f"must lie in [0, 2**64), not {self._seed}", argument="seed")

    def describe(self) -> dict[str, Any]:
        """Everything that changes the scores, ready for JSON."""
        return {"kind": "random", "seed": self._seed}

    def scorer(self, dataset: Dataset) -> Callable[[Int64Array], Float32Array]:
        """Prepare to score the passages of a collection; held are the keys of its ids, 8 bytes each.

        Returns
        -------
        A function from row numbers of queries to their scores, ``(len(rows), number of passages)``.
        """
        seeded = _mixed(np.array([self._seed], np.uint64) + _STEP)
        queries = _mixed(seeded ^ (text_keys(dataset.query_ids) + _STEP))
        passages = text_keys(dataset.passage_ids) + _STEP

        def score_rows(rows: Int64Array) -> Float32Array:
            scores = np.empty((len(rows), len(passages)), np.float32)
            for row, query in zip(scores, queries[rows], strict=True):
                for start in range(0, len(passages), _BLOCK):
                    odd = _mixed(query ^ passages[start : start + _BLOCK]) >> np.uint64(41) << np.uint64(1) | np.uint64(
                        1
                    )
                    # A whole number below 2**24 is exact in float32, and so is its product with a power of two.
                    np.multiply(odd, 2.0**-24, out=row[start : start + _BLOCK], casting="same_kind")
            return scores

        return score_rows


def _mixed(bits: Uint64Array) -> Uint64Array:
    """The output function of SplitMix64, in place."""
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return bits

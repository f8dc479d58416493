"""Ranks of the positives, by which the consistency filter drops pairs.

A pair whose positive is not among the teacher's best passages is wrong often enough that dropping it pays (round-trip
consistency: Alberti et al. 2019, arXiv 1906.05416; Dai et al. 2022, arXiv 2209.11755). A dropped positive is not an
anchor and gets no result, but it never becomes a negative either.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nvmine.search import SearchResult

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]


def positive_ranks(
    found: SearchResult, classes: Int64Array, known: list[Int64Array], scores: Float32Array, counts: Int64Array
) -> Int64Array:
    """Ranks every positive among the passages of its query: 1 is the best, 0 means that it lies beyond the list.

    Other positives of the query do not count, nor does the query itself where it is a passage.

    Parameters
    ----------
    found
        The best passages of Q queries.
    classes
        The identity class of every passage.
    known
        For each query, the classes that do not count.
    scores, counts
        The scores of all positives, query by query, and the number of positives of each query.
    """
    ranks = np.zeros(len(scores), np.int64)
    stop = 0
    for ids, list_scores, count, uncounted in zip(found.ids, found.scores, counts.tolist(), known, strict=True):
        start, stop = stop, stop + count
        mine, held = scores[start:stop], ids >= 0
        if held.any():
            counted = list_scores[held][~np.isin(classes[ids[held]], uncounted)]
            better = (counted[None, :] > mine[:, None]).sum(axis=1)
            # A positive that scores less than every passage found may come after any number of others.
            ranks[start:stop] = np.where(mine >= list_scores[held][-1], better + 1, 0)
    return ranks

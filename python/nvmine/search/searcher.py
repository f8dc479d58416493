"""What every search engine offers, and the one way in which scores are reported."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.data.vectors import Vectors
from nvmine.errors import SearchError, quote

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# Bytes of passage vectors gathered at once for rescoring.
_GATHERED = 64 << 20
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Candidates(NamedTuple):
    """Passages of some queries, best first: (queries, depth) ids and scores, -1 and NaN where there are none."""

    ids: Int64Array
    scores: Float32Array


class Searcher(Protocol):
    """A search engine over one collection; queries and passages are known by their row numbers."""

    def search(self, rows: Int64Array, depth: int) -> Candidates:
        """The best `depth` passages of the queries `rows`."""

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """The score of query ``rows[i]`` with passage ``ids[i]``, the same bits as in :meth:`search`."""

    def rows_at_once(self, depth: int) -> int:
        """How many queries fit the memory budget at once."""


class ExhaustiveSearcher(Searcher, Protocol):
    """An engine that compares every passage: a list shorter than asked means that there are no more."""

    def search_below(self, rows: Int64Array, ceilings: Float64Array, depth: int) -> Candidates:
        """The best `depth` passages of query ``rows[i]`` among those that score strictly below ``ceilings[i]``."""


def rescore(
    queries: Vectors, rows: Int64Array, passages: Vectors, ids: Int64Array, *, cosine: bool = False
) -> Float64Array:
    """The scores of queries with given passages: products added in float64, in a fixed order.

    Parameters
    ----------
    queries, passages
        Vectors of one dimension.
    rows
        int64 of shape (q,): row numbers of queries.
    ids
        int64 of shape (q, k): row numbers of passages, -1 for none.
    cosine
        Compare by cosine, 0 where a vector is zero; else by dot product.

    Returns
    -------
    float64 of shape (q, k), NaN where the id is -1. They do not depend on which pairs are scored together.
    """
    scores = np.empty(ids.shape, np.float64)
    step = max(1, _GATHERED // (4 * passages.dimension * max(1, ids.shape[1])))
    for start in range(0, len(rows), step):
        block = ids[start : start + step]
        known, places = np.unique(block, return_inverse=True)
        places = places.reshape(block.shape).astype(np.int64)
        if known.size and known[0] < 0:
            # Only -1 is negative, and it is the first; what follows is renumbered past it.
            known, places = known[1:], places - 1
        vectors = queries.rows(rows[start : start + step])
        scores[start : start + step] = _core.score_pairs(vectors, passages.rows(known), places, cosine=cosine)
    return scores


def parse_memory(text: str | int) -> int:
    """Bytes from a budget such as ``"512M"`` or ``"2GiB"``; units are powers of 1024.

    Raises
    ------
    SearchError
        It is no size, or smaller than 16 MiB, below which nothing useful fits.

    Examples
    --------
    >>> parse_memory("1.5GiB")
    1610612736
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", str(text), re.IGNORECASE)
    if match is None:
        raise SearchError(f"{quote(str(text))} is no amount of memory; write it like 512M or 2GiB", argument="memory")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size < 16 << 20:
        raise SearchError(f"{text} is too little; the smallest budget is 16M", argument="memory")
    return size

"""What every search engine offers, and what the engines share: how scores are computed, blocks, memory budgets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.data.vectors import Vectors
from nvmine.errors import SearchError, ShapeError, quote

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# Bytes of passage vectors that are gathered at once for rescoring.
_GATHERED = 64 << 20
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class SearchResult(NamedTuple):
    """Ids and scores of the best passages per query, best first.

    Both have shape (queries, depth). Where fewer passages were found, -1 and NaN fill the row.
    """

    ids: Int64Array
    scores: Float32Array


class Searcher(Protocol):
    """A search engine over one collection. Queries and passages are identified by their row numbers."""

    def search(self, rows: Int64Array, depth: int) -> SearchResult:
        """Returns the best `depth` passages of the queries `rows`."""

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """Returns the score of query ``rows[i]`` with passage ``ids[i]``, with the same bits as :meth:`search`."""

    def rows_at_once(self, depth: int) -> int:
        """Returns how many queries fit the memory budget at once."""


class ExhaustiveSearcher(Searcher, Protocol):
    """An engine that compares every passage, so a row shorter than `depth` means that there are no more passages."""

    def search_below(self, rows: Int64Array, ceilings: Float64Array, depth: int) -> SearchResult:
        """Returns the best `depth` passages of query ``rows[i]`` that score strictly below ``ceilings[i]``."""


def search_in_blocks(
    search_block: Callable[[Int64Array, Float64Array | None], tuple[Int64Array, npt.NDArray[np.floating]]],
    rows: Int64Array,
    ceilings: Float64Array | None,
    depth: int,
    rows_at_once: int,
) -> SearchResult:
    """Searches `rows_at_once` queries at a time and joins the results.

    `search_block` gets row numbers of queries and their ceilings, and returns ids and scores, (queries, depth).
    """
    ids = np.empty((len(rows), depth), np.int64)
    scores = np.empty((len(rows), depth), np.float32)
    for start in range(0, len(rows), rows_at_once):
        block = slice(start, start + rows_at_once)
        ids[block], scores[block] = search_block(rows[block], None if ceilings is None else ceilings[block])
    return SearchResult(ids, scores)


def require_same_dimension(queries: Vectors, passages: Vectors) -> None:
    """Raises a ShapeError if queries and passages have vectors of different dimensions."""
    if queries.dimension != passages.dimension:
        raise ShapeError(f"queries have dimension {queries.dimension}, passages {passages.dimension}")


def rescore(
    queries: Vectors, rows: Int64Array, passages: Vectors, ids: Int64Array, *, cosine: bool = False
) -> Float64Array:
    """Computes the scores of queries with given passages: products summed in float64, in a fixed order.

    Parameters
    ----------
    queries, passages
        Vectors of the same dimension.
    rows
        int64 of shape (q,): row numbers of queries.
    ids
        int64 of shape (q, k): row numbers of passages, -1 for none.
    cosine
        Compare by cosine, which is 0 for a zero vector. Default: compare by dot product.

    Returns
    -------
    float64 of shape (q, k), NaN where the id is -1. A score does not depend on which pairs are scored together.
    """
    scores = np.empty(ids.shape, np.float64)
    step = max(1, _GATHERED // (4 * passages.dimension * max(1, ids.shape[1])))
    for start in range(0, len(rows), step):
        block = ids[start : start + step]
        known, places = np.unique(block, return_inverse=True)
        places = places.reshape(block.shape).astype(np.int64)
        if known.size and known[0] < 0:
            # Only -1 is negative, and it sorts first. The passages that follow are renumbered past it.
            known, places = known[1:], places - 1
        vectors = queries.rows(rows[start : start + step])
        scores[start : start + step] = _core.score_pairs(vectors, passages.rows(known), places, cosine=cosine)
    return scores


def parse_memory(text: str | int) -> int:
    """Returns the bytes of a memory budget such as ``"512M"`` or ``"2GiB"``; units are powers of 1024.

    Raises
    ------
    SearchError
        The text is not an amount of memory, or it is less than 16 MiB, which is too little for any block.

    Examples
    --------
    >>> parse_memory("1.5GiB")
    1610612736
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", str(text), re.IGNORECASE)
    if match is None:
        message = f"{quote(str(text))} is not an amount of memory; write it like 512M or 2GiB"
        raise SearchError(message, argument="memory")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size < 16 << 20:
        raise SearchError(f"{text} is too little; the smallest budget is 16M", argument="memory")
    return size

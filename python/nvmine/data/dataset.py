"""The dataset value that every reader returns: queries, passages and which passages are whose positives.

Passages and queries are known by their row number from here on; ids are text and are joined in again when results are
written. Positives are kept in compressed rows (offsets and values), the layout the core takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
OnMissing = Literal["raise", "skip"]
"""What a reader does with a query that has no positive."""


class Taken(NamedTuple):
    """Which rows of a file were taken, where it has others too: their numbers from 0, ascending, of how many."""

    rows: Int64Array
    of: int


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Texts in, with their labels.

    Parameters
    ----------
    name
        For messages and the manifest: the path or name as the user gave it.
    query_ids, query_texts
        The Q queries to mine, in file order, unique ids. Every one has at least one positive.
    passage_ids, passage_texts
        The M passages, in file order, unique ids. A text already includes its title.
    positive_offsets
        int64 of shape (Q + 1,): query q's positives are ``positive_passages[offsets[q]:offsets[q + 1]]``.
    positive_passages
        int64, passage row numbers, ascending and unique within a query.
    queries_taken
        Where the file of queries holds others too, which of its queries these are: whoever has something for each query
        of the file, such as its vector, finds by it what belongs to those that are mined. It is no part of the content.
    """

    name: str
    query_ids: list[str]
    query_texts: list[str]
    passage_ids: list[str]
    passage_texts: list[str]
    positive_offsets: Int64Array
    positive_passages: Int64Array
    queries_taken: Taken | None = None

    def positives(self, query: int) -> Int64Array:
        """Row numbers of the passages that are positives of query number `query`."""
        return self.positive_passages[self.positive_offsets[query] : self.positive_offsets[query + 1]]

    def digests(self) -> dict[str, str]:
        """SHA-256 of the queries, the corpus and the labels, the same for the same content in any file format."""
        labels = hashlib.sha256(self.positive_offsets.astype("<i8").tobytes())
        labels.update(self.positive_passages.astype("<i8").tobytes())
        return {
            "queries": _digest_texts(self.query_ids, self.query_texts),
            "corpus": _digest_texts(self.passage_ids, self.passage_texts),
            "qrels": labels.hexdigest(),
        }


def compressed_rows(rows: Iterable[Iterable[int]]) -> tuple[Int64Array, Int64Array]:
    """Put rows of different lengths end to end, each ascending and without repetition.

    Returns
    -------
    offsets, values
        int64; row r is ``values[offsets[r]:offsets[r + 1]]``.

    Examples
    --------
    >>> compressed_rows([[5, 2, 5], [], [1]])
    (array([0, 2, 2, 3]), array([2, 5, 1]))
    """
    values: list[int] = []
    offsets = [0]
    for row in rows:
        values.extend(sorted(set(row)))
        offsets.append(len(values))
    return np.array(offsets, np.int64), np.array(values, np.int64)


def _digest_texts(ids: Iterable[str], texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name, text in zip(ids, texts, strict=True):
        # Lengths first: no two different lists of texts give the same bytes.
        for part in (name.encode(), text.encode()):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()

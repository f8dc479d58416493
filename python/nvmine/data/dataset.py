"""The dataset that every reader returns: queries, passages, and which passages are positives of which query.

Inside nvmine, a query or passage is known by its row number; its id is looked up again when results are written.
Positives are stored as compressed rows (offsets and values), the layout that the core takes.
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
"""Whether a reader refuses a query that has no positive, or leaves it out."""


class Taken(NamedTuple):
    """Which rows were taken from a file that has more.

    `rows` holds their numbers, counted from 0 and ascending; `of` is the number of rows in the file.
    """

    rows: Int64Array
    of: int


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Queries and passages with their labels.

    Parameters
    ----------
    name
        The path or name that the user gave, for messages and the manifest.
    query_ids, query_texts
        The Q queries to mine, in file order, with unique ids. Every query has at least one positive.
    passage_ids, passage_texts
        The M passages, in file order, with unique ids. A text already includes its title.
    positive_offsets
        int64 of shape (Q + 1,): the positives of query q are ``positive_passages[offsets[q]:offsets[q + 1]]``.
    positive_passages
        int64, passage row numbers, ascending and unique within a query.
    queries_taken
        Which queries of the file these are, if the file holds others too. It finds the rows of the mined queries in
        data with one row for every query of the file, such as vectors. It is not part of the digests.
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
        """Returns the row numbers of the positives of the query in row `query`."""
        return self.positive_passages[self.positive_offsets[query] : self.positive_offsets[query + 1]]

    def digests(self) -> dict[str, str]:
        """Returns the SHA-256 of queries, corpus and labels; equal content has equal digests in every file format."""
        labels = hashlib.sha256(self.positive_offsets.astype("<i8").tobytes())
        labels.update(self.positive_passages.astype("<i8").tobytes())
        return {
            "queries": _digest_texts(self.query_ids, self.query_texts),
            "corpus": _digest_texts(self.passage_ids, self.passage_texts),
            "qrels": labels.hexdigest(),
        }


def compressed_rows(rows: Iterable[Iterable[int]]) -> tuple[Int64Array, Int64Array]:
    """Concatenates rows of different lengths, each sorted and without duplicates.

    Returns
    -------
    offsets, values
        int64 of shape (rows + 1,) and int64; row r is ``values[offsets[r]:offsets[r + 1]]``.

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
        # The length comes first, so that no two different lists of texts give the same bytes.
        for part in (name.encode(), text.encode()):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()

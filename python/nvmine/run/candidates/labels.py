"""The labels of a data set: the positives of each query, and which texts are equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvmine.data import Dataset, identity_classes, self_passages
from nvmine.inputs.keys import text_keys
from nvmine.inputs.rows import Rows
from nvmine.shingles import Shingles

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The labels of a data set, by row numbers of queries and passages.

    Parameters
    ----------
    query_ids, keys
        The queries' ids, and the keys of their draws.
    passages
        Number of passages.
    positives
        The positives of each query.
    selves
        The passages that are the query itself.
    classes
        The identity class of each passage: passages with equal texts have equal numbers.
    passage_shingles, query_shingles
        Shingles of the texts, for a policy that compares them.
    """

    query_ids: list[str]
    keys: npt.NDArray[np.uint64]
    passages: int
    positives: Rows
    selves: Rows
    classes: Int64Array
    passage_shingles: Shingles | None = None
    query_shingles: Shingles | None = None

    @classmethod
    def of(cls, dataset: Dataset, *, shingles: bool = False, threads: int | None = None) -> Labels:
        """Returns the labels of a data set, on request with the shingles of its texts. O(total text)."""
        classes = identity_classes(dataset.passage_texts)
        self_offsets, selves = self_passages(dataset, classes)
        return cls(
            query_ids=dataset.query_ids,
            keys=text_keys(dataset.query_ids),
            passages=len(dataset.passage_ids),
            positives=Rows(dataset.positive_passages, None, dataset.positive_offsets),
            selves=Rows(selves, None, self_offsets),
            classes=classes,
            passage_shingles=Shingles.of(dataset.passage_texts, threads=threads) if shingles else None,
            query_shingles=Shingles.of(dataset.query_texts, threads=threads) if shingles else None,
        )

    @property
    def queries(self) -> int:
        """Number of queries."""
        return len(self.query_ids)

    def names(self, rows: Int64Array) -> list[str]:
        """Returns the ids of the queries `rows`."""
        return [self.query_ids[row] for row in rows.tolist()]

    def known_classes(self, rows: Int64Array) -> list[Int64Array]:
        """Returns, for each of the queries `rows`, the identity classes of its positives and of the query itself."""
        both = [side.take(rows) for side in (self.positives, self.selves)]
        lists = [np.split(self.classes[side.values], side.ragged_offsets()[1:-1]) for side in both]
        return [np.concatenate(pair) for pair in zip(*lists, strict=True)] if len(rows) else []

    def texts(self, rows: Int64Array) -> tuple[Shingles, Shingles | None] | None:
        """Returns the shingles of all passages and of the queries `rows`, where there are any."""
        if self.passage_shingles is None:
            return None
        return self.passage_shingles, None if self.query_shingles is None else self.query_shingles.take(rows)

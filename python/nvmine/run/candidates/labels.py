"""What the stages of a run need to know of the data once texts have become vectors: whose positives are whose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import polars as pl
from nvmine.data import Dataset, identity_classes, self_passages
from nvmine.inputs.foreign import list_column
from nvmine.inputs.rows import take_rows
from nvmine.shingles import Shingles

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Positives, identity classes, the passages that are a query itself, and shingles of the texts, by row numbers."""

    query_ids: list[str]
    passages: int
    positive_offsets: Int64Array
    positive_passages: Int64Array
    classes: Int64Array
    own_offsets: Int64Array
    own_passages: Int64Array
    places: dict[str, int]
    passage_shingles: Shingles | None = None
    query_shingles: Shingles | None = None

    @classmethod
    def of(cls, dataset: Dataset, *, shingles: bool = False, threads: int | None = None) -> Labels:
        """The labels of a data set, and on request what tells near-duplicates. O(total text)."""
        classes = identity_classes(dataset.passage_texts)
        own_offsets, own_passages = self_passages(dataset, classes)
        return cls(
            query_ids=dataset.query_ids,
            passages=len(dataset.passage_ids),
            positive_offsets=dataset.positive_offsets,
            positive_passages=dataset.positive_passages,
            classes=classes,
            own_offsets=own_offsets,
            own_passages=own_passages,
            places={name: row for row, name in enumerate(dataset.query_ids)},
            passage_shingles=Shingles.of(dataset.passage_texts, threads=threads) if shingles else None,
            query_shingles=Shingles.of(dataset.query_texts, threads=threads) if shingles else None,
        )

    @property
    def queries(self) -> int:
        """How many queries there are."""
        return len(self.query_ids)

    def positives(self, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Positives of the queries `rows`, one after the other, and how many each has."""
        return _gather(self.positive_offsets, self.positive_passages, rows)

    def known_classes(self, rows: Int64Array) -> list[Int64Array]:
        """The identity classes of the positives of each of the queries `rows`, and of the query itself."""
        sides = (self.positive_offsets, self.positive_passages), (self.own_offsets, self.own_passages)
        return [
            self.classes[np.concatenate([passages[offsets[row] : offsets[row + 1]] for offsets, passages in sides])]
            for row in rows.tolist()
        ]

    def query_texts(self, query_ids: pl.Series) -> Shingles | None:
        """The shingles of these queries, where there are any."""
        return None if self.query_shingles is None else self.query_shingles.take(self._rows(query_ids))

    def own(self, query_ids: pl.Series) -> pl.Series:
        """A List column with the passages that are these queries themselves."""
        return list_column("own", *_gather(self.own_offsets, self.own_passages, self._rows(query_ids)))

    def _rows(self, query_ids: pl.Series) -> Int64Array:
        return np.array([self.places[name] for name in query_ids], np.int64)


def _gather(offsets: Int64Array, values: Int64Array, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
    taken, places = take_rows(offsets, rows)
    return values[places], np.diff(taken)

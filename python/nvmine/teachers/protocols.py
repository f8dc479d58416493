"""What a run expects of a teacher and of a rescorer.

A teacher scores passages for queries in one of five forms, each of which a run stores and searches in its own way. The
forms are protocols, so a class of yours needs no base class. It is usually a :class:`TextEncoder`; a function becomes
one with :class:`~nvmine.teachers.callables.Encoder`.

Every form has `describe`. A run keeps the description, and only continues work that has the same one. Its ``kind``
tells the forms apart: "vectors", "random", "bm25" and "ranked" belong to the teachers of this package, and every other
kind is a text encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from nvmine.data import Dataset

FloatArray = npt.NDArray[np.floating]
Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]


class CollectionVectors(NamedTuple):
    """The vectors of a dataset, as functions that map a range of rows to vectors of shape ``(len(rows), dimension)``.

    The vectors are float16 where the file holds float16, and float32 otherwise. bfloat16 becomes float32: float16
    covers neither its range nor the precision that normalisation needs.

    Both functions raise :class:`~nvmine.errors.TeacherError` for a vector that is not finite, with the row of the file.
    """

    queries: Callable[[range], FloatArray]
    passages: Callable[[range], FloatArray]


class RankedLists(NamedTuple):
    """The candidates of all queries of a dataset, one list after the other.

    The list of query q is ``ids[offsets[q]:offsets[q + 1]]``: row numbers of passages in the dataset, each at most
    once, with their scores. A list is sorted by score, best first, and equal scores by row number. int64 of shape
    (Q + 1,), int64 and float32.
    """

    offsets: Int64Array
    ids: Int64Array
    scores: Float32Array


class Described(Protocol):
    """Anything with a description that identifies it across runs."""

    def describe(self) -> dict[str, Any]:
        """Returns everything that changes the results, ready for JSON.

        ``kind`` is the kind of teacher; ``name``, where there is one, is what runs and tables call it.
        """
        ...


@runtime_checkable
class TextEncoder(Described, Protocol):
    """A teacher that turns texts into vectors, whose dot product is the score."""

    def encode_queries(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> FloatArray:
        """Encodes queries.

        Parameters
        ----------
        texts
            Any number of queries.
        done
            Called with the number of texts encoded since the last call.

        Returns
        -------
        A float array of shape ``(len(texts), dimension)``, in the order of `texts`.
        """
        ...

    def encode_passages(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> FloatArray:
        """Encodes passages, in the same form as :meth:`encode_queries`."""
        ...

    def on(self, devices: Sequence[str]) -> Sequence[Self]:
        """Returns one encoder for each device. Each is called from its own thread, and all give the same vectors."""
        ...


@runtime_checkable
class VectorSource(Described, Protocol):
    """A teacher whose vectors were computed before, such as vectors from files."""

    def of(self, dataset: Dataset) -> CollectionVectors:
        """Returns the vectors of the queries and passages of a dataset."""
        ...


@runtime_checkable
class RowScorer(Described, Protocol):
    """A teacher that scores a query against every passage and has nothing to store."""

    def scorer(self, dataset: Dataset) -> Callable[[Int64Array], Float32Array]:
        """Returns a function from row numbers of queries to scores of shape ``(len(rows), number of passages)``."""
        ...


class TextIndex(Protocol):
    """An index of passages that scores a query against all of them, made of arrays and terms that can be stored."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the arrays of the index by name."""
        ...

    def vocabulary(self) -> list[str]:
        """Returns the terms of the index, in the order of its columns."""
        ...

    def scores(self, queries: Sequence[str]) -> Float32Array:
        """Returns scores of shape ``(len(queries), number of passages)``."""
        ...


@runtime_checkable
class TextIndexer(Described, Protocol):
    """A teacher that scores by an index of the passages, such as BM25."""

    def index(self, passages: Sequence[str]) -> TextIndex:
        """Builds the index of these passages."""
        ...

    def open_index(self, arrays: Mapping[str, npt.NDArray[Any]], vocabulary: Sequence[str], passages: int) -> TextIndex:
        """Opens an index from the stored arrays and terms of an earlier one over this many passages."""
        ...


@runtime_checkable
class ListSource(Described, Protocol):
    """A teacher that only knows the candidates of a ranked list for each query."""

    def lists(self, dataset: Dataset) -> RankedLists:
        """Returns the lists of the dataset's queries."""
        ...


Teacher: TypeAlias = TextEncoder | VectorSource | RowScorer | TextIndexer | ListSource
"""Anything that a run can search with."""


@runtime_checkable
class Rescorer(Described, Protocol):
    """Anything that scores pairs of a query and a passage, such as a cross-encoder."""

    def score(self, pairs: Sequence[tuple[str, str]], *, done: Callable[[int], object] | None = None) -> Float32Array:
        """Returns the score of each (query, passage) pair, in their order.

        Parameters
        ----------
        pairs
            Any number of (query, passage) pairs.
        done
            Called with the number of pairs scored since the last call.
        """
        ...

"""Vectors that were computed elsewhere: by an API, by another library, by a model that no longer runs here.

Two files, one of queries and one of passages, in any of the forms of :mod:`nvmine.data.vector_files`. What is mined
with them is what would be mined with the encoder that made them. Vectors and texts belong together by their ids, or by
their order where a file has none, and nothing shows whether a vector was made of its text: let both come from one
export.

Under cosine similarity vectors are brought to length one here, whatever length they come with; under dot similarity
they are left alone. Prefer a :class:`~nvmine.teachers.dense.DenseTeacher` where the model is at hand: it cannot mix up
rows, and its description says which model it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from nvmine.data import Dataset
from nvmine.data.vector_files import VectorFile, open_vectors
from nvmine.data.vectors import widened
from nvmine.errors import ShapeError, TeacherError, quote
from nvmine.teachers.models.outputs import not_finite, stored

FloatArray = npt.NDArray[np.floating]
Int64Array = npt.NDArray[np.int64]


class CollectionVectors(NamedTuple):
    """The vectors of a dataset: functions from a range of its rows to ``(len(rows), dimension)``.

    float16 where the file holds float16, and else float32, to which float64 is rounded. bfloat16 too becomes float32,
    which has all its values, as float16 has not, and the digits that length one asks for.

    Both raise :class:`~nvmine.errors.TeacherError`, by the row of the file, for a vector that is not finite.
    """

    queries: Callable[[range], FloatArray]
    passages: Callable[[range], FloatArray]


class VectorsTeacher:
    """Vectors from two files, made by :meth:`open`.

    Attributes
    ----------
    dimension : int
        Components of one vector.
    """

    def __init__(self, queries: VectorFile, passages: VectorFile, *, similarity: str) -> None:
        if similarity not in ("cosine", "dot"):
            raise TeacherError(f"similarity {quote(str(similarity))} is not one of cosine, dot")
        self._queries, self._passages, self._similarity = queries, passages, similarity
        self.dimension: int = passages.vectors.shape[1]
        if queries.vectors.shape[1] != self.dimension:
            raise ShapeError(
                f"vectors have {queries.vectors.shape[1]} components, but those in {passages.path} have"
                f" {self.dimension}; give two files of one model",
                path=queries.path,
            )
        # Read once, here: what is described should be what was opened.
        self._digest = _digest(queries.path, passages.path)

    @classmethod
    def open(
        cls, *, queries: str | Path, passages: str | Path, similarity: Literal["cosine", "dot"] = "cosine"
    ) -> VectorsTeacher:
        """Open the files, and read them once for their digest.

        Parameters
        ----------
        queries, passages
            ``.npy``, ``.safetensors`` or ``.parquet``, see :func:`nvmine.data.vector_files.open_vectors`.
        similarity
            How the model that made them compares.

        Raises
        ------
        DataError, DtypeError
            A file is missing, damaged or empty, or holds something else.
        ShapeError
            The files have vectors of different dimensions.
        TeacherError
            `similarity` has another value.
        MissingExtraError
            safetensors is needed and not installed.
        """
        return cls(open_vectors(Path(queries)), open_vectors(Path(passages)), similarity=similarity)

    def describe(self) -> dict[str, Any]:
        """Everything that changes the vectors, ready for JSON; equal for equal files wherever they lie."""
        return {
            "kind": "vectors",
            "name": self._passages.path.stem,
            "digest": self._digest,
            "similarity": self._similarity,
            "dimension": self.dimension,
        }

    def of(self, dataset: Dataset) -> CollectionVectors:
        """Find the vectors of a dataset: rows by their ids in a file that has ids, else by its order.

        By order, the passages are those of the dataset, all of them. The queries are too, or are those of the whole
        file that the dataset took its queries from (``dataset.queries_taken``).

        Raises
        ------
        DataError
            An id is in no row, or there are more or fewer vectors.
        """
        queries = self._queries.rows_of(dataset.query_ids, "queries", dataset.queries_taken)
        passages = self._passages.rows_of(dataset.passage_ids, "passages")
        return CollectionVectors(
            lambda rows: self._read(self._queries, queries[rows.start : rows.stop]),
            lambda rows: self._read(self._passages, passages[rows.start : rows.stop]),
        )

    def _read(self, file: VectorFile, rows: Int64Array) -> FloatArray:
        taken = file.vectors[rows]
        with np.errstate(over="ignore"):  # float64 beyond float32 is named below
            vectors = widened(taken)
        row = not_finite(vectors)
        if row is not None:
            message = "a vector with NaN or infinity in float32; compute it again"
            raise TeacherError(message, path=file.path, row=int(rows[row]))
        dtype = np.float16 if taken.dtype.newbyteorder("=") == np.float16 else np.float32
        return stored(vectors, normalize=self._similarity == "cosine", dtype=dtype)


def _digest(*paths: Path) -> str:
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()

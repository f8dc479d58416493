"""Vectors that were computed elsewhere: by an API, another library, or a model that no longer runs here.

There are two files, one for queries and one for passages, in any of the formats of :mod:`nvmine.data.vector_files`.
Mining with them gives the same negatives as mining with the encoder that computed them. Vectors are matched with texts
by id, or by order if a file has no ids. Nothing can verify that a vector was computed from its text, so export both
together.

Under cosine similarity vectors are normalised here, whatever their length in the file; under dot similarity they are
left unchanged. Prefer a :class:`~nvmine.teachers.dense.DenseTeacher` if you have the model: it cannot mix up rows, and
its description names the model.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine.data import Dataset
from nvmine.data.vector_files import VectorFile, open_vectors
from nvmine.data.vectors import as_float32
from nvmine.errors import ShapeError, TeacherError
from nvmine.files import sha256_of
from nvmine.teachers.models.outputs import check_similarity, finish_vectors, first_not_finite
from nvmine.teachers.protocols import CollectionVectors

FloatArray = npt.NDArray[np.floating]
Int64Array = npt.NDArray[np.int64]


class VectorsTeacher:
    """Vectors from two files, opened by :meth:`open`.

    Attributes
    ----------
    dimension : int
        Number of components of a vector.
    """

    def __init__(self, queries: VectorFile, passages: VectorFile, *, similarity: str) -> None:
        check_similarity(similarity)
        self._queries, self._passages, self._similarity = queries, passages, similarity
        self.dimension: int = passages.vectors.shape[1]
        if queries.vectors.shape[1] != self.dimension:
            raise ShapeError(
                f"vectors have {queries.vectors.shape[1]} components, but those in {passages.path} have"
                f" {self.dimension}; pass two files of the same model",
                path=queries.path,
            )
        # Computed once, here, so that the description is of the files that were opened.
        self._digest = _digest(queries.path, passages.path)

    @classmethod
    def open(
        cls, *, queries: str | Path, passages: str | Path, similarity: Literal["cosine", "dot"] = "cosine"
    ) -> VectorsTeacher:
        """Opens the files and reads them once to compute their digest.

        Parameters
        ----------
        queries, passages
            ``.npy``, ``.safetensors`` or ``.parquet`` files, see :func:`nvmine.data.vector_files.open_vectors`.
        similarity
            The similarity that the model was trained for.

        Raises
        ------
        DataError, DtypeError
            A file is missing, damaged or empty, or does not hold vectors.
        ShapeError
            The two files have vectors of different dimensions.
        TeacherError
            `similarity` is neither "cosine" nor "dot".
        MissingExtraError
            safetensors is needed but not installed.
        """
        return cls(open_vectors(Path(queries)), open_vectors(Path(passages)), similarity=similarity)

    def describe(self) -> dict[str, Any]:
        """Returns everything that changes the vectors, ready for JSON. Equal files give equal descriptions anywhere."""
        return {
            "kind": "vectors",
            "name": self._passages.path.stem,
            "digest": self._digest,
            "similarity": self._similarity,
            "dimension": self.dimension,
        }

    def of(self, dataset: Dataset) -> CollectionVectors:
        """Returns the vectors of a dataset: matched by id if the file has ids, by order otherwise.

        By order, there must be one vector for each passage of the dataset. For queries, there must be one vector for
        each query of the dataset, or for each query of the file that the dataset took its queries from
        (``dataset.queries_taken``).

        Raises
        ------
        DataError
            An id has no vector, or the number of vectors is wrong.
        """
        queries = self._queries.rows_of(dataset.query_ids, "queries", dataset.queries_taken)
        passages = self._passages.rows_of(dataset.passage_ids, "passages")
        return CollectionVectors(
            lambda rows: self._read(self._queries, queries[rows.start : rows.stop]),
            lambda rows: self._read(self._passages, passages[rows.start : rows.stop]),
        )

    def _read(self, file: VectorFile, rows: Int64Array) -> FloatArray:
        taken = file.vectors[rows]
        with np.errstate(over="ignore"):  # float64 numbers beyond float32 are reported below
            vectors = as_float32(taken)
        row = first_not_finite(vectors)
        if row is not None:
            message = "the vector holds NaN or infinity in float32; compute it again"
            raise TeacherError(message, path=file.path, row=int(rows[row]))
        dtype = np.float16 if taken.dtype.newbyteorder("=") == np.float16 else np.float32
        return finish_vectors(vectors, normalize=self._similarity == "cosine", dtype=dtype)


def _digest(*paths: Path) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(bytes.fromhex(sha256_of(path)))
    return total.hexdigest()

"""Functions as teachers: an API, a server, or a model that another library runs.

To make a function a teacher, give it a name. :class:`Encoder` wraps a function that turns texts into vectors, to search
with. :class:`PairScorer` wraps a function that scores pairs of query and passage, to rescore candidates with. Their
output is checked in the same way as the output of a model.

A run recognises a model by its digest. A function has no digest, so its name and `version` identify it. Change the
version whenever the function would give other numbers: nothing else tells two functions of the same name apart.

Prefer a :class:`~nvmine.teachers.dense.DenseTeacher` or a
:class:`~nvmine.teachers.cross_encoder.CrossEncoderTeacher` if sentence-transformers can run the model, and a
:class:`~nvmine.teachers.vectors.VectorsTeacher` if the vectors are computed already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine.data.vectors import as_float32
from nvmine.errors import TeacherError, quote, reason
from nvmine.inputs.foreign import to_numpy, type_name
from nvmine.teachers.models.outputs import check_similarity, finish_vectors, first_not_finite

FloatArray = npt.NDArray[np.floating]
Float32Array = npt.NDArray[np.float32]


class Encoder:
    """An encoder of queries and passages that calls a function.

    Parameters
    ----------
    name
        Name of the teacher in the run folder.
    encode_passages
        Takes texts and returns their vectors, one row per text: an array or tensor of any library, or lists.
    encode_queries
        The same for queries. By default queries are encoded with `encode_passages`.
    version
        A text that changes whenever the vectors do. A run is not continued with another version.
    similarity
        How vectors are compared. "cosine" normalises them to unit length here, "dot" leaves them unchanged.

    Raises
    ------
    TeacherError
        `similarity` is neither "cosine" nor "dot".
    """

    def __init__(
        self,
        name: str,
        encode_passages: Callable[[Sequence[str]], Any],
        encode_queries: Callable[[Sequence[str]], Any] | None = None,
        *,
        version: str = "",
        similarity: Literal["cosine", "dot"] = "cosine",
    ) -> None:
        check_similarity(similarity)
        self._name = name
        self._passage_function = encode_passages
        self._query_function = encode_queries or encode_passages
        self._version = version
        self._similarity = similarity
        self._dimension: int | None = None

    def on(self, devices: Sequence[str]) -> list[Encoder]:
        """Returns itself once per device: the function does not move, but as many threads call it at the same time."""
        return [self] * len(devices)

    def encode_queries(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> FloatArray:
        """Encodes queries with one call of the function.

        Parameters
        ----------
        texts
            Any number of queries.
        done
            Called with the number of texts after they are encoded.

        Returns
        -------
        float32 of shape ``(len(texts), dimension)``.

        Raises
        ------
        TeacherError
            The function raises, or does not return one vector per text, or returns vectors of another dimension than
            before, or NaN or infinity in float32; ``error.row`` is the row.
        """
        return self._encode(self._query_function, texts, done)

    def encode_passages(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> FloatArray:
        """Encodes passages, like :meth:`encode_queries`, with the function for passages."""
        return self._encode(self._passage_function, texts, done)

    def describe(self) -> dict[str, Any]:
        """Returns what identifies the function and changes its vectors, ready for JSON."""
        return {"kind": "callable", "name": self._name, "version": self._version, "similarity": self._similarity}

    def _encode(
        self, encode: Callable[[Sequence[str]], Any], texts: Sequence[str], done: Callable[[int], object] | None
    ) -> FloatArray:
        if not texts:
            return np.empty((0, self._dimension or 0), np.float32)
        vectors = _numbers(self._name, encode, texts, ndim=2)
        if self._dimension is None:
            self._dimension = vectors.shape[1]
        if vectors.shape[1] != self._dimension:
            raise TeacherError(
                f"{quote(self._name)} returned vectors of {vectors.shape[1]} components, but of {self._dimension}"
                " before: queries and passages must share one vector space"
            )
        if done is not None:
            done(len(texts))
        return finish_vectors(vectors, normalize=self._similarity == "cosine")


class PairScorer:
    """A scorer of pairs of query and passage that calls a function.

    Parameters
    ----------
    name
        Name of the rescorer in the run folder.
    score
        Takes (query, passage) pairs and returns one number per pair: an array or tensor of any library, or a list.
    version
        A text that changes whenever the scores do. A run is not continued with another version.
    """

    def __init__(self, name: str, score: Callable[[Sequence[tuple[str, str]]], Any], *, version: str = "") -> None:
        self._name = name
        self._score = score
        self._version = version

    def score(self, pairs: Sequence[tuple[str, str]], *, done: Callable[[int], object] | None = None) -> Float32Array:
        """Scores pairs with one call of the function.

        Parameters
        ----------
        pairs
            Any number of (query, passage) pairs.
        done
            Called with the number of pairs after they are scored.

        Returns
        -------
        float32 of shape ``(len(pairs),)``, in the order of `pairs`.

        Raises
        ------
        TeacherError
            The function raises, or does not return one number per pair, or returns NaN or infinity in float32;
            ``error.row`` is the row.
        """
        if not pairs:
            return np.empty(0, np.float32)
        scores = _numbers(self._name, self._score, pairs, ndim=1)
        if done is not None:
            done(len(pairs))
        return scores

    def describe(self) -> dict[str, Any]:
        """Returns what identifies the function and changes its scores, ready for JSON."""
        return {"kind": "callable", "name": self._name, "version": self._version}


def _numbers(name: str, function: Callable[[Any], Any], inputs: Sequence[Any], *, ndim: Literal[1, 2]) -> Float32Array:
    """Calls a function and returns a checked copy of its result, with one row per input."""
    try:
        result = to_numpy("the result", function(inputs))
    except Exception as error:  # the function may raise anything; the caller gets one type
        raise TeacherError(f"{quote(name)} fails ({reason(error)})") from error
    if result.dtype.kind not in "fiu":
        raise TeacherError(f"{quote(name)} returned {type_name(result)}, expected numbers")
    if result.ndim != ndim or len(result) != len(inputs) or 0 in result.shape:
        expected = f"({len(inputs)},)" if ndim == 1 else f"({len(inputs)}, dimension)"
        raise TeacherError(f"{quote(name)} returned an array of shape {result.shape}, expected {expected}")
    with np.errstate(over="ignore"):  # float64 numbers beyond float32 are reported below
        numbers = np.array(as_float32(result))
    row = first_not_finite(numbers)
    if row is not None:
        raise TeacherError(f"{quote(name)} returned NaN or infinity in float32", row=row)
    return numbers

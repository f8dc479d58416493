"""Teachers that are functions: an API, a server, a model that another library runs.

A function needs no class to be a teacher, only a name. :class:`Encoder` turns texts into vectors, to search by;
:class:`PairScorer` scores pairs of query and passage, to rescore by. What they give is checked as a model's output is.

A model has a digest, by which a run knows it again; a function has none. Its name and `version` stand in for it: give
another version whenever the function would give other numbers, for nothing else tells two functions of one name apart.

Prefer a :class:`~nvmine.teachers.dense.DenseTeacher` or a
:class:`~nvmine.teachers.cross_encoder.CrossEncoderTeacher` where sentence-transformers can run the model, and a
:class:`~nvmine.teachers.vectors.VectorsTeacher` where the vectors are made already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine.data.vectors import widened
from nvmine.errors import TeacherError, quote, reason
from nvmine.inputs.foreign import to_numpy, type_name
from nvmine.teachers.models.outputs import not_finite, stored

FloatArray = npt.NDArray[np.floating]
Float32Array = npt.NDArray[np.float32]


class Encoder:
    """An encoder of queries and passages that is a function.

    Parameters
    ----------
    name
        What the run folder calls it.
    encode_passages
        Takes texts and gives their vectors, a row a text: an array or tensor of any library, or lists.
    encode_queries
        The same for queries; by default they are encoded as passages are.
    version
        Anything that changes with the vectors: a run is not continued under another one.
    similarity
        How vectors compare: under "cosine" they are brought to length one here, under "dot" left alone.

    Raises
    ------
    TeacherError
        `similarity` has another value.
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
        if similarity not in ("cosine", "dot"):
            raise TeacherError(f"similarity {quote(str(similarity))} is not one of cosine, dot")
        self._name = name
        self._of_passages = encode_passages
        self._of_queries = encode_queries or encode_passages
        self._version = version
        self._similarity = similarity
        self._dimension: int | None = None

    def on(self, devices: Sequence[str]) -> list[Encoder]:
        """Give itself once for each device: a function stays where it is, but several threads will call it at once."""
        return [self] * len(devices)

    def encode_queries(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> FloatArray:
        """Encode queries, all in one call of the function.

        Parameters
        ----------
        texts
            Any number of queries.
        done
            Told how many are encoded, when they are.

        Returns
        -------
        float32 of shape ``(len(texts), dimension)``.

        Raises
        ------
        TeacherError
            The function raises, or gives something else than a vector a text, a vector of another dimension than
            before, or NaN or infinity in float32; ``error.row`` is its row.
        """
        return self._encode(self._of_queries, texts, done)

    def encode_passages(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> FloatArray:
        """Encode passages: as :meth:`encode_queries`, with their own function."""
        return self._encode(self._of_passages, texts, done)

    def describe(self) -> dict[str, Any]:
        """Everything that changes the vectors as far as is known here, ready for JSON."""
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
                f"{quote(self._name)} gives vectors of {vectors.shape[1]} components, and gave {self._dimension}"
                " before: queries and passages need one space"
            )
        if done is not None:
            done(len(texts))
        return stored(vectors, normalize=self._similarity == "cosine")


class PairScorer:
    """A scorer of pairs of query and passage that is a function.

    Parameters
    ----------
    name
        What the run folder calls it.
    score
        Takes (query, passage) pairs and gives a number for each: an array or tensor of any library, or a list.
    version
        Anything that changes with the scores: a run is not continued under another one.
    """

    def __init__(self, name: str, score: Callable[[Sequence[tuple[str, str]]], Any], *, version: str = "") -> None:
        self._name = name
        self._score = score
        self._version = version

    def score(self, pairs: Sequence[tuple[str, str]], *, done: Callable[[int], object] | None = None) -> Float32Array:
        """Score pairs, all in one call of the function.

        Parameters
        ----------
        pairs
            Any number of (query, passage).
        done
            Told how many are scored, when they are.

        Returns
        -------
        ``(len(pairs),)``, in the order of `pairs`.

        Raises
        ------
        TeacherError
            The function raises, or gives something else than a number a pair, or NaN or infinity in float32;
            ``error.row`` is its row.
        """
        if not pairs:
            return np.empty(0, np.float32)
        scores = _numbers(self._name, self._score, pairs, ndim=1)
        if done is not None:
            done(len(pairs))
        return scores

    def describe(self) -> dict[str, Any]:
        """Everything that changes the scores as far as is known here, ready for JSON."""
        return {"kind": "callable", "name": self._name, "version": self._version}


def _numbers(name: str, function: Callable[[Any], Any], inputs: Sequence[Any], *, ndim: Literal[1, 2]) -> Float32Array:
    """Call a function, and give what it gave, a row an input, in an array of its own."""
    try:
        given = to_numpy("the result", function(inputs))
    except Exception as error:  # whatever the function raises, the caller gets one kind
        raise TeacherError(f"{quote(name)} fails ({reason(error)})") from error
    if given.dtype.kind not in "fiu":
        raise TeacherError(f"{quote(name)} gives {type_name(given)}, expected numbers")
    if given.ndim != ndim or len(given) != len(inputs) or 0 in given.shape:
        expected = f"({len(inputs)},)" if ndim == 1 else f"({len(inputs)}, dimension)"
        raise TeacherError(f"{quote(name)} gives an array of shape {given.shape}, expected {expected}")
    with np.errstate(over="ignore"):  # float64 beyond float32 is named below
        numbers = np.array(widened(given))
    row = not_finite(numbers)
    if row is not None:
        raise TeacherError(f"{quote(name)} gives NaN or infinity in float32", row=row)
    return numbers

"""Functions as teachers: their output is checked and normalised like the output of a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from nvmine.errors import TeacherError
from nvmine.teachers import Encoder, PairScorer

TEXTS = ["a cat", "the dog", "a"]
PAIRS = [("a", "the cat"), ("the dog", ""), ("red", "a mat")]


def vectors_of(texts: Sequence[str]) -> list[list[float]]:
    return [[len(text), text.count("a"), 1.0] for text in texts]


def lengths_of(pairs: Sequence[tuple[str, str]]) -> list[int]:
    return [len(query) - len(passage) for query, passage in pairs]


def test_cosine_normalises_vectors_to_unit_length() -> None:
    vectors = Encoder("lengths", vectors_of).encode_passages(TEXTS)
    raw = np.array(vectors_of(TEXTS), np.float32)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, raw / np.linalg.norm(raw, axis=1, keepdims=True), rtol=1e-6)


def test_dot_leaves_vectors_unchanged() -> None:
    encoder = Encoder("lengths", vectors_of, similarity="dot")
    np.testing.assert_array_equal(encoder.encode_passages(TEXTS), vectors_of(TEXTS))


def test_a_zero_vector_stays_zero() -> None:
    vectors = Encoder("zeros", lambda texts: np.zeros((len(texts), 4))).encode_passages(TEXTS)
    np.testing.assert_array_equal(vectors, np.zeros((3, 4)))


def test_queries_are_encoded_like_passages_unless_they_have_their_own_function() -> None:
    alike = Encoder("lengths", vectors_of)
    np.testing.assert_array_equal(alike.encode_queries(TEXTS), alike.encode_passages(TEXTS))
    apart = Encoder("lengths", vectors_of, lambda texts: np.eye(3)[: len(texts)])
    np.testing.assert_array_equal(apart.encode_queries(TEXTS), np.eye(3))
    np.testing.assert_array_equal(apart.encode_passages(TEXTS), alike.encode_passages(TEXTS))


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", "int64"])
def test_other_types_become_float32(dtype: str) -> None:
    given = np.array(vectors_of(TEXTS), dtype)
    before = given.copy()
    vectors = Encoder("array", lambda texts: given).encode_passages(TEXTS)
    np.testing.assert_array_equal(vectors, Encoder("lists", vectors_of).encode_passages(TEXTS))
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_tensors_are_accepted(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    kind = getattr(torch, dtype)
    encoder = Encoder("tensor", lambda texts: torch.tensor(vectors_of(texts), dtype=kind, requires_grad=True))
    np.testing.assert_array_equal(encoder.encode_passages(TEXTS), Encoder("l", vectors_of).encode_passages(TEXTS))
    scorer = PairScorer("tensor", lambda pairs: torch.tensor(lengths_of(pairs), dtype=kind))
    np.testing.assert_array_equal(scorer.score(PAIRS), lengths_of(PAIRS))


def test_a_read_only_result_is_not_written_to() -> None:
    given = np.array(vectors_of(TEXTS), np.float32)
    given.setflags(write=False)
    Encoder("array", lambda texts: given).encode_passages(TEXTS)
    np.testing.assert_array_equal(given, np.array(vectors_of(TEXTS), np.float32))


def test_scores_are_float32_in_the_order_of_the_pairs() -> None:
    scores = PairScorer("lengths", lengths_of).score(PAIRS)
    assert scores.dtype == np.float32
    assert scores.tolist() == lengths_of(PAIRS)


def test_empty_input_calls_neither_the_function_nor_done() -> None:
    counts: list[int] = []
    encoder = Encoder("lengths", vectors_of)
    assert encoder.encode_queries([], done=counts.append).shape == (0, 0)
    encoder.encode_passages(TEXTS, done=counts.append)
    assert encoder.encode_queries([], done=counts.append).shape == (0, 3)
    scorer = PairScorer("lengths", lengths_of)
    assert scorer.score([], done=counts.append).shape == (0,)
    scorer.score(PAIRS[:2], done=counts.append)
    assert counts == [3, 2]


def test_on_returns_the_same_encoder_for_every_device() -> None:
    encoder = Encoder("lengths", vectors_of)
    assert encoder.on(["cuda:0", "cuda:1"]) == [encoder, encoder]


def test_descriptions_are_json() -> None:
    described = Encoder("lengths", vectors_of, version="2", similarity="dot").describe()
    assert described == {"kind": "callable", "name": "lengths", "version": "2", "similarity": "dot"}
    assert json.loads(json.dumps(described)) == described
    assert PairScorer("lengths", lengths_of).describe() == {"kind": "callable", "name": "lengths", "version": ""}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones((2, 4)), r"returned an array of shape \(2, 4\), expected \(3, dimension\)"),
        (np.ones(3), r"returned an array of shape \(3,\), expected \(3, dimension\)"),
        (np.ones((3, 0)), r"shape \(3, 0\)"),
        (np.float32(1), r"shape \(\)"),
        (np.full((3, 4), "1"), "returned <U1, expected numbers"),
        ([[1.0, None]] * 3, "returned object, expected numbers"),
        (None, "returned object, expected numbers"),
        ([[1.0], [1.0, 2.0], [1.0]], "'given' fails"),
    ],
)
def test_a_result_that_is_not_one_vector_per_text_is_refused(given: Any, message: str) -> None:
    with pytest.raises(TeacherError, match=message):
        Encoder("given", lambda texts: given).encode_passages(TEXTS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.0, 2.0], r"returned an array of shape \(2,\), expected \(3,\)"),
        (np.ones((3, 1)), r"returned an array of shape \(3, 1\), expected \(3,\)"),
        (["1", "2", "3"], "returned <U1, expected numbers"),
        ([True, False, True], "returned bool, expected numbers"),
        ([0.5, None, 0.5], "returned object, expected numbers"),
    ],
)
def test_a_result_that_is_not_one_number_per_pair_is_refused(given: Any, message: str) -> None:
    with pytest.raises(TeacherError, match=message):
        PairScorer("given", lambda pairs: given).score(PAIRS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused_with_their_row(bad: float) -> None:
    with pytest.raises(TeacherError, match="returned NaN or infinity in float32") as caught:
        Encoder("given", lambda texts: [[1.0, 1.0], [1.0, bad], [bad, 1.0]]).encode_passages(TEXTS)
    assert caught.value.row == 1
    with pytest.raises(TeacherError, match="returned NaN or infinity in float32") as caught:
        PairScorer("given", lambda pairs: [1.0, 1.0, bad]).score(PAIRS)
    assert caught.value.row == 2


def test_a_second_dimension_is_refused() -> None:
    encoder = Encoder("lengths", vectors_of, lambda texts: np.ones((len(texts), 2)))
    encoder.encode_passages(TEXTS)
    with pytest.raises(TeacherError, match="returned vectors of 2 components, but of 3 before"):
        encoder.encode_queries(TEXTS)


def test_exceptions_of_the_function_are_chained() -> None:
    def fail(inputs: Sequence[Any]) -> Any:
        raise ConnectionError("no answer")

    with pytest.raises(TeacherError, match="'api' fails \\(ConnectionError: no answer\\)") as caught:
        Encoder("api", fail).encode_queries(TEXTS)
    assert isinstance(caught.value.__cause__, ConnectionError)
    with pytest.raises(TeacherError, match="'api' fails") as caught:
        PairScorer("api", fail).score(PAIRS)
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_an_unknown_similarity_is_refused() -> None:
    with pytest.raises(TeacherError, match=r"^argument 'similarity': must be one of cosine, dot, not 'euclidean'$"):
        Encoder("lengths", vectors_of, similarity="euclidean")  # type: ignore[arg-type]

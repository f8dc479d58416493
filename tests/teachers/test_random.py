"""Random scores, against their formula in Python integers."""

from __future__ import annotations

import json
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmine.data import Dataset
from nvmine.errors import TeacherError
from nvmine.teachers import RandomTeacher
from nvmine.teachers import random as module

MASK = 2**64 - 1
STEP = 0x9E3779B97F4A7C15


def mixed(bits: int) -> int:
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & MASK
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & MASK
    return bits ^ bits >> 31


def key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def by_hand(seed: int, query: str, passage: str) -> float:
    of_query = mixed(mixed(seed + STEP & MASK) ^ (key(query) + STEP & MASK))
    return ((mixed(of_query ^ (key(passage) + STEP & MASK)) >> 41) * 2 + 1) / 2**24


def dataset(queries: list[str], passages: list[str]) -> Dataset:
    offsets = np.zeros(len(queries) + 1, np.int64)
    return Dataset("x", queries, queries, passages, passages, offsets, np.empty(0, np.int64))


names = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=8, unique=True)


@given(st.integers(0, MASK), names, names)
def test_scores_follow_the_formula(seed: int, queries: list[str], passages: list[str]) -> None:
    scores = RandomTeacher(seed=seed).scorer(dataset(queries, passages))(np.arange(len(queries)))
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, [[by_hand(seed, q, p) for p in passages] for q in queries])


def test_a_score_depends_only_on_ids_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, passages = [f"q{n}" for n in range(9)], [f"p{n}" for n in range(100)]
    scores = RandomTeacher().scorer(dataset(queries, passages))(np.arange(9))
    turned = RandomTeacher().scorer(dataset(queries[::-1], [*passages[::-1], "other"]))
    np.testing.assert_array_equal(turned(np.array([8, 3, 3]))[:, :-1], scores[[0, 5, 5], ::-1])
    monkeypatch.setattr(module, "_BLOCK", 7)
    np.testing.assert_array_equal(RandomTeacher(seed=0).scorer(dataset(queries, passages))(np.arange(9)), scores)
    assert not (RandomTeacher(seed=1).scorer(dataset(queries, passages))(np.arange(9)) == scores).any()
    assert turned(np.empty(0, np.int64)).shape == (0, 101)


def test_scores_are_uniform() -> None:
    passages = [str(number) for number in range(20000)]
    scores = RandomTeacher().scorer(dataset(["0", "1"], passages))(np.arange(2)).astype(np.float64)
    assert 0 < scores.min() < 0.001
    assert 0.999 < scores.max() < 1
    counts = np.histogram(scores, 50, (0, 1))[0]
    # Chi squared with 49 degrees of freedom exceeds 85 in one case of a thousand.
    assert ((counts - 800) ** 2 / 800).sum() < 85
    assert abs(np.corrcoef(scores)[0, 1]) < 0.02


@pytest.mark.parametrize("bits", [0, MASK])
def test_the_smallest_and_the_largest_score_lie_between_0_and_1(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_splitmix64", lambda given: np.full_like(given, bits))
    score = RandomTeacher().scorer(dataset(["q"], ["p"]))(np.arange(1)).item()
    assert 0 < score < 1
    assert abs(score - (bits > 0)) == 2.0**-24


def test_the_description_is_json_and_holds_the_seed() -> None:
    described = RandomTeacher(seed=np.int64(7)).describe()  # type: ignore[arg-type]
    assert json.loads(json.dumps(described)) == described == {"kind": "random", "seed": 7}


@pytest.mark.parametrize(("seed", "message"), [(-1, "not -1"), (2**64, "must lie in"), (0.5, "whole number, not 0.5")])
def test_seeds_out_of_range_or_of_other_types_are_refused(seed: object, message: str) -> None:
    with pytest.raises(TeacherError, match=message) as caught:
        RandomTeacher(seed=seed)  # type: ignore[arg-type]
    assert caught.value.argument == "seed"

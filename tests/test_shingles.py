"""Texts as sets of hashed word runs: what is similar, what is refused, and hashes that never change."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import nvmine
import oracle
from nvmine import Shingles
from nvmine.errors import DtypeError, IdError, NvmineError, PolicyError, ShapeError

SCORES, POSITIVES, TEXTS = [[0.7, 0.6, 0.5]], [0.9], ["a b c d", "a b c d e", "x y z"]


def row(shingles: Shingles, number: int) -> set[int]:
    return set(shingles.values[shingles.offsets[number] : shingles.offsets[number + 1]].tolist())


def hash_of(words: list[str]) -> int:
    """FNV-1a of every word, chained through the mixing function of the draws."""
    state = 0
    for word in words:
        fnv = 0xCBF29CE484222325
        for byte in word.encode():
            fnv = (fnv ^ byte) * 0x100000001B3 % 2**64
        state = oracle.splitmix64_finaliser(((state ^ fnv) + 0x9E3779B97F4A7C15) % 2**64)
    return state


texts = st.lists(
    st.sampled_from(["a", "B", "é", "E\u0301", "ß", "SS", "9", "_", "-", "a,b", "\ud800", "\n"]), max_size=8
)


@given(st.lists(texts.map(" ".join), max_size=6), st.integers(1, 4))
def test_hashes_are_those_of_the_words(passages: list[str], words: int) -> None:
    shingles = Shingles.of(passages, words)
    assert len(shingles) == len(passages)
    for number, text in enumerate(passages):
        all_words = [word.casefold() for word in nvmine.shingles.words_of(text)]
        size = min(words, len(all_words))
        runs = [all_words[start : start + size] for start in range(len(all_words) - size + 1)] if all_words else []
        assert row(shingles, number) == {hash_of(run) for run in runs}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_blocks_change_nothing(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    passages = [" ".join(draw.choice(list("abcdef"), draw.integers(0, 9))) for _ in range(2000)]
    expected = Shingles.of(passages)
    monkeypatch.setattr("nvmine.shingles._BLOCK", 300)
    found = Shingles.of(iter(passages), threads=threads)  # type: ignore[arg-type]
    assert found.offsets.tobytes() == expected.offsets.tobytes()
    assert found.values.tobytes() == expected.values.tobytes()
    some = found.take(np.array([7, 7, 1999, 0]))
    assert [row(some, number) for number in range(4)] == [row(found, number) for number in (7, 7, 1999, 0)]


def test_the_same_text_in_another_writing_has_the_same_shingles() -> None:
    shingles = Shingles.of(["Cafe\u0301 du  Nord!", "CAFÉ, du (nord)", "café nord du"])
    assert row(shingles, 0) == row(shingles, 1) != row(shingles, 2)


BAD: dict[str, tuple[Any, type[NvmineError]]] = {
    "one text": (lambda: Shingles.of("a b"), DtypeError),
    "no text": (lambda: Shingles.of(["a", None]), DtypeError),  # type: ignore[list-item]
    "no words": (lambda: Shingles.of(["a"], 0), PolicyError),
    "half a word": (lambda: Shingles.of(["a"], 1.5), PolicyError),  # type: ignore[arg-type]
    "a bool": (lambda: Shingles.of(["a"], True), PolicyError),
    "no threads": (lambda: Shingles.of(["a"], threads=0), PolicyError),
    "threads by name": (lambda: Shingles.of(["a"], threads="two"), PolicyError),  # type: ignore[arg-type]
    "floats": (lambda: Shingles(3, np.zeros(1), np.empty(0, np.uint64)), DtypeError),
    "a matrix": (lambda: Shingles(3, np.zeros((1, 1), np.int64), np.empty(0, np.uint64)), ShapeError),
    "no offsets": (lambda: Shingles(3, np.empty(0, np.int64), np.empty(0, np.uint64)), ShapeError),
    "offsets past the values": (lambda: Shingles(3, np.array([0, 2]), np.ones(1, np.uint64)), ShapeError),
    "offsets that fall": (lambda: Shingles(3, np.array([0, 2, 1, 2]), np.arange(2, dtype=np.uint64)), ShapeError),
    "a hash twice": (lambda: Shingles(3, np.array([0, 2]), np.ones(2, np.uint64)), ShapeError),
}


@pytest.mark.parametrize(("make", "error"), BAD.values(), ids=BAD)
def test_arrays_that_are_not_shingles_are_refused(make: Any, error: type[NvmineError]) -> None:
    with pytest.raises(error):
        make()


def test_near_duplicates_are_passed_over_and_counted() -> None:
    mined = nvmine.mine(SCORES, POSITIVES, n=2, near_duplicate=0.5, passage_texts=TEXTS)
    assert mined.ids.tolist() == [[0, 2]]
    assert mined.audit.total == {"candidates": 3, "emitted": 2, "near_duplicate": 1}
    of_positive = nvmine.mine(SCORES, POSITIVES, pos_ids=[1], n=2, near_duplicate=0.5, passage_texts=TEXTS)
    assert of_positive.ids.tolist() == [[2, -1]]
    of_query = {"query_texts": ["X. y. z."], "passage_texts": Shingles.of(TEXTS, 2)}
    assert nvmine.mine(SCORES, POSITIVES, n=3, near_duplicate=1.0, **of_query).ids.tolist() == [[0, 1, -1]]


REFUSED: dict[str, tuple[dict[str, Any], type[NvmineError], str]] = {
    "no texts": ({}, PolicyError, "near_duplicate.*pass passage_texts"),
    "too few passages": ({"passage_texts": TEXTS[:1], "query_ids": ["q7"]}, IdError, "'q7'.*id 1 .*the 1 passages"),
    "a positive outside": ({"passage_texts": TEXTS, "pos_ids": [3]}, IdError, "row 0.*id 3 .*the 3 passages"),
    "an id outside": ({"passage_texts": TEXTS, "ids": [[0, 2**62, 1]]}, IdError, f"id {2**62} "),
    "too many queries": (
        {"passage_texts": TEXTS, "query_texts": ["a", "b"]},
        ShapeError,
        "argument 'query_texts': has 2 texts for 1 queries",
    ),
    "shingles of two sizes": (
        {"passage_texts": Shingles.of(TEXTS, 2), "query_texts": Shingles.of(["a"])},
        ShapeError,
        "of 2 words, but query_texts of 3",
    ),
}


@pytest.mark.parametrize(("arguments", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_compared_is_refused(arguments: dict[str, Any], error: type[NvmineError], message: str) -> None:
    with pytest.raises(error, match=message):
        nvmine.mine(SCORES, POSITIVES, near_duplicate=0.5, **arguments)


def test_padding_has_no_text() -> None:
    mined = nvmine.mine(
        SCORES, POSITIVES, ids=[[-1, 2, 0]], pos_ids=[[-1]], n=3, near_duplicate=0.5, passage_texts=TEXTS
    )
    assert mined.ids.tolist() == [[2, 0, -1]]

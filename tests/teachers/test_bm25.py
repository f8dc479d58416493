"""BM25 against a plain implementation of its formula, and against the retrieval of bm25s."""

from __future__ import annotations

import json
import math
import re
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmine.errors import MissingExtraError, TeacherError
from nvmine.teachers import Bm25Index, Bm25Teacher

bm25s = pytest.importorskip("bm25s")
Stemmer = pytest.importorskip("Stemmer")

PASSAGES = [
    "A cat sat on the mat; the cats purred.",
    "Dogs chase cats, and cats chase mice.",
    "The quick brown fox jumped over the lazy dog in the park.",
    "Parking in parks is forbidden.",
    "Nothing to see",
]
QUERIES = ["cats", "dog in a park", "the lazy parking of foxes and cats, cats!", "zebra quagga", "", "the of and"]


def by_hand(queries: list[str], passages: list[str], k1: float, b: float, pattern: str = r"\w\w+") -> np.ndarray:
    """Lucene's variant: idf = ln(1 + (N - df + 0.5) / (df + 0.5)), tf / (k1 * (1 - b + b * length / mean) + tf)."""
    stop = set(bm25s.stopwords.STOPWORDS_EN)
    stem = Stemmer.Stemmer("english").stemWord

    def terms(text: str) -> list[str]:
        return [stem(word) for word in re.findall(pattern, text.lower()) if word not in stop]

    counts = [Counter(terms(passage)) for passage in passages]
    mean = sum(sum(count.values()) for count in counts) / len(counts)
    scores = np.zeros((len(queries), len(passages)))
    for q, query in enumerate(queries):
        for term in terms(query):
            df = sum(term in count for count in counts)
            idf = math.log(1 + (len(passages) - df + 0.5) / (df + 0.5))
            for p, count in enumerate(counts):
                if tf := count[term]:
                    scores[q, p] += idf * tf / (k1 * (1 - b + b * sum(count.values()) / mean) + tf)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.4), (1.2, 0.0), (0.0, 1.0)])
def test_scores_follow_the_formula(k1: float, b: float) -> None:
    scores = Bm25Teacher(k1=k1, b=b).index(PASSAGES).scores(QUERIES)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, by_hand(QUERIES, PASSAGES, k1, b), rtol=1e-5)
    assert (scores[3:] == 0).all()


@pytest.mark.parametrize("method", ["lucene", "robertson", "atire"])
def test_scores_equal_those_of_bm25s_retrieve(method: str) -> None:
    words = ["red", "green", "blue", "cat", "dogs", "parking", "running", "run", "mat", "the", "of", "day", "days"]
    generator = np.random.default_rng(1)
    passages = [" ".join(generator.choice(words, generator.integers(1, 20))) for _ in range(60)]
    queries = [" ".join(generator.choice(words, 4)) for _ in range(10)]
    stemmer = Stemmer.Stemmer("english")
    retriever = bm25s.BM25(method=method)
    retriever.index(bm25s.tokenize(passages, stemmer=stemmer, show_progress=False), show_progress=False)
    tokens = bm25s.tokenize(queries, stemmer=stemmer, show_progress=False, return_ids=False)
    ids, expected = retriever.retrieve(tokens, k=len(passages), show_progress=False)
    scores = Bm25Teacher(method=method).index(passages).scores(queries)
    np.testing.assert_allclose(np.take_along_axis(scores, ids, axis=1), expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["bm25l", "bm25+"])
def test_no_shared_term_scores_zero_in_every_variant(method: str) -> None:
    scores = Bm25Teacher(method=method).index(PASSAGES).scores(["cats"])
    np.testing.assert_array_equal(scores > 0, [[True, True, False, False, False]])
    np.testing.assert_array_equal(scores == 0, scores <= 0)


def test_a_row_does_not_depend_on_the_batch() -> None:
    index = Bm25Teacher().index(PASSAGES)
    together = index.scores(QUERIES)
    fresh = Bm25Teacher().index(PASSAGES)
    for number in reversed(range(len(QUERIES))):
        assert fresh.scores([QUERIES[number]]).tobytes() == together[number].tobytes()
    assert index.scores(QUERIES).tobytes() == together.tobytes()
    assert index.scores([]).shape == (0, len(PASSAGES))


def test_empty_passages_score_zero() -> None:
    index = Bm25Teacher().index(["", "a cat", "the", "?!"])
    assert len(index) == 4
    np.testing.assert_array_equal(index.scores(["the cat?!", ""]) > 0, [[False, True, False, False], [False] * 4])


@pytest.mark.parametrize("passages", [[], [""], ["the of and", "a", "?"]])
def test_a_corpus_without_terms_is_refused(passages: list[str]) -> None:
    with pytest.raises(TeacherError, match=f"none of {len(passages)} passages contains a term"):
        Bm25Teacher().index(passages)


def test_stemmer_and_stopwords_take_languages_and_word_lists() -> None:
    kept = Bm25Teacher(stemmer=None, stopwords=None).index(["the cats", "a cat"])
    np.testing.assert_array_equal(kept.scores(["the", "cat"]) > 0, [[True, False], [False, True]])
    listed = Bm25Teacher(stemmer="german", stopwords=["cat"]).index(["die katzen", "cat"])
    np.testing.assert_array_equal(listed.scores(["katze", "cat"]) > 0, [[True, False], [False, False]])


@pytest.mark.parametrize("pattern", [r"\w+", r"[a-z]{3,}", r"(\w\w)\w*", r"(?:\w-?)+"])
def test_token_pattern_decides_what_a_word_is(pattern: str) -> None:
    passages = [*PASSAGES, "state-of-the-art c and r, x-ray"]
    queries = [*QUERIES, "c", "the state-of-the-art", "x-rays"]
    scores = Bm25Teacher(token_pattern=pattern).index(passages).scores(queries)
    np.testing.assert_allclose(scores, by_hand(queries, passages, 1.5, 0.75, pattern), rtol=1e-5)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"stemmer": None},
    {"stemmer": "german", "stopwords": "de"},
    {"stopwords": None},
    {"stemmer": None, "stopwords": ["cats", "dog"]},
    {"token_pattern": r"\w"},
    {"method": "bm25+", "k1": 0.9},
    {"method": "bm25l", "b": 0.4},
]


def mapped(index: Bm25Index, folder: Path) -> dict[str, np.ndarray]:
    for name, array in index.arrays().items():
        np.save(folder / f"{name}.npy", array)
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in index.arrays()}


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_reopened_index_gives_the_same_bytes(settings: dict[str, Any], tmp_path: Path) -> None:
    passages = [*PASSAGES, "", "Die Katzen der Häuser jagen", "naïve İstanbul ǅ"]
    # Each query comes twice, because bm25s caches the words of earlier queries.
    queries = [*QUERIES, "katze haus jagd", "İSTANBUL", "catty", *QUERIES]
    first = Bm25Teacher(**settings).index(passages)
    vocabulary = json.loads(json.dumps(first.vocabulary()))
    again = Bm25Teacher(**settings).open_index(mapped(first, tmp_path), vocabulary, len(passages))
    assert len(again) == len(passages)
    assert again.scores(queries).tobytes() == first.scores(queries).tobytes()
    assert again.vocabulary() == first.vocabulary()
    for name, array in again.arrays().items():
        np.testing.assert_array_equal(array, first.arrays()[name])


@given(st.lists(st.text("aeilst .", max_size=30), min_size=1), st.lists(st.text("aeilst .", max_size=12)))
def test_any_index_can_be_reopened(passages: list[str], queries: list[str]) -> None:
    teacher = Bm25Teacher()
    # One passage at least holds a term.
    passages = [*passages, "least"]
    first = teacher.index(passages)
    again = teacher.open_index(first.arrays(), first.vocabulary(), len(passages))
    assert again.scores(queries).tobytes() == first.scores(queries).tobytes()


def test_the_arrays_hold_the_columns_of_the_scores() -> None:
    index = Bm25Teacher(stemmer=None).index(PASSAGES)
    arrays, terms = index.arrays(), index.vocabulary()
    assert {name: array.dtype for name, array in arrays.items()} == {
        "data": np.float32,
        "indices": np.int32,
        "indptr": np.int64,
    }
    column = np.zeros(len(PASSAGES), np.float32)
    of_cats = slice(*arrays["indptr"][[terms.index("cats"), terms.index("cats") + 1]])
    column[arrays["indices"][of_cats]] = arrays["data"][of_cats]
    np.testing.assert_array_equal(column, index.scores(["cats"])[0])


def test_a_mapped_index_is_not_loaded_into_memory(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(100)]
    generator = np.random.default_rng(2)
    passages = [" ".join(generator.choice(words, 50)) for _ in range(4000)]
    first = Bm25Teacher().index(passages)
    arrays, vocabulary = mapped(first, tmp_path), first.vocabulary()
    size = sum(array.nbytes for array in arrays.values())
    tracemalloc.start()
    try:
        scores = Bm25Teacher().open_index(arrays, vocabulary, len(passages)).scores(words[:5])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (scores > 0).any(axis=1).all()
    assert peak < size / 4


@pytest.mark.parametrize(
    "change",
    [
        {"data": np.ones(3, np.float32)},
        {"data": np.ones(4, np.float64)},
        {"indices": np.zeros(4, np.float32)},
        {"indices": np.zeros((4, 1), np.int32)},
        {"indptr": np.array([0, 4])},
        {"indptr": np.array([1, 2, 4])},
        {"indptr": np.array([0, 5, 4])},
        {"indptr": np.array(4)},
        {"vocabulary": ["cat", "cat"]},
        {"vocabulary": ["cat", "dog", "bird"]},
    ],
)
def test_parts_that_do_not_form_an_index_are_refused(change: dict[str, Any]) -> None:
    parts: dict[str, Any] = {
        "data": np.ones(4, np.float32),
        "indices": np.array([0, 1, 0, 1], np.int32),
        "indptr": np.array([0, 2, 4]),
        "vocabulary": ["cat", "dog"],
    }
    Bm25Teacher().open_index(parts, parts["vocabulary"], 2)
    parts |= change
    with pytest.raises(TeacherError, match="build it again"):
        Bm25Teacher().open_index(parts, parts["vocabulary"], 2)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    Bm25Teacher().index(PASSAGES).scores(QUERIES)
    assert capfd.readouterr() == ("", "")


def test_the_description_is_json_and_holds_settings_and_versions() -> None:
    described = Bm25Teacher(stopwords=["of", "the", "of"]).describe()
    assert json.loads(json.dumps(described)) == described
    assert described["stopwords"] == ["of", "the"]
    assert described["bm25s"] == bm25s.__version__
    assert Bm25Teacher(token_pattern=r"\w+").describe()["token_pattern"] == r"\w+"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "bm26"}, "must be one of lucene, .*, not 'bm26'$"),
        ({"k1": -1.0}, "must be finite and at least 0, not -1.0"),
        ({"k1": math.nan}, "must be finite and at least 0, not nan"),
        ({"b": 1.5}, r"must lie in \[0, 1\], not 1.5"),
        ({"stemmer": "klingon"}, "must be one of .*english.*, not 'klingon'$"),
        ({"stopwords": "klingon"}, "klingon not recognized"),
        ({"token_pattern": "(a"}, "'\\(a' is not a regular expression: missing \\)"),
        ({"token_pattern": "a{9999999999999999999}"}, "is not a regular expression"),
        ({"token_pattern": "(a)(b)"}, "has 2 groups"),
        ({"token_pattern": r"\w*"}, "matches the empty text"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    (argument,) = options
    with pytest.raises(TeacherError, match=f"^argument '{argument}': .*{message}") as caught:
        Bm25Teacher(**options)  # type: ignore[arg-type]
    assert caught.value.argument == argument


@pytest.mark.parametrize("module", ["bm25s.tokenization", "Stemmer"])
def test_a_missing_extra_names_its_command(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nvmine\[bm25\]'"):
        Bm25Teacher()

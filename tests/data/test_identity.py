from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmine.data.dataset import Dataset, compressed_rows
from nvmine.data.identity import identity_classes, self_passages
from nvmine.shingles import normalise

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text("aAeE\u0301\u00e9\u00c9ßsS \u2028\t")


def dataset(queries: dict[str, str], passages: dict[str, str]) -> Dataset:
    offsets, values = compressed_rows([0] for _ in queries)
    return Dataset("x", list(queries), list(queries.values()), list(passages), list(passages.values()), offsets, values)


@given(st.lists(texts))
def test_classes_are_those_of_the_normalised_text(passages: list[str]) -> None:
    classes = identity_classes(passages)
    keys = [normalise(text) for text in passages]
    assert classes.dtype == np.int64
    assert classes.tolist() == [keys.index(key) for key in keys]


@given(texts, st.sampled_from(["NFC", "NFD"]), st.sampled_from([" ", "\n", "\u3000", "\u2028 ", "\u00a0"]))
def test_form_and_spacing_do_not_matter(text: str, form: str, space: str) -> None:
    other = space + unicodedata.normalize(form, text).replace(" ", space) + space
    assert identity_classes([text, other]).tolist() == [0, 0]


@given(st.text(st.characters(max_codepoint=0x17F, exclude_characters="ıŉſ")))
def test_letter_case_does_not_matter(text: str) -> None:
    assert identity_classes([text, text.upper(), text.swapcase()]).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("Straße", "STRASSE", True, id="sharp s"),
        pytest.param("caf\u00e9", "CAFE\u0301", True, id="accent"),
        pytest.param("\u212bngström", "ångström", True, id="compatibility sign that NFC maps"),
        pytest.param("ab", "a b", False, id="space inside a word"),
        pytest.param("a.", "a", False, id="punctuation"),
        pytest.param("ﬁ x", "fi x", True, id="ligature, by case folding"),
        pytest.param("x²", "x2", False, id="superscript"),
        pytest.param("", " \t", True, id="empty"),
        pytest.param("a\ud800", "A\ud800", True, id="lone surrogate does not fail"),
    ],
)
def test_equality_of_texts_by_example(one: str, other: str, same: bool) -> None:
    assert identity_classes([one, other]).tolist() == [0, 0 if same else 1]


def test_no_passages_have_no_classes_and_iterators_are_read() -> None:
    assert identity_classes([]).shape == (0,)
    assert identity_classes(iter(["a"])).tolist() == [0]


def test_a_query_is_found_by_text_and_by_id() -> None:
    passages = {"a": "other", "b": "The  Query", "c": "the query", "q2": "OTHER", "d": "more"}
    data = dataset({"q1": "THE QUERY", "q2": "who?", "q3": "what?", "d": "More"}, passages)
    offsets, found = self_passages(data, identity_classes(data.passage_texts))
    assert offsets.dtype == found.dtype == np.int64
    assert offsets.tolist() == [0, 1, 2, 2, 3]
    assert found.tolist() == [1, 0, 4]


def test_several_queries_may_have_one_text() -> None:
    data = dataset({"q1": "same", "q2": "Same"}, {"p": "x", "q": " same"})
    offsets, found = self_passages(data, identity_classes(data.passage_texts))
    assert (offsets.tolist(), found.tolist()) == ([0, 1, 2], [1, 1])


@given(st.lists(texts, min_size=1, max_size=6), st.lists(texts, min_size=1, max_size=6))
def test_self_passages_agree_with_the_definition(queries: list[str], passages: list[str]) -> None:
    data = dataset({str(n): text for n, text in enumerate(queries)}, {str(n + 3): t for n, t in enumerate(passages)})
    classes = identity_classes(passages)
    offsets, found = self_passages(data, classes)
    for query, text in enumerate(queries):
        twins = {int(classes[p]) for p, other in enumerate(passages) if normalise(other) == normalise(text)}
        named = {int(classes[p]) for p in range(len(passages)) if p + 3 == query}
        assert found[offsets[query] : offsets[query + 1]].tolist() == sorted(twins | named)

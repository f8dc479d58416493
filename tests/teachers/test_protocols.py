"""Which teachers and rescorers have which form, by their methods alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nvmine.teachers import (
    Bm25Teacher,
    CrossEncoderTeacher,
    DenseTeacher,
    Encoder,
    ListSource,
    PairScorer,
    RandomTeacher,
    RankedTeacher,
    Rescorer,
    RowScorer,
    Teacher,
    TextEncoder,
    TextIndexer,
    VectorSource,
    VectorsTeacher,
)
from vectors_teacher import WordTeacher

FORMS = (TextEncoder, VectorSource, RowScorer, TextIndexer, ListSource)


def encode(texts: Sequence[str]) -> np.ndarray:
    return np.ones((len(texts), 2))


def score(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    return np.ones(len(pairs))


def unopened(kind: type) -> object:
    """An instance without its model or files; the forms only depend on methods."""
    return kind.__new__(kind)


@pytest.mark.parametrize(
    ("teacher", "form"),
    [
        (Encoder("ones", encode), TextEncoder),
        (WordTeacher(), TextEncoder),
        (unopened(DenseTeacher), TextEncoder),
        (unopened(VectorsTeacher), VectorSource),
        (RandomTeacher(), RowScorer),
        (unopened(Bm25Teacher), TextIndexer),
        (unopened(RankedTeacher), ListSource),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_teacher_has_exactly_one_form(teacher: object, form: type) -> None:
    assert [each for each in FORMS if isinstance(teacher, each)] == [form]
    assert not isinstance(teacher, Rescorer)


@pytest.mark.parametrize("rescorer", [PairScorer("ones", score), unopened(CrossEncoderTeacher)])
def test_a_rescorer_is_not_a_teacher(rescorer: object) -> None:
    assert isinstance(rescorer, Rescorer)
    assert not isinstance(rescorer, Teacher)

"""Which teachers are opened for which names, files and options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvmine.errors import DataError, TeacherError
from nvmine.teachers import Bm25Teacher, RandomTeacher
from nvmine.teachers import open as opening
from nvmine.teachers.open import open_from_files, open_with_rescorer, teacher_names

pytest.importorskip("bm25s")
pytest.importorskip("Stemmer")


@pytest.fixture
def vectors(tmp_path: Path) -> dict[str, Path]:
    paths = {"query_vectors": tmp_path / "q.npy", "passage_vectors": tmp_path / "p.npy"}
    for path in paths.values():
        np.save(path, np.eye(3, dtype=np.float32))
    return paths


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """The models that are loaded, with their options; none is loaded in fact."""
    calls: list[tuple[str, str, dict[str, Any]]] = []

    class Dense:
        @classmethod
        def load(cls, name: str, *, device: Any = None, dtype: Any = None, task: Any = None) -> None:
            calls.append(("dense", name, {"device": device, "dtype": dtype, "task": task}))

    class CrossEncoder:
        @classmethod
        def load(cls, name: str, **options: Any) -> str:
            calls.append(("rescorer", name, options))
            return name

    monkeypatch.setattr(opening, "DenseTeacher", Dense)
    monkeypatch.setattr(opening, "CrossEncoderTeacher", CrossEncoder)
    return calls


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_vectors_from_files_take_a_similarity(vectors: dict[str, Path], similarity: Any) -> None:
    opened = open_from_files(**vectors, similarity=similarity)
    assert list(opened) == ["vectors"]
    assert opened["vectors"].describe()["similarity"] == similarity


def test_the_files_of_vectors_belong_together(vectors: dict[str, Path]) -> None:
    for name, path in vectors.items():
        with pytest.raises(DataError, match="belong together; give both"):
            open_from_files(**{name: path})


def test_similarity_without_vectors_is_refused() -> None:
    with pytest.raises(TeacherError, match="vectors from files") as caught:
        open_from_files(similarity="dot")
    assert caught.value.argument == "similarity"


def test_teachers_without_names_are_those_from_files_or_bm25(vectors: dict[str, Path]) -> None:
    opened = open_from_files(**vectors)
    assert teacher_names(None, {}) == ["bm25"]
    assert teacher_names(None, opened) == ["vectors"]
    assert teacher_names(["bm25", "vectors"], opened) == ["bm25", "vectors"]
    with pytest.raises(TeacherError, match="add teacher='vectors'"):
        teacher_names(["bm25"], opened)


def test_teachers_keep_the_order_of_their_names(vectors: dict[str, Path]) -> None:
    opened = open_from_files(**vectors)
    teachers, rescorer = open_with_rescorer(["bm25", "vectors", "random"], opened, rescorer=None, seed=7, k1=0.9)
    assert rescorer is None
    assert isinstance(teachers[0], Bm25Teacher)
    assert teachers[0].describe()["k1"] == 0.9
    assert teachers[1] is opened["vectors"]
    assert isinstance(teachers[2], RandomTeacher)
    assert teachers[2].describe()["seed"] == 7


def test_options_of_models_go_to_encoders_and_the_rescorer(loaded: list[Any]) -> None:
    open_with_rescorer(["e5", "bm25"], {}, rescorer="ce", seed=0, device="cpu", dtype="float32", task="find")
    assert loaded == [
        ("rescorer", "ce", {"device": "cpu", "dtype": "float32"}),
        ("dense", "e5", {"device": "cpu", "dtype": "float32", "task": "find"}),
    ]


def test_options_of_models_go_to_the_rescorer_alone_without_encoders(loaded: list[Any]) -> None:
    open_with_rescorer(["bm25"], {}, rescorer="ce", seed=0, device="cpu", dtype="float32")
    assert loaded == [("rescorer", "ce", {"device": "cpu", "dtype": "float32"})]


def test_the_device_is_for_the_search_where_only_vectors_are_given(vectors: dict[str, Path]) -> None:
    opened = open_from_files(**vectors)
    assert open_with_rescorer(["vectors"], opened, rescorer=None, seed=0, device="cpu").teachers == [opened["vectors"]]
    with pytest.raises(TeacherError, match="dtype"):
        open_with_rescorer(["vectors"], opened, rescorer=None, seed=0, dtype="float32")
    with pytest.raises(TeacherError, match="device"):
        open_with_rescorer(["bm25"], {}, rescorer=None, seed=0, device="cpu")


def test_an_option_of_no_teacher_is_refused() -> None:
    with pytest.raises(TeacherError, match="another kind of teacher than bm25") as caught:
        open_with_rescorer(["bm25"], {}, rescorer=None, seed=0, task="find")
    assert caught.value.argument == "task"

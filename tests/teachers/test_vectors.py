"""Vectors from files, against numpy in float64."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmine.data import Dataset, open_dataset
from nvmine.data.dataset import Taken
from nvmine.data.vector_files import VectorFile
from nvmine.errors import DataError, DtypeError, ShapeError, TeacherError
from nvmine.teachers import VectorsTeacher

GENERATOR = np.random.default_rng(0)
QUERIES = GENERATOR.standard_normal((4, 6)) * 3
PASSAGES = GENERATOR.standard_normal((9, 6)) / 5


def dataset(queries: int = 4, passages: int = 9, taken: Taken | None = None) -> Dataset:
    names = [f"q{n}" for n in range(queries)], [f"p{n}" for n in range(passages)]
    offsets = np.zeros(queries + 1, np.int64)
    return Dataset("x", names[0], names[0], names[1], names[1], offsets, np.empty(0, np.int64), taken)


def saved(folder: Path, queries: np.ndarray, passages: np.ndarray, **options: Any) -> VectorsTeacher:
    np.save(folder / "queries.npy", queries)
    np.save(folder / "passages.npy", passages)
    return VectorsTeacher.open(queries=folder / "queries.npy", passages=str(folder / "passages.npy"), **options)


def normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("dtype", "stored", "digits"),
    [
        (np.float16, np.float16, 1e-3),
        (np.float32, np.float32, 1e-7),
        (np.float64, np.float32, 1e-7),
        (">f2", "f2", 1e-3),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_cosine_normalises_vectors_to_unit_length(
    dtype: Any, stored: Any, digits: float, order: Any, tmp_path: Path
) -> None:
    arrays = (np.asarray(each, dtype, order=order) for each in (QUERIES, PASSAGES))
    found = saved(tmp_path, *arrays).of(dataset())
    for vectors, expected in ((found.queries(range(4)), QUERIES), (found.passages(range(9)), PASSAGES)):
        assert vectors.dtype == stored
        assert vectors.dtype.isnative
        np.testing.assert_allclose(vectors, normalised(expected.astype(dtype)), rtol=digits, atol=digits)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dot_leaves_vectors_unchanged(dtype: Any, tmp_path: Path) -> None:
    found = saved(tmp_path, QUERIES.astype(dtype), PASSAGES.astype(dtype), similarity="dot").of(dataset())
    stored = np.float32 if dtype == np.float64 else dtype
    np.testing.assert_array_equal(found.passages(range(2, 7)), PASSAGES[2:7].astype(stored), strict=True)


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch")
    tensors = [torch.from_numpy(each).bfloat16() for each in (QUERIES, PASSAGES)]
    paths = [tmp_path / "q.safetensors", tmp_path / "p.safetensors"]
    for tensor, path in zip(tensors, paths, strict=True):
        library.save_file({"embeddings": tensor}, path)
    dot = VectorsTeacher.open(queries=paths[0], passages=paths[1], similarity="dot").of(dataset())
    np.testing.assert_array_equal(dot.queries(range(4)), tensors[0].float().numpy(), strict=True)
    cosine = VectorsTeacher.open(queries=paths[0], passages=paths[1]).of(dataset()).passages(range(9))
    assert cosine.dtype == np.float32
    np.testing.assert_allclose(cosine, normalised(tensors[1].double().numpy()), rtol=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e20, 1e38])
def test_vectors_whose_length_overflows_float32_are_normalised(size: float, tmp_path: Path) -> None:
    vectors = (PASSAGES * size).astype(np.float32)
    vectors[3] = 0
    found = saved(tmp_path, vectors[:4], vectors).of(dataset()).passages(range(9))
    assert (found[3] == 0).all()
    kept = np.arange(9) != 3
    np.testing.assert_allclose(found[kept], normalised(PASSAGES)[kept], rtol=1e-5)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=8), st.sampled_from([np.float16, np.float32]))
def test_a_vector_does_not_depend_on_the_range(steps: list[int], dtype: type) -> None:
    rows = sum(steps)
    array = np.random.default_rng(rows).standard_normal((rows, 33)).astype(dtype)
    # The file is only read for the digest, so any file will do.
    file = VectorFile(Path(__file__), array, None)
    read = VectorsTeacher(file, file, similarity="cosine").of(dataset(rows, rows)).passages
    ends = np.cumsum([0, *steps]).tolist()
    parts = [read(range(start, stop)) for start, stop in itertools.pairwise(ends)]
    assert np.concatenate(parts).tobytes() == read(range(rows)).tobytes()


def test_rows_are_matched_by_id_if_the_file_has_ids(tmp_path: Path) -> None:
    order = GENERATOR.permutation(9)
    ids = [f"p{n}" for n in order]
    pl.DataFrame({"_id": [*ids, "other"], "emb": [*PASSAGES[order].tolist(), [0.0] * 6]}).write_parquet(
        tmp_path / "p.parquet"
    )
    pl.DataFrame({"qid": ["q3", "q1", "q2", "q0"], "emb": QUERIES[[3, 1, 2, 0]]}).write_parquet(tmp_path / "q.parquet")
    teacher = VectorsTeacher.open(queries=tmp_path / "q.parquet", passages=tmp_path / "p.parquet", similarity="dot")
    found = teacher.of(dataset())
    np.testing.assert_array_equal(found.queries(range(4)), QUERIES.astype(np.float32))
    np.testing.assert_array_equal(found.passages(range(9)), PASSAGES.astype(np.float32))
    with pytest.raises(DataError, match=r"p.parquet: no vector for 1 of 10 passages, first 'p9'"):
        teacher.of(dataset(passages=10))


def test_rows_without_ids_are_matched_by_the_order_of_the_query_file(tmp_path: Path) -> None:
    teacher = saved(tmp_path, QUERIES, PASSAGES, similarity="dot")
    found = teacher.of(dataset(2, 9, Taken(np.array([1, 3]), 4)))
    np.testing.assert_array_equal(found.queries(range(2)), QUERIES[[1, 3]].astype(np.float32))
    with pytest.raises(DataError, match=r"queries.npy: holds 4 vectors, expected one for each of 2 queries, in their"):
        teacher.of(dataset(2))
    with pytest.raises(DataError, match=r"4 vectors, expected one for each of 2 queries, or for each of the 5 in"):
        teacher.of(dataset(2, 9, Taken(np.array([1, 3]), 5)))
    with pytest.raises(DataError, match=r"passages.npy: holds 9 vectors, expected one for each of 8 passages"):
        teacher.of(dataset(passages=8))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_a_vector_that_is_not_finite_is_refused_with_its_row_in_the_file(
    bad: float, similarity: Any, tmp_path: Path
) -> None:
    queries = QUERIES.copy()
    queries[3, 5] = bad
    found = saved(tmp_path, queries, PASSAGES, similarity=similarity).of(dataset(2, 9, Taken(np.array([1, 3]), 4)))
    assert np.isfinite(found.queries(range(1))).all()
    with pytest.raises(TeacherError, match="the vector holds NaN or infinity in float32") as caught:
        found.queries(range(2))
    assert (caught.value.path, caught.value.row) == (str(tmp_path / "queries.npy"), 3)


def test_files_of_different_dimensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"queries.npy: vectors have 5 components, but those in .*passages.npy have 6"):
        saved(tmp_path, QUERIES[:, :5], PASSAGES)


def test_wrong_similarities_types_and_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"^argument 'similarity': must be one of cosine, dot, not 'euclidean'$"):
        saved(tmp_path, QUERIES, PASSAGES, similarity="euclidean")
    with pytest.raises(DtypeError, match=r"passages.npy: holds int64"):
        saved(tmp_path, QUERIES, PASSAGES.astype(np.int64))
    with pytest.raises(DataError, match=r"none.npy: no such file"):
        VectorsTeacher.open(queries=tmp_path / "none.npy", passages=tmp_path / "passages.npy")


def test_the_description_is_json_and_follows_the_content_of_the_files(tmp_path: Path) -> None:
    teacher = saved(tmp_path, QUERIES, PASSAGES)
    described = teacher.describe()
    assert json.loads(json.dumps(described)) == described
    digest = described.pop("digest")
    assert described == {"kind": "vectors", "name": "passages", "similarity": "cosine", "dimension": 6}
    assert teacher.dimension == 6
    (tmp_path / "moved").mkdir()
    for name in ("queries.npy", "passages.npy"):
        shutil.copy(tmp_path / name, tmp_path / "moved" / name)
    moved = VectorsTeacher.open(queries=tmp_path / "moved/queries.npy", passages=tmp_path / "moved/passages.npy")
    assert moved.describe() == teacher.describe()
    turned = VectorsTeacher.open(queries=tmp_path / "passages.npy", passages=tmp_path / "queries.npy")
    assert turned.describe()["digest"] != digest
    assert saved(tmp_path, QUERIES, PASSAGES + 1).describe()["digest"] != digest


@pytest.mark.parametrize(("name", "split"), [("squad-dev", "train"), ("squad-dev", "test"), ("scifact", "train")])
def test_a_split_of_a_real_collection_gets_the_rows_of_its_lines(shared_data: Path, name: str, split: str) -> None:
    folder = shared_data / name
    data = open_dataset(folder, split=split)
    lines = (folder / "queries.jsonl").read_text("utf-8").split("\n")
    numbers = {json.loads(line)["_id"]: row for row, line in enumerate(lines) if line}
    paths = {side: folder / f"vectors/all-MiniLM-L6-v2.{side}.f16.npy" for side in ("queries", "corpus")}
    found = VectorsTeacher.open(queries=paths["queries"], passages=paths["corpus"], similarity="dot").of(data)
    every = np.load(paths["queries"])
    assert len(data.query_ids) < len(every)
    rows = [numbers[query] for query in data.query_ids]
    np.testing.assert_array_equal(found.queries(range(len(rows))), every[rows], strict=True)
    np.testing.assert_array_equal(found.passages(range(len(data.passage_ids))), np.load(paths["corpus"]), strict=True)

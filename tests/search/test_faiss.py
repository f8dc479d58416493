"""FAISS as a source of candidates: what it finds, how it is scored, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvmine.data.vectors import Vectors
from nvmine.errors import MissingExtraError, SearchError, ShapeError
from nvmine.search.faiss import FaissSearch
from nvmine.search.saved import saved_indexes

faiss = pytest.importorskip("faiss")

PASSAGES, QUERIES, DIMENSION = 3000, 40, 16


def unit_vectors(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


PASSAGE_VECTORS, QUERY_VECTORS = unit_vectors(PASSAGES, 0), unit_vectors(QUERIES, 1)
ROWS = np.arange(QUERIES, dtype=np.int64)


def search_with(factory: str, *, passages: Any = None, memory: int = 50_000, **options: Any) -> FaissSearch:
    shards = [PASSAGE_VECTORS[:1000], PASSAGE_VECTORS[1000:]] if passages is None else passages
    return FaissSearch(Vectors([QUERY_VECTORS]), Vectors(shards), factory=factory, memory=memory, **options)


def exact(depth: int) -> np.ndarray:
    scores = QUERY_VECTORS.astype(np.float64) @ PASSAGE_VECTORS.T.astype(np.float64)
    return np.argsort(-scores, axis=1, kind="stable")[:, :depth]


def recall(ids: np.ndarray) -> float:
    best = exact(ids.shape[1])
    return float(np.mean([len(set(a) & set(b)) / ids.shape[1] for a, b in zip(ids, best, strict=True)]))


def test_flat_is_exhaustive() -> None:
    search = search_with("flat")
    ids, scores = search.search(ROWS, 20)
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(ids, exact(20))
    expected = np.einsum("qd,qkd->qk", QUERY_VECTORS.astype(np.float64), PASSAGE_VECTORS.astype(np.float64)[ids])
    np.testing.assert_allclose(scores, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("factory", "options", "least"),
    [
        ("ivf16", {"nprobe": 16}, 0.98),
        ("ivf16", {}, 0.5),
        ("hnsw16", {"ef_search": 200}, 0.95),
        ("IVF16,PQ4", {"nprobe": 16}, 0.2),
        ("OPQ4,IVF8,SQ8", {"nprobe": 8}, 0.8),
        ("SQbf16", {}, 0.9),
    ],
)
def test_an_index_chooses_and_the_core_scores(factory: str, options: dict[str, int], least: float) -> None:
    search = search_with(factory, **options)
    ids, scores = search.search(ROWS, 20)
    assert recall(ids) >= least
    assert all(len(set(row)) == len(row) for row in ids)
    expected = np.einsum("qd,qkd->qk", QUERY_VECTORS.astype(np.float64), PASSAGE_VECTORS.astype(np.float64)[ids])
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("factory", ["flat", "ivf16", "hnsw8"])
def test_the_result_is_repeatable_and_independent_of_blocks_and_shards(
    factory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nvmine.search.faiss._ADDED_AT_ONCE", 700)
    ids, scores = search_with(factory).search(ROWS, 10)
    again = search_with(factory, passages=[PASSAGE_VECTORS], memory=10**9).search(ROWS, 10)
    np.testing.assert_array_equal(ids, again.ids)
    assert scores.tobytes() == again.scores.tobytes()
    alone = search_with(factory, memory=1).search(ROWS[7:8], 10)
    np.testing.assert_array_equal(alone.ids[0], ids[7])


def test_rows_are_taken_as_given() -> None:
    search = search_with("flat")
    picked = np.array([3, 0, 3], np.int64)
    np.testing.assert_array_equal(search.search(picked, 5).ids, exact(5)[picked])
    assert search.search(picked[:0], 5).ids.shape == (0, 5)


def test_equal_scores_are_ordered_by_id() -> None:
    passages = np.repeat(PASSAGE_VECTORS[:4], 3, axis=0)
    ids, scores = search_with("flat", passages=[passages]).search(ROWS, 12)
    for row, values in zip(ids, scores, strict=True):
        assert [int(i) for i in row] == sorted(row, key=lambda i: (-values[list(row).index(i)], i))
        assert all(row[start : start + 3].tolist() == sorted(row[start : start + 3]) for start in (0, 3, 6, 9))


@pytest.mark.parametrize("factory", ["flat", "ivf4"])
def test_what_is_not_found_is_padded(factory: str) -> None:
    ids, scores = search_with(factory, passages=[PASSAGE_VECTORS[:200]], nprobe=None).search(ROWS, 250)
    assert ((ids == -1) == np.isnan(scores)).all()
    assert (ids[:, -50:] == -1).all()
    assert (ids[:, 0] >= 0).all()


def test_a_depth_past_the_gpu_limit_is_filled() -> None:
    assert (search_with("flat").search(ROWS, 2500).ids >= 0).all()


def test_float16_shards_are_searched() -> None:
    ids = search_with("ivf16", passages=[PASSAGE_VECTORS.astype(np.float16)], nprobe=16).search(ROWS, 10).ids
    assert recall(ids) > 0.95


@pytest.mark.parametrize("factory", ["Nonsense", "IVF", "IVF16,Nonsense", "IDMap,Flat", ""])
def test_an_unknown_factory_is_refused(factory: str) -> None:
    with pytest.raises(SearchError, match=f"'{factory}'.*(could not parse|use add_with_ids)") as caught:
        search_with(factory)
    assert ".cpp" not in str(caught.value)


@pytest.mark.parametrize(("factory", "needed"), [("ivf64", 64), ("PQ4", 256)])
def test_too_few_passages_to_train_are_refused(factory: str, needed: int) -> None:
    with pytest.raises(SearchError, match=rf"{factory}.* from 30 passages.*\b{needed}\b"):
        search_with(factory, passages=[PASSAGE_VECTORS[:30]])


@pytest.mark.parametrize(("factory", "option"), [("flat", "nprobe"), ("hnsw8", "nprobe"), ("ivf16", "ef_search")])
def test_a_setting_that_the_index_lacks_is_refused(factory: str, option: str) -> None:
    with pytest.raises(SearchError, match="could not set parameter"):
        search_with(factory, **{option: 4})


def test_dimensions_that_differ_are_refused() -> None:
    with pytest.raises(ShapeError, match="queries have dimension 8, passages 16"):
        FaissSearch(Vectors([QUERY_VECTORS[:, :8]]), Vectors([PASSAGE_VECTORS]), factory="flat", memory=1000)


def test_a_missing_extra_names_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nvmine\[faiss-cpu\]'"):
        search_with("flat")


@pytest.mark.parametrize("first", ["torch", "faiss"])
def test_it_works_beside_torch_in_either_order(first: str) -> None:
    """Each brings an OpenMP runtime of its own."""
    pytest.importorskip("torch")
    second = "faiss" if first == "torch" else "torch"
    program = f"""
import {first}, {second}
import numpy as np
x = np.random.default_rng(0).standard_normal((2000, 16), dtype=np.float32)
index = faiss.index_factory(16, "IVF8,Flat", faiss.METRIC_INNER_PRODUCT)
index.train(x); index.add(x)
assert (torch.from_numpy(x) @ torch.from_numpy(x).T).shape == (2000, 2000)
assert index.search(x[:5], 3)[1].shape == (5, 3)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


class TestSaved:
    """Indexes from files, of the whole corpus or of shards of it."""

    @staticmethod
    def save(folder: Path, factory: str, cuts: list[int]) -> list[Path]:
        paths = []
        for number, part in enumerate(np.split(PASSAGE_VECTORS, cuts)):
            index = faiss.index_factory(DIMENSION, factory, faiss.METRIC_INNER_PRODUCT)
            index.train(part)
            index.add(part)
            paths.append(folder / f"{number:03d}.faiss")
            faiss.write_index(index, str(paths[-1]))
        return paths

    @pytest.mark.parametrize("cuts", [[], [1000], [10, 700, 2200]])
    @pytest.mark.parametrize("factory", ["Flat", "IVF4,Flat"])
    def test_finds_what_a_built_one_finds(self, tmp_path: Path, factory: str, cuts: list[int]) -> None:
        paths = self.save(tmp_path, factory, cuts)
        options = {"nprobe": 4} if factory != "Flat" else {}
        for depth in (20, PASSAGES + 5):
            found = search_with("saved", saved=paths, memory=10_000_000, **options).search(ROWS, depth)
            best = search_with("flat", memory=10_000_000).search(ROWS, depth)
            np.testing.assert_array_equal(found.ids, best.ids)
            np.testing.assert_array_equal(found.scores, best.scores)

    def test_every_shard_is_told_how_far_to_search(self, tmp_path: Path) -> None:
        search = search_with("saved", saved=self.save(tmp_path, "IVF16,Flat", [1500]))
        assert [faiss.extract_index_ivf(part).nprobe for part in search._parts] == [4, 4]

    def test_what_does_not_fit_is_refused(self, tmp_path: Path) -> None:
        paths = self.save(tmp_path, "Flat", [1000])
        with pytest.raises(SearchError, match="the index has 1000 vectors, but the corpus has 3000"):
            search_with("saved", saved=paths[:1])
        other = tmp_path / "other.faiss"
        faiss.write_index(faiss.IndexFlatIP(3), str(other))
        with pytest.raises(SearchError, match="dimension 3") as caught:
            search_with("saved", saved=[other])
        assert caught.value.path == str(other)
        faiss.write_index(faiss.IndexFlatL2(DIMENSION), str(other))
        with pytest.raises(SearchError, match="another metric"):
            search_with("saved", saved=[other])
        other.write_bytes(b"no index")
        with pytest.raises(SearchError, match="cannot be read as a FAISS index"):
            search_with("saved", saved=[other])

    def test_ids_that_are_no_passages_are_refused(self, tmp_path: Path) -> None:
        index = faiss.IndexIDMap(faiss.IndexFlatIP(DIMENSION))
        index.add_with_ids(PASSAGE_VECTORS, np.arange(PASSAGES) + 7)
        faiss.write_index(index, str(tmp_path / "ids.faiss"))
        with pytest.raises(SearchError, match="build it without ids of its own"):
            search_with("saved", saved=[tmp_path / "ids.faiss"]).search(ROWS, PASSAGES)

    def test_a_name_is_a_file_or_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SearchError, match=r"contains no \*\.faiss files"):
            saved_indexes(str(tmp_path))
        paths = self.save(tmp_path, "Flat", [1000])
        assert saved_indexes(str(tmp_path)) == paths
        assert saved_indexes(str(paths[1])) == [paths[1]]
        assert saved_indexes("ivf4096") == []


@pytest.mark.skipif(hasattr(faiss, "GpuIndexCagra"), reason="this FAISS has CAGRA")
def test_cagra_says_what_it_needs() -> None:
    with pytest.raises(SearchError, match="faiss-gpu-cuvs"):
        search_with("cagra32")

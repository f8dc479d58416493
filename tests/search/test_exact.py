"""The exact search: the same as comparing everything in float64, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvmine import _core
from nvmine.data import Vectors
from nvmine.errors import DtypeError, NvmineError, SearchError, ShapeError
from nvmine.search import ExactSearch, ScoredSearch, blocks, parse_memory

MEMORY = 16 << 20


def vectors(rows: int, dimension: int = 24, seed: int = 0, dtype: type = np.float32) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((rows, dimension))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(dtype)


def best(queries: np.ndarray, passages: np.ndarray, depth: int, below: float = np.inf) -> np.ndarray:
    """Row numbers by reported score descending, then row number; -1 where there are no more."""
    count = len(passages)
    everything = np.tile(np.arange(count), (len(queries), 1))
    exact = _core.score_pairs(queries.astype(np.float32), passages.astype(np.float32), everything)
    scores = exact.astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")
    found = np.where(np.take_along_axis(scores, order, axis=1).astype(float) < below, order, count)
    result = np.full((len(queries), depth), -1)
    for row, ids in enumerate(found):
        kept = ids[ids < count][:depth]
        result[row, : len(kept)] = kept
    return result


@pytest.mark.parametrize("multiply", ["torch", "numpy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("block", "shards"), [(7, [200]), (16384, [3, 90, 107]), (64, [1] * 20 + [180])])
def test_blocks_shards_and_libraries_change_nothing(
    multiply: str, dtype: type, block: int, shards: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if multiply == "torch":
        pytest.importorskip("torch")
    monkeypatch.setattr(blocks, "_MOST_PASSAGES", block)
    monkeypatch.setattr(blocks, "_MOST_QUERIES", 11)
    queries, passages = vectors(30, seed=1, dtype=dtype), vectors(200, seed=2, dtype=dtype)
    passages[150:170] = passages[3]
    parts = np.split(passages, np.cumsum(shards)[:-1])
    device = "cpu" if multiply == "torch" else None
    search = ExactSearch(Vectors([queries]), Vectors(parts), memory=MEMORY, device=device)
    rows = np.arange(30)[::-1].copy()
    ids, scores = search.search(rows, 25)
    np.testing.assert_array_equal(ids, best(queries[rows], passages, 25))
    wide = np.einsum("qd,qkd->qk", queries[rows].astype(float), passages[ids].astype(float))
    np.testing.assert_allclose(scores, wide, atol=1e-6)
    flat_rows, flat_ids = np.repeat(rows, 25), ids.reshape(-1)
    np.testing.assert_array_equal(search.score(flat_rows, flat_ids), scores.reshape(-1))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([-0.5, 0.0, 0.1, 0.25, 9.0]))
@settings(max_examples=60)
def test_below_a_ceiling(seed: int, depth: int, ceiling: float) -> None:
    draw = np.random.default_rng(seed)
    # Few distinct components: many scores are equal, and many equal the ceiling.
    queries, passages = (draw.integers(-1, 2, (count, 4)).astype(np.float32) / 2 for count in (5, 60))
    search = ExactSearch(Vectors([queries]), Vectors([passages]), memory=MEMORY)
    ids, _ = search.search_below(np.arange(5), np.full(5, ceiling), depth)
    np.testing.assert_array_equal(ids, best(queries, passages, depth, ceiling))


def test_vectors_of_real_size_differ_nowhere() -> None:
    """Against float64: the order may only differ where two scores are the same in float32."""
    queries, passages = vectors(2000, 384, seed=3), vectors(5000, 384, seed=4)
    ids, scores = ExactSearch(Vectors([queries]), Vectors([passages]), memory=MEMORY).search(np.arange(2000), 10)
    wide = queries.astype(float) @ passages.astype(float).T
    order = np.argsort(-wide, axis=1, kind="stable")[:, :10]
    other = ids != order
    assert other.mean() < 1e-3
    gap = np.take_along_axis(wide, ids, axis=1) - np.take_along_axis(wide, order, axis=1)
    assert np.abs(gap[other]).max(initial=0) < 1e-6
    np.testing.assert_allclose(scores, np.take_along_axis(wide, ids, axis=1), atol=1e-6)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_coarser_products_change_nothing(precision: str) -> None:
    torch = pytest.importorskip("torch")
    queries, passages = vectors(20, 64, seed=5), vectors(300, 64, seed=6)
    plain = ExactSearch(Vectors([queries]), Vectors([passages]), memory=MEMORY).search(np.arange(20), 15)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        coarse = ExactSearch(Vectors([queries]), Vectors([passages]), memory=MEMORY, device="cpu").search(
            np.arange(20), 15
        )
    finally:
        torch.set_float32_matmul_precision(before)
    np.testing.assert_array_equal(plain.ids, coarse.ids)
    np.testing.assert_array_equal(plain.scores, coarse.scores)


def test_a_depth_beyond_the_corpus_is_padded() -> None:
    ids, scores = ExactSearch(Vectors([vectors(2)]), Vectors([vectors(3, seed=1)]), memory=MEMORY).search(
        np.arange(2), 5
    )
    assert (ids[:, 3:] == -1).all()
    assert np.isnan(scores[:, 3:]).all()
    assert (np.sort(ids[:, :3], axis=1) == [0, 1, 2]).all()


def test_zero_vectors_tie() -> None:
    passages = np.zeros((4, 24), np.float32)
    ids, scores = ExactSearch(Vectors([vectors(1)]), Vectors([passages]), memory=MEMORY).search(np.arange(1), 3)
    assert ids.tolist() == [[0, 1, 2]]
    assert (scores == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["query", "passage"])
def test_vectors_that_are_not_finite_are_named(value: float, side: str) -> None:
    sides = {"query": vectors(8), "passage": vectors(8, seed=1)}
    sides[side][6, 3] = value
    search = ExactSearch(Vectors([sides["query"]]), Vectors([sides["passage"]]), memory=MEMORY)
    with pytest.raises(SearchError, match=side) as caught:
        search.search(np.arange(8), 2)
    assert caught.value.row == 6


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Vectors([]), ShapeError, "vectors has no shards"),
        (lambda: Vectors([np.zeros(3, np.float32)]), ShapeError, r"vectors has shape \(3,\), expected"),
        (
            lambda: Vectors([np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)], name="corpus"),
            ShapeError,
            "shard 1 of corpus has dimension 4, but shard 0 has 3",
        ),
        (lambda: Vectors([np.zeros((2, 3))]), DtypeError, "vectors has type float64"),
        (
            lambda: ExactSearch(Vectors([vectors(1, 3)]), Vectors([vectors(1, 4)]), memory=MEMORY),
            ShapeError,
            "dimension 3, passages 4",
        ),
        (lambda: _core.Best(2, 3, ceilings=np.zeros(3)), ShapeError, "3 ceilings for 2 queries"),
        (lambda: parse_memory("-5M"), SearchError, "not an amount of memory"),
        (lambda: parse_memory("5 parsecs"), SearchError, "not an amount of memory"),
    ],
    ids=["none", "flat", "mixed", "wide", "two dimensions", "ceilings", "negative memory", "no memory"],
)
def test_bad_input_is_refused(build: object, error: type[NvmineError], message: str) -> None:
    with pytest.raises(error, match=message):
        build()  # type: ignore[operator]


class TestScored:
    """Teachers that score whole rows."""

    SCORES = np.array([[0.0, 2.0, 1.0, 2.0], [0.0, 0.0, 0.0, 3.0]], np.float32)

    def search(self) -> ScoredSearch:
        return ScoredSearch(lambda rows: self.SCORES[rows], 4, memory=MEMORY)

    def test_what_shares_nothing_is_no_candidate(self) -> None:
        ids, scores = self.search().search(np.array([0, 1]), 4)
        assert ids.tolist() == [[1, 3, 2, -1], [3, -1, -1, -1]]
        assert scores[0, :3].tolist() == [2.0, 2.0, 1.0]

    def test_below(self) -> None:
        assert self.search().search_below(np.array([0, 1]), np.array([2.0, 9.0]), 1).ids.tolist() == [[2], [3]]

    def test_pairs(self) -> None:
        assert self.search().score(np.array([1, 0, 0]), np.array([3, 0, 1])).tolist() == [3.0, 0.0, 2.0]

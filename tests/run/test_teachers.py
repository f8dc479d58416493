"""Every kind of teacher in a run: random, given vectors, given lists, functions; BM25 by its stored index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import checker
import nvmine
from nvmine.data import Dataset
from nvmine.errors import PolicyError, ScoreError, SearchError
from nvmine.run import check_run
from nvmine.teachers import Bm25Teacher, Encoder, RandomTeacher, RankedTeacher, VectorsTeacher
from vectors_teacher import WordTeacher


def results(run: nvmine.Run) -> pl.DataFrame:
    return run.negatives().drop("teacher")


@pytest.fixture
def vectors(small: Dataset, tmp_path: Path) -> VectorsTeacher:
    np.save(tmp_path / "queries.npy", 3 * WordTeacher().encode_queries(small.query_texts))
    np.save(tmp_path / "passages.npy", 5 * WordTeacher().encode_passages(small.passage_texts))
    return VectorsTeacher.open(queries=tmp_path / "queries.npy", passages=tmp_path / "passages.npy")


def lists(small: Dataset, run: nvmine.Run, path: Path) -> RankedTeacher:
    """The candidates of a run, as a file of another system."""
    names = pl.Series(small.passage_ids)
    rows = run.scan_candidates().select("query_id", "ids", "scores").collect().explode("ids", "scores")
    rows.select("query_id", names.gather(rows["ids"]).alias("passage_id"), pl.col("scores").alias("score")).write_csv(
        path
    )
    return RankedTeacher.open(path)


def test_given_vectors_are_the_encoder_that_made_them(small: Dataset, tmp_path: Path, vectors: VectorsTeacher) -> None:
    ours = nvmine.mine_dataset(small, out=tmp_path / "ours", teacher=WordTeacher(), progress=False)
    given = nvmine.mine_dataset(small, out=tmp_path / "given", teacher=vectors, progress=False)
    checker.check(tmp_path / "given")
    same = ours.negatives()["negative_ids"] == given.negatives()["negative_ids"]
    assert same.mean() > 0.98  # lengths are taken once more, in other last bits


def test_a_function_is_a_teacher(small: Dataset, tmp_path: Path) -> None:
    words = WordTeacher()
    teacher = Encoder("mine", words.encode_passages, words.encode_queries, version="1")
    run = nvmine.mine_dataset(small, out=tmp_path / "run", teacher=teacher, progress=False)
    checker.check(tmp_path / "run")
    assert (
        results(run).height
        == results(nvmine.mine_dataset(small, out=tmp_path / "own", teacher=words, progress=False)).height
    )
    changed = Encoder("mine", words.encode_passages, words.encode_queries, version="2")
    with pytest.raises(nvmine.NvmineError, match="version"):
        nvmine.mine_dataset(small, out=tmp_path / "run", teacher=changed, progress=False)


def test_random_negatives_are_random_and_repeat(small: Dataset, tmp_path: Path) -> None:
    runs = [
        nvmine.mine_dataset(
            small, out=tmp_path / str(place), teacher=RandomTeacher(seed=seed), method="naive", depth=20, progress=False
        )
        for place, seed in enumerate((0, 0, 1))
    ]
    checker.check(tmp_path / "0")
    assert results(runs[0]).equals(results(runs[1]))
    assert not results(runs[0])["negative_ids"].equals(results(runs[2])["negative_ids"])
    counts = results(runs[0])["negative_ids"].explode().value_counts()["count"]
    assert counts.max() < 4 * counts.mean()
    with pytest.raises(PolicyError, match="naive"):
        nvmine.mine_dataset(small, out=tmp_path / "x", teacher="random", progress=False)
    with pytest.raises(PolicyError, match="naive"):
        nvmine.filter_run(runs[0], out=tmp_path / "x", method="perc", progress=False)
    named = nvmine.mine_dataset(
        small, out=tmp_path / "named", teacher="random", method="naive", depth=20, seed=1, progress=False
    )
    assert results(named)["negative_ids"].equals(results(runs[2])["negative_ids"])


def test_given_lists_are_mined_as_they_are(small: Dataset, tmp_path: Path) -> None:
    whole = nvmine.mine_dataset(
        small, out=tmp_path / "whole", teacher=WordTeacher(), depth=len(small.passage_ids), progress=False
    )
    teacher = lists(small, whole, tmp_path / "lists.csv")
    run = nvmine.mine_dataset(small, out=tmp_path / "run", teacher=teacher, depth=10, progress=False)
    checker.check(tmp_path / "run")
    assert check_run(run).starved == 0
    names = ["query_id", "positive_id", "negative_ids", "negative_scores"]
    assert run.negatives().select(names).equals(whole.negatives().select(names))
    stricter = nvmine.filter_run(run, out=tmp_path / "stricter", percentage=0.5, progress=False)
    afresh = nvmine.mine_dataset(
        small, out=tmp_path / "afresh", teacher=teacher, depth=10, percentage=0.5, progress=False
    )
    assert stricter.negatives().equals(afresh.negatives())


def test_a_positive_that_is_in_no_list(small: Dataset, tmp_path: Path) -> None:
    run = nvmine.mine_dataset(
        small, out=tmp_path / "run", teacher=WordTeacher(), depth=3, method="naive", progress=False
    )
    teacher = lists(small, run, tmp_path / "lists.csv")
    with pytest.raises(ScoreError, match="no score for any positive"):
        nvmine.mine_dataset(small, out=tmp_path / "x", teacher=teacher, progress=False)
    skipped = nvmine.mine_dataset(
        small, out=tmp_path / "y", teacher=teacher, on_missing="skip", depth=3, progress=False
    )
    checker.check(tmp_path / "y")
    check_run(skipped)
    assert 0 < skipped.negatives().height < run.negatives().height


def test_an_index_is_of_vectors_only(small: Dataset, tmp_path: Path, vectors: VectorsTeacher) -> None:
    pytest.importorskip("faiss")
    with pytest.raises(SearchError, match="random has none"):
        nvmine.mine_dataset(
            small, out=tmp_path / "x", teacher=RandomTeacher(), method="naive", index="flat", progress=False
        )
    nvmine.mine_dataset(small, out=tmp_path / "y", teacher=vectors, index="ivf4", nprobe=2, progress=False)
    checker.check(tmp_path / "y")
    with pytest.raises(SearchError, match="nprobe"):
        nvmine.mine_dataset(small, out=tmp_path / "z", teacher=vectors, nprobe=2, progress=False)


def test_bm25_is_read_from_its_index(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bm25s")
    pytest.importorskip("Stemmer")
    teacher = Bm25Teacher(stemmer=None, token_pattern=r"\w+", k1=0.9)
    run = nvmine.mine_dataset(small, out=tmp_path / "run", teacher=teacher, depth=5, progress=False)
    checker.check(tmp_path / "run")
    monkeypatch.setattr(Bm25Teacher, "index", lambda *_: pytest.fail("the corpus was read again"))
    filtered = nvmine.filter_run(run, out=tmp_path / "other", percentage=0.6, progress=False)
    checker.check(tmp_path / "other")
    monkeypatch.undo()
    afresh = nvmine.mine_dataset(
        small, out=tmp_path / "afresh", teacher=teacher, depth=5, percentage=0.6, progress=False
    )
    assert filtered.negatives().equals(afresh.negatives())

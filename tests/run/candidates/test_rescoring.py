"""Candidates scored anew, and what the scores promote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import checker
import nvmine
from nvmine.data import Dataset, open_dataset
from nvmine.errors import PolicyError, TeacherError
from nvmine.run import check_run
from nvmine.run.candidates import rescoring
from nvmine.teachers import PairScorer
from vectors_teacher import WordTeacher


class Overlap:
    """Scores by the share of common words, and a little by their order; counts what it has scored."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def describe(self) -> dict[str, Any]:
        return {"kind": "callable", "name": "overlap", "version": "1"}

    def score(self, pairs: Sequence[tuple[str, str]], *, done: Callable[[int], object] | None = None) -> np.ndarray:
        self.calls.append(len(pairs))
        return np.array([self.one(*pair) for pair in pairs], np.float32)

    @staticmethod
    def one(query: str, passage: str) -> float:
        a, b = query.lower().split(), passage.lower().split()
        return len(set(a) & set(b)) / len(set(a)) + 0.01 * (len(b) - len(set(b))) + 1e-4 * (len(passage) % 97)


def mined(data: Dataset, out: Path, rescorer: Overlap | None = None, **options: Any) -> nvmine.Run:
    return nvmine.mine_dataset(
        data, out=out, teacher=WordTeacher(), rescorer=rescorer or Overlap(), depth=20, progress=False, **options
    )


@pytest.mark.parametrize("policy", [{}, {"anchor": "each"}, {"method": "abs", "max_score": 0.3}], ids=str)
def test_everything_goes_by_the_new_scores(small: Dataset, tmp_path: Path, policy: dict) -> None:
    run = mined(small, tmp_path / "run", **policy)
    checker.check(tmp_path / "run")
    check_run(run)
    plain = nvmine.mine_dataset(
        small, out=tmp_path / "plain", teacher=WordTeacher(), depth=20, method="naive", progress=False
    )
    first = {row["query_id"]: row for row in plain.scan_candidates().collect().iter_rows(named=True)}
    for row in run.scan_candidates().collect().iter_rows(named=True):
        query = small.query_texts[small.query_ids.index(row["query_id"])]
        expected = {p: np.float32(Overlap.one(query, small.passage_texts[p])) for p in first[row["query_id"]]["ids"]}
        assert dict(zip(row["ids"], row["scores"], strict=True)) == expected
        assert list(zip([-s for s in row["scores"]], row["ids"], strict=True)) == sorted(
            zip([-s for s in row["scores"]], row["ids"], strict=True)
        )
        scores = [np.float32(Overlap.one(query, small.passage_texts[p])) for p in row["pos_ids"]]
        assert row["pos_scores"] == scores
    assert not list((tmp_path / "run").rglob("rescored*"))


def test_pairs_are_scored_in_large_mixed_batches(small: Dataset, tmp_path: Path) -> None:
    rescorer = Overlap()
    mined(small, tmp_path, rescorer)
    assert len(rescorer.calls) == 2  # positives, then candidates, of all queries together
    assert max(rescorer.calls) == 20 * len(small.query_ids)


def test_promoted_passages_are_positives(small: Dataset, tmp_path: Path) -> None:
    run = mined(small, tmp_path / "run", method="abs", max_score=0.1, promote_above=0.6, on_short="keep")
    checker.check(tmp_path / "run")
    qrels = run.qrels()
    promoted = qrels.filter(source="rescorer")
    assert promoted.height
    assert qrels.filter(source="data").height == len(small.positive_passages)
    labelled = {
        (name, small.passage_ids[row]) for query, name in enumerate(small.query_ids) for row in small.positives(query)
    }
    texts = dict(zip(small.passage_ids, small.passage_texts, strict=True))
    queries = dict(zip(small.query_ids, small.query_texts, strict=True))
    for query, passage in promoted.select("query_id", "passage_id").iter_rows():
        assert (query, passage) not in labelled
        assert Overlap.one(queries[query], texts[passage]) > 0.6
    assert run.manifest.search.rescorer is not None
    other = nvmine.filter_run(run, out=tmp_path / "other", max_score=0.5, progress=False)
    afresh = mined(small, tmp_path / "afresh", method="abs", max_score=0.5, promote_above=0.6)
    assert other.negatives().equals(afresh.negatives())


def test_promoting_needs_a_rescorer(small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="rescorer"):
        nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), promote_above=0.9, progress=False)


def test_nothing_is_scored_twice_after_a_failure(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescoring, "PAIRS_AT_ONCE", 200)
    whole = Overlap()
    expected = mined(small, tmp_path / "whole", whole)

    class Tired(Overlap):
        def score(self, pairs: Sequence[tuple[str, str]], **options: Any) -> np.ndarray:
            if len(self.calls) == 7:
                raise TeacherError("is tired")
            return super().score(pairs, **options)

    tired = Tired()
    with pytest.raises(TeacherError, match="tired"):
        mined(small, tmp_path / "run", tired)
    rested = Overlap()
    run = mined(small, tmp_path / "run", rested)
    assert sum(tired.calls) + sum(rested.calls) == sum(whole.calls)
    assert run.manifest == expected.manifest


def test_the_query_itself_and_copies_of_positives_are_not_promoted(tmp_path: Path) -> None:
    pairs = [("alpha beta", "first words"), ("gamma delta", "second words"), ("epsilon", "third words")]
    copies = [("filler 1", "FIRST  words"), ("filler 2", "alpha  Beta"), ("filler 3", "alpha beta")]
    data = open_dataset(pairs + copies)
    scorer = PairScorer("all", lambda pairs: [0.95] * len(pairs))
    run = nvmine.mine_dataset(
        data,
        out=tmp_path,
        teacher=WordTeacher(),
        rescorer=scorer,
        method="naive",
        promote_above=0.9,
        progress=False,
    )
    checker.check(tmp_path)
    texts = dict(run.passages().collect().iter_rows())
    promoted = run.qrels().filter(query_id=data.query_ids[0], source="rescorer")["passage_id"]
    assert sorted(texts[name] for name in promoted) == ["second words", "third words"]


@pytest.mark.parametrize("scores", [[0.5], [float("nan")] * 10**4], ids=["too few", "NaN"])
def test_bad_scores_are_refused_and_not_kept(small: Dataset, tmp_path: Path, scores: list[float]) -> None:
    class Wrong(Overlap):
        def score(self, pairs: Sequence[tuple[str, str]], **options: Any) -> np.ndarray:
            return np.array(scores[: len(pairs)])

    with pytest.raises(TeacherError, match="it has to return a finite number for each"):
        mined(small, tmp_path, Wrong())
    mined(small, tmp_path)
    checker.check(tmp_path)


def test_another_memory_finds_the_scores_again(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescoring, "PAIRS_AT_ONCE", 200)

    class Tired(Overlap):
        def score(self, pairs: Sequence[tuple[str, str]], **options: Any) -> np.ndarray:
            if len(self.calls) == 7:
                raise TeacherError("is tired")
            return super().score(pairs, **options)

    with pytest.raises(TeacherError, match="tired"):
        mined(small, tmp_path / "run", Tired(), memory="16M")
    assert mined(small, tmp_path / "run", memory="1G").manifest == mined(small, tmp_path / "whole").manifest


@pytest.mark.parametrize("least", [float("nan"), float("inf"), "0.9"])
def test_a_threshold_is_a_number(small: Dataset, tmp_path: Path, least: Any) -> None:
    with pytest.raises(PolicyError, match="finite number"):
        mined(small, tmp_path, promote_above=least)

"""Runs that are judged: false negatives go, others come, and no question is asked twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import checker
import nvmine
from chat_server import LINES, NO, YES, Answer, Asked, ChatServer, refuse
from nvmine.data import Dataset
from nvmine.errors import PolicyError, RunError, TeacherError
from nvmine.run import check_run
from nvmine.run.proof import check
from nvmine.teachers import CallableJudge, ChatJudge, Question
from vectors_teacher import WordTeacher


class Counting(CallableJudge):
    """Finds every passage relevant whose text has a length that is a multiple of three; remembers what it was asked."""

    def __init__(self, name: str = "thirds") -> None:
        self.asked: list[tuple[str, str]] = []
        super().__init__(name, self._decide_and_note)

    def _decide_and_note(self, question: Question) -> bool:
        self.asked.append((question.query_id, question.passage_id))
        return relevant(question.passage)


def relevant(passage: str) -> bool:
    return len(passage) % 3 == 0


def mined(data: Dataset, out: Path, **options: Any) -> nvmine.Run:
    return nvmine.mine_dataset(data, out=out, **{"teacher": WordTeacher(), "depth": 8, "progress": False, **options})


def judged(run: nvmine.Run, out: Path, judge: Any = None, **options: Any) -> nvmine.Run:
    return nvmine.judge_run(run, judge or Counting(), out=out, progress=False, **options)


POLICIES = {
    "default": {},
    "each": {"anchor": "each"},
    "sampler": {"sampling": "uniform", "pool": 6},
    "near": {"near_duplicate": 0.1},
    "two teachers": {"teacher": [WordTeacher("a"), WordTeacher("b", seed=1)], "depth": 40},
    "replaced": {"teacher": [WordTeacher("a"), WordTeacher("b", seed=1)], "depth": 40, "duplicates": "replace"},
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_false_negative_is_left_and_nobody_starves(small: Dataset, tmp_path: Path, policy: dict) -> None:
    source = mined(small, tmp_path / "run", **policy)
    judge = Counting()
    run = judged(source, tmp_path / "judged", judge)
    checker.check(tmp_path / "judged")
    assert check_run(run).starved == 0
    texts = dict(run.passages().select("passage_id", "text").collect().iter_rows())
    for ids in run.negatives()["negative_ids"]:
        assert not any(relevant(texts[name]) for name in ids)
    assert len(judge.asked) == len(set(judge.asked))
    verdicts = run.verdicts()
    assert sorted(judge.asked) == list(verdicts.select("query_id", "passage_id").iter_rows())
    assert verdicts["relevant"].to_list() == [relevant(texts[name]) for name in verdicts["passage_id"]]
    # The others come from where those went: as many as before.
    before, after = (each.negatives()["negative_ids"].list.len() for each in (source, run))
    assert (after >= before - 1).all() if source.is_ensemble else after.equals(before)
    assert not (tmp_path / "judged/verdicts.jsonl").exists()


def test_what_is_judged_is_what_the_rule_gives_without_those(small: Dataset, tmp_path: Path) -> None:
    """Mined afresh with the relevant passages among the positives, the negatives are the same."""
    run = judged(mined(small, tmp_path / "run", method="naive"), tmp_path / "judged")
    scores = WordTeacher().encode_queries(small.query_texts) @ WordTeacher().encode_passages(small.passage_texts).T
    folded = [" ".join(text.casefold().split()) for text in small.passage_texts]
    rows = run.negatives().unique("query_id", keep="first", maintain_order=True)
    for query, given in enumerate(rows["negative_ids"]):
        out = {folded[p] for p in small.positives(query)} | {" ".join(small.query_texts[query].casefold().split())}
        out |= {folded[p] for p, text in enumerate(small.passage_texts) if relevant(text)}
        assert not {folded[small.passage_ids.index(name)] for name in given} & out
        best = max(scores[query, p] for p in range(len(folded)) if folded[p] not in out)
        assert scores[query, small.passage_ids.index(given[0])] == pytest.approx(best, abs=1e-5)


def test_relabelled_passages_are_positives(small: Dataset, tmp_path: Path) -> None:
    source = mined(small, tmp_path / "run")
    dropped = judged(source, tmp_path / "dropped")
    relabelled = judged(source, tmp_path / "relabelled", on_relevant="relabel")
    assert relabelled.negatives().equals(dropped.negatives())
    assert set(dropped.qrels()["source"]) == {"data"}
    found = relabelled.qrels().filter(source="judge").select("query_id", "passage_id")
    assert set(found.iter_rows()) == set(
        relabelled.verdicts().filter("relevant").select("query_id", "passage_id").iter_rows()
    )
    assert relabelled.dataset().height == dropped.dataset().height + found.height
    assert dropped.dataset().equals(relabelled.dataset().head(dropped.dataset().height))


def test_known_verdicts_are_not_asked_for_again(small: Dataset, tmp_path: Path) -> None:
    source = mined(small, tmp_path / "run")
    first = judged(source, tmp_path / "first")
    other = nvmine.filter_run(source, out=tmp_path / "filtered", n=2, progress=False)
    judge = Counting()
    judged(other, tmp_path / "second", judge, known=[first])
    known = set(first.verdicts().select("query_id", "passage_id").iter_rows())
    assert not known & set(judge.asked)
    assert len(judge.asked) < len(known) / 10
    checker.check(tmp_path / "second")
    with pytest.raises(RunError, match="no verdicts by this judge"):
        judged(other, tmp_path / "third", Counting("another"), known=[first])
    with pytest.raises(RunError, match="no verdicts by this judge"):
        judged(other, tmp_path / "third", known=[other])


def test_what_cannot_be_judged_is_refused(small: Dataset, tmp_path: Path) -> None:
    source = mined(small, tmp_path / "run")
    run = judged(source, tmp_path / "judged")
    with pytest.raises(RunError, match="was judged already"):
        judged(run, tmp_path / "x")
    with pytest.raises(RunError, match="was judged; filter the run that it was made from"):
        nvmine.filter_run(run, out=tmp_path / "x", n=1)
    with pytest.raises(PolicyError, match="drop or relabel"):
        judged(source, tmp_path / "x", on_relevant="keep")
    with pytest.raises(RunError, match=r"judge\.name|search"):
        judged(source, tmp_path / "judged", Counting("another"))
    with pytest.raises(RunError, match="was not judged"):
        source.verdicts()


def test_a_judge_that_stays_silent_is_named(small: Dataset, tmp_path: Path) -> None:
    class Silent(Counting):
        def ask(self, questions: Any, answered: Any) -> None:
            super().ask(questions[:5], answered)

    with pytest.raises(TeacherError, match="the judge has not answered about passage"):
        judged(mined(small, tmp_path / "run"), tmp_path / "judged", Silent())
    judge = Counting()
    judged(nvmine.open_run(tmp_path / "run"), tmp_path / "judged", judge)
    checker.check(tmp_path / "judged")
    assert nvmine.open_run(tmp_path / "judged").verdicts().height == len(judge.asked) + 5


def test_a_negative_without_a_verdict_is_found(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = judged(mined(small, tmp_path / "run"), tmp_path / "judged")
    path = tmp_path / "judged/verdicts.parquet"
    pl.read_parquet(path).with_columns(relevant=pl.lit(value=True)).write_parquet(path)
    monkeypatch.setattr(check, "verify", lambda *_: None)
    with pytest.raises(RunError, match="found relevant"):
        check_run(run)


class TestAnEndpoint:
    """The same over HTTP, from a server that misbehaves."""

    @pytest.fixture(autouse=True)
    def _client(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("httpx2")
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)

    @staticmethod
    def behave(asked: Asked) -> Answer:
        _, _, passage = asked.texts
        if asked.attempt == 1 and len(passage) % 7 == 0:
            return refuse(500)
        if asked.attempt == 1 and len(passage) % 7 == 1:
            return Answer(b"{broken", 200)
        if asked.attempt == 1 and len(passage) % 7 == 2:
            return refuse(429, retry_after="0")
        return YES if relevant(passage) else NO

    def test_verdicts_are_those_of_the_model(self, small: Dataset, tmp_path: Path) -> None:
        source = mined(small, tmp_path / "run")
        by_hand = judged(source, tmp_path / "by_hand")
        with ChatServer(self.behave) as server:
            judge = ChatJudge("tiny", base_url=server.base_url, prompt=LINES, backoff=0.0)
            run = judged(source, tmp_path / "judged", judge)
        checker.check(tmp_path / "judged")
        assert run.negatives().equals(by_hand.negatives())
        assert len(server.asked) > run.verdicts().height

    def test_a_cap_stops_and_a_higher_one_goes_on(self, small: Dataset, tmp_path: Path) -> None:
        source = mined(small, tmp_path / "run")
        options = {"prompt": LINES, "backoff": 0.0, "price_in": 1000.0, "price_out": 1000.0}
        with ChatServer(lambda asked: YES if relevant(asked.texts[2]) else NO) as server:
            low = ChatJudge("tiny", base_url=server.base_url, max_cost=10.0, **options)
            with pytest.raises(TeacherError, match="higher"):
                judged(source, tmp_path / "judged", low)
            first = len(server.asked)
            assert 0 < first < 100
            with pytest.raises(TeacherError, match="higher"):
                judged(
                    source, tmp_path / "judged", ChatJudge("tiny", base_url=server.base_url, max_cost=10.0, **options)
                )
            assert len(server.asked) <= first + 2
        # Another server, another address: the same judge.
        with ChatServer(lambda asked: YES if relevant(asked.texts[2]) else NO) as other:
            high = ChatJudge("tiny", base_url=other.base_url, max_cost=1e6, **options)
            run = judged(source, tmp_path / "judged", high)
            assert first <= run.verdicts().height - len(other.asked) <= first + 2
        checker.check(tmp_path / "judged")
        assert run.negatives().equals(judged(source, tmp_path / "by_hand").negatives())

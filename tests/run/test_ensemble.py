"""Several teachers in one run: mined together, put together afterwards, added to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import checker
import nvmine
from nvmine.data import Dataset, open_dataset
from nvmine.errors import PolicyError, RunError, ScoreError
from nvmine.run import backends, check_run, summary_text
from nvmine.run.proof import check
from nvmine.teachers import CallableJudge, PairScorer, RankedTeacher
from vectors_teacher import WordTeacher

TEACHERS = ("best", "second", "third")


def teachers(*names: str) -> list[WordTeacher]:
    """Teachers that differ a little: each leaves out some words of its own."""
    return [WordTeacher(name, seed=place) for place, name in enumerate(names)]


def mined(data: Dataset, out: Path, *names: str, **options: object) -> nvmine.Run:
    tutors = teachers(*(names or TEACHERS))
    return nvmine.mine_dataset(
        data, out=out, teacher=tutors if len(tutors) > 1 else tutors[0], depth=30, progress=False, **options
    )


RULES = {
    "keep": {"how": "intra", "duplicates": "keep"},
    "replace": {"how": "intra", "duplicates": "replace"},
    "cross": {"how": "cross"},
}
POLICIES = {
    "default": {},
    "each": {"anchor": "each"},
    "softmax": {"sampling": "softmax", "first": 1},
    "short": {"method": "abs", "max_score": 0.05, "n": 6},
    "near": {"near_duplicate": 0.1},
    "consistent": {"consistency": 1},
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_the_independent_checker_passes_every_ensemble(
    small: Dataset, tmp_path: Path, rule: dict, policy: dict
) -> None:
    run = mined(small, tmp_path, **rule, **policy)
    checker.check(tmp_path)
    summary = check_run(run)
    assert summary.starved == 0
    assert "how far the teachers agree" in summary_text(run, summary)


def test_intra_keep_is_the_papers_rule(small: Dataset, tmp_path: Path) -> None:
    """Round robin over the members' own negatives, written out."""
    run = mined(small, tmp_path, n=4)
    members = [
        dict(member.negatives().unique("query_id").select("query_id", "negative_ids").iter_rows())
        for member in run.members()
    ]
    for query, given, givers in run.negatives().select("query_id", "negative_ids", "negative_teachers").iter_rows():
        rounds = [
            (member[query][place], owner.path.name)
            for place in range(4)
            for member, owner in zip(members, run.members(), strict=True)
            if place < len(member[query])
        ]
        assert list(zip(given, givers, strict=True)) == rounds[:4]


def test_replace_never_repeats_and_keep_repeats_where_teachers_agree(small: Dataset, tmp_path: Path) -> None:
    keep = mined(small, tmp_path / "keep", duplicates="keep").negatives()
    replace = mined(small, tmp_path / "replace", duplicates="replace").negatives()
    assert replace["negative_ids"].list.n_unique().equals(replace["negative_ids"].list.len())
    repeats = keep["negative_ids"].list.n_unique() < keep["negative_ids"].list.len()
    assert repeats.any()
    assert not repeats.all()


def test_runs_put_together_are_the_run_of_several_teachers(small: Dataset, tmp_path: Path) -> None:
    together = mined(small, tmp_path / "together", **RULES["replace"])
    runs = [
        nvmine.mine_dataset(small, out=tmp_path / tutor.name, teacher=tutor, depth=30, progress=False)
        for tutor in teachers(*TEACHERS)
    ]
    run = nvmine.ensemble_runs(runs, out=tmp_path / "ensemble", **RULES["replace"], progress=False)
    files = {path.relative_to(run.path): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    others = {p.relative_to(together.path): p.read_bytes() for p in together.path.rglob("*") if p.is_file()}
    assert files == others
    vectors = next(runs[0].path.glob("embeddings/*/corpus-00000.npy"))
    assert vectors.stat().st_nlink == 2


def test_adding_a_teacher_mines_only_that_one(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    afresh = mined(small, tmp_path / "afresh")
    out = tmp_path / "grown"
    first = teachers(*TEACHERS)
    nvmine.mine_dataset(small, out=out, teacher=first[:2], depth=30, progress=False)
    before = {p: p.stat().st_mtime_ns for p in (out / "teachers").rglob("*") if p.is_file()}
    encoded: list[str] = []
    store_vectors = backends.store_vectors

    def counted(job: backends.StoreJob, side: backends.Side, *rest: Any) -> None:
        if side == "corpus":
            encoded.append(job.teacher.name)
        store_vectors(job, side, *rest)

    monkeypatch.setattr(backends, "store_vectors", counted)
    grown = nvmine.mine_dataset(small, out=out, teacher=first, depth=30, progress=False)
    assert encoded == ["third"]
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert grown.negatives().equals(afresh.negatives())
    assert grown.manifest == afresh.manifest
    checker.check(out)
    # The same members in another order, or by another rule, are made anew from what is there.
    nvmine.mine_dataset(small, out=out, teacher=first[::-1], how="cross", depth=30, progress=False)
    assert encoded == ["third"]
    checker.check(out)


def test_an_ensemble_of_ensembles_is_one_of_their_members(small: Dataset, tmp_path: Path) -> None:
    tutors = teachers(*TEACHERS)
    both = nvmine.mine_dataset(small, out=tmp_path / "both", teacher=tutors[:2], depth=30, progress=False)
    one = nvmine.mine_dataset(small, out=tmp_path / "one", teacher=tutors[2], depth=30, progress=False)
    run = nvmine.ensemble_runs([both, one], out=tmp_path / "all", progress=False)
    assert run.manifest.teacher.name == "best+second+third"
    assert run.negatives().equals(mined(small, tmp_path / "afresh").negatives())


def test_passages_with_the_same_text_are_the_same(tmp_path: Path) -> None:
    pairs = [(f"query {n}", f"text number {n}") for n in range(12)]
    copies = [(f"other {n}", f"TEXT  number {n}") for n in range(12)]
    run = mined(open_dataset(pairs + copies), tmp_path, duplicates="replace", method="naive")
    texts = dict(run.passages().select("passage_id", "text").collect().iter_rows())
    for ids in run.negatives()["negative_ids"]:
        folded = [" ".join(texts[name].lower().split()) for name in ids]
        assert len(set(folded)) == len(folded)
    checker.check(tmp_path)


def test_what_one_reranker_promotes_no_other_teacher_gives(small: Dataset, tmp_path: Path) -> None:
    def by_length(pairs: list[tuple[str, str]]) -> list[float]:
        return [len(passage) / 40 for _, passage in pairs]

    options = {"method": "naive", "depth": 60, "progress": False}
    plain = nvmine.mine_dataset(small, out=tmp_path / "plain", teacher=WordTeacher(), **options)
    promoting = nvmine.mine_dataset(
        small,
        out=tmp_path / "promoting",
        teacher=WordTeacher("other", seed=1),
        rescorer=PairScorer("length", by_length),
        promote_above=0.8,
        **options,
    )
    promoted = set(promoting.qrels().filter(source="rescorer").select("query_id", "passage_id").iter_rows())
    run = nvmine.ensemble_runs([plain, promoting], out=tmp_path / "both", progress=False)
    checker.check(tmp_path / "both")
    given = run.negatives().select("query_id", "negative_ids").explode("negative_ids")
    assert not promoted & set(given.iter_rows())
    alone = plain.negatives().select("query_id", "negative_ids").explode("negative_ids")
    assert promoted & set(alone.iter_rows())


def test_agreement_is_the_mean_jaccard(small: Dataset, tmp_path: Path) -> None:
    run = mined(small, tmp_path)
    table = nvmine.agreement([run], top=3)
    assert table["teacher"].to_list() == list(TEACHERS)
    lists = [m.negatives().unique("query_id").sort("query_id")["negative_ids"].to_list() for m in run.members()]
    for row, a in enumerate(lists):
        for column, b in enumerate(lists):
            shares = [
                len(set(x[:3]) & set(y[:3])) / len(set(x[:3]) | set(y[:3])) for x, y in zip(a, b, strict=True) if x or y
            ]
            assert table[TEACHERS[column]][row] == pytest.approx(np.mean(shares))
    assert 0 < table["second"][0] < 1


def test_what_cannot_be_put_together_is_refused(small: Dataset, tmp_path: Path) -> None:
    one = mined(small, tmp_path / "one", "best")
    with pytest.raises(PolicyError, match="at least two teachers"):
        nvmine.ensemble_runs([one], out=tmp_path / "x")
    with pytest.raises(PolicyError, match="is given twice"):
        nvmine.ensemble_runs([one, one], out=tmp_path / "x")
    with pytest.raises(PolicyError, match="how"):
        nvmine.ensemble_runs([one, mined(small, tmp_path / "two", "other")], out=tmp_path / "x", how="both")
    each = mined(small, tmp_path / "each", "third", anchor="each")
    with pytest.raises(PolicyError, match="anchor"):
        nvmine.ensemble_runs([one, each], out=tmp_path / "x")
    fewer = [(q, small.passage_texts[small.positives(n)[0]]) for n, q in enumerate(small.query_texts[:50])]
    other = nvmine.mine_dataset(fewer, out=tmp_path / "other", teacher=WordTeacher("x"), progress=False)
    with pytest.raises(RunError, match="other data"):
        nvmine.ensemble_runs([one, other], out=tmp_path / "x")
    ensemble = mined(small, tmp_path / "ensemble")
    with pytest.raises(RunError, match="is an ensemble; filter its members"):
        nvmine.filter_run(ensemble, out=tmp_path / "x", n=2)
    with pytest.raises(RunError, match="holds another run"):
        nvmine.ensemble_runs([one, mined(small, tmp_path / "three", "fourth")], out=tmp_path / "ensemble")


def test_a_damaged_ensemble_is_found(small: Dataset, tmp_path: Path) -> None:
    run = mined(small, tmp_path, n=3)
    path = tmp_path / "negatives-00000.parquet"
    table = pl.read_parquet(path)
    swapped = table.with_columns(negative_teachers=pl.col("negative_teachers").list.reverse())
    swapped.write_parquet(path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["teacher"]["kind"] == "ensemble"
    with pytest.raises(RunError, match="SHA-256"):
        check_run(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "verify", lambda *_: None)
        with pytest.raises(RunError, match="candidate"):
            check_run(run)


def test_a_judged_ensemble_is_neither_replaced_nor_taken_apart(small: Dataset, tmp_path: Path) -> None:
    source = mined(small, tmp_path / "source", "best", "second")
    judge = CallableJudge("length", lambda question: len(question.passage) % 3 == 0)
    judged = nvmine.judge_run(source, judge, out=tmp_path / "judged", progress=False)
    with pytest.raises(RunError, match="holds another run"):
        nvmine.ensemble_runs([source], out=tmp_path / "judged", progress=False)
    assert judged.verdicts().height
    third = mined(small, tmp_path / "third", "third")
    with pytest.raises(RunError, match="judged, but its members were not"):
        nvmine.ensemble_runs([judged, third], out=tmp_path / "x", progress=False)
    with pytest.raises(RunError, match="judged, but its members were not"):
        nvmine.agreement([judged, third])


def test_what_was_relabelled_stays_so(small: Dataset, tmp_path: Path) -> None:
    judge = CallableJudge("length", lambda question: len(question.passage) % 3 == 0)
    first, second = mined(small, tmp_path / "first", "best"), mined(small, tmp_path / "second", "second")
    judged = nvmine.judge_run(first, judge, out=tmp_path / "judged", on_relevant="relabel", progress=False)
    both = nvmine.ensemble_runs([judged, second], out=tmp_path / "both", progress=False)
    checker.check(tmp_path / "both")
    relabelled = judged.qrels().filter(source="judge")
    assert relabelled.height
    assert both.qrels().filter(source="judge").equals(relabelled)
    given = both.negatives().select("query_id", "negative_ids").explode("negative_ids")
    assert not set(given.iter_rows()) & set(relabelled.select("query_id", "passage_id").iter_rows())


def ranked(path: Path, rows: list[tuple[str, str, float]]) -> RankedTeacher:
    pl.DataFrame(rows, schema=["query_id", "passage_id", "score"], orient="row").write_csv(path)
    return RankedTeacher.open(path)


def test_a_teacher_that_knows_one_positive_of_two(tmp_path: Path) -> None:
    data = open_dataset(
        [("who", ["she did", "he did"]), ("what", "a thing"), ("where", "over there"), ("why", "because")]
    )
    passages = data.passage_ids
    rows = [(query, passage, 1 - 0.1 * place) for query in data.query_ids for place, passage in enumerate(passages)]
    whole = ranked(tmp_path / "whole.csv", rows)
    second = data.passage_ids[data.positives(0)[1]]
    partial = ranked(tmp_path / "partial.csv", [row for row in rows if row[:2] != (data.query_ids[0], second)])
    options = {"method": "naive", "n": 2, "progress": False}
    run = nvmine.mine_dataset(data, out=tmp_path / "run", teacher=[whole, partial], **options)
    checker.check(tmp_path / "run")
    check_run(run)
    scores = run.negatives().filter(query_id=data.query_ids[0], positive_id=second)["positive_scores"].to_list()[0]
    assert [score is None for score in scores] == [False, True]
    with pytest.raises(ScoreError, match="another anchor than 'each'"):
        nvmine.mine_dataset(data, out=tmp_path / "each", teacher=[whole, partial], anchor="each", **options)


def test_one_teacher_with_and_without_a_reranker(small: Dataset, tmp_path: Path) -> None:
    options = {"teacher": WordTeacher(), "method": "naive", "depth": 20, "progress": False}
    scorer = PairScorer("length", lambda pairs: [float(len(passage)) for _, passage in pairs])
    plain = nvmine.mine_dataset(small, out=tmp_path / "plain", **options)
    rescored = nvmine.mine_dataset(small, out=tmp_path / "rescored", rescorer=scorer, **options)
    run = nvmine.ensemble_runs([plain, rescored], out=tmp_path / "both", progress=False)
    checker.check(tmp_path / "both")
    assert nvmine.agreement([run]).columns == ["teacher", "words", "words 2"]


def test_names_that_clash_are_told_apart(small: Dataset, tmp_path: Path) -> None:
    runs = [mined(small, tmp_path / name, name) for name in ("teacher", "other")]
    table = nvmine.agreement([*runs, runs[1]])
    assert table["teacher"].to_list() == table.columns[1:] == ["teacher 2", "other", "other 2"]


def test_no_teacher_is_too_few(small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="at least one"):
        nvmine.mine_dataset(small, out=tmp_path, teacher=[])

"""Texts in, a run out: the stages together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import checker
import nvmine
from nvmine.data import Dataset, open_dataset
from nvmine.errors import PolicyError, RunError, SearchError
from nvmine.run import check_run, single
from nvmine.run.candidates import refill
from vectors_teacher import WordTeacher

POLICIES = {
    "default": {},
    "margin": {"method": "margin", "margin": 0.1},
    "abs": {"method": "abs", "max_score": 0.5},
    "naive": {"method": "naive"},
    "shift": {"method": "shift", "shift": 3},
    "each": {"anchor": "each"},
    "mean": {"anchor": "mean", "percentage": 0.8},
    "uniform": {"sampling": "uniform", "pool": 12},
    "softmax": {"sampling": "softmax", "temperature": 0.1, "first": 1},
    "simans": {"sampling": "simans", "simans_a": 5.0},
    "bins": {"sampling": "bins", "pool": "all", "bins": 4},
    "floor": {"min_score": 0.1},
    "near": {"near_duplicate": 0.1},
    "near each": {"near_duplicate": 0.1, "anchor": "each", "sampling": "uniform"},
    "drop": {"method": "abs", "max_score": -0.4, "on_short": "drop", "n": 30},
}


@pytest.mark.parametrize("fields", POLICIES.values(), ids=POLICIES)
def test_every_policy_gives_a_run_that_the_independent_checker_passes(
    small: Dataset, tmp_path: Path, fields: dict
) -> None:
    run = nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), depth=20, progress=False, **fields)
    checker.check(tmp_path)
    summary = check_run(run)
    assert summary.starved == 0
    assert summary.totals["queries"] == len(small.query_ids)


# A pool of all survivors is one of all that are kept: it follows the depth.
REFILLED = {name: fields for name, fields in POLICIES.items() if fields.get("pool") != "all"}


@pytest.mark.parametrize("fields", REFILLED.values(), ids=REFILLED)
def test_a_shallow_depth_changes_no_negative(small: Dataset, tmp_path: Path, fields: dict) -> None:
    """The refill gives what a search of the whole corpus gives."""
    mined = []
    for depth in (3, len(small.passage_ids)):
        run = nvmine.mine_dataset(
            small, out=tmp_path / str(depth), teacher=WordTeacher(), depth=depth, progress=False, **fields
        )
        mined.append(run.negatives().select("query_id", "positive_id", "negative_ids", "negative_scores"))
    assert mined[0].equals(mined[1])


def test_negatives_equal_a_brute_force(small: Dataset, tmp_path: Path) -> None:
    run = nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), method="margin", margin=0.1, progress=False)
    teacher = WordTeacher()
    scores = teacher.encode_queries(small.query_texts).astype(float) @ teacher.encode_passages(small.passage_texts).T
    folded = [" ".join(text.casefold().split()) for text in small.passage_texts]
    rows = run.negatives().unique("query_id", keep="first", maintain_order=True)
    for query, row in enumerate(rows.iter_rows(named=True)):
        assert row["query_id"] == small.query_ids[query]
        positives = small.positives(query)
        excluded = {folded[p] for p in positives} | {" ".join(small.query_texts[query].casefold().split())}
        ceiling = min(scores[query, positives]) - 0.1
        expected: dict[str, int] = {}
        for passage in np.argsort(-scores[query], kind="stable"):
            if folded[passage] not in excluded and scores[query, passage] < ceiling - 1e-6:
                expected.setdefault(folded[passage], passage)
        found = [small.passage_ids.index(name) for name in row["negative_ids"]]
        np.testing.assert_allclose(row["negative_scores"], scores[query, found], atol=1e-6)
        best = sorted((scores[query, passage] for passage in expected.values()), reverse=True)[:4]
        np.testing.assert_allclose(row["negative_scores"], best, atol=1e-6)


@pytest.mark.parametrize("variant", ["memory", "threads", "shards", "depth", "float16 blocks"])
def test_the_outcome_depends_on_nothing_else(
    small: Dataset, tmp_path: Path, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = WordTeacher(dtype=np.float16)
    fields = {"sampling": "softmax", "temperature": 0.05, "percentage": 0.9}
    plain = nvmine.mine_dataset(small, out=tmp_path / "plain", teacher=teacher, progress=False, **fields)
    options = {"memory": {"memory": "16M"}, "threads": {"threads": 3}, "depth": {"depth": 7}}.get(variant, {})
    if variant == "shards":
        monkeypatch.setattr("nvmine.run.store.workspace.SHARD_ROWS", 7)
    if variant == "float16 blocks":
        monkeypatch.setattr("nvmine.search.blocks._MOST_PASSAGES", 5)
    other = nvmine.mine_dataset(small, out=tmp_path / "other", teacher=teacher, progress=False, **options, **fields)
    assert plain.negatives().drop("candidates", "rejected").equals(other.negatives().drop("candidates", "rejected"))


@pytest.mark.parametrize("devices", ["cpu", ["cpu"] * 3])
def test_devices_share_the_work_and_change_no_byte(
    small: Dataset, tmp_path: Path, devices: str | list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr("nvmine.run.store.workspace.SHARD_ROWS", 16)
    monkeypatch.setattr("nvmine.search.blocks._MOST_PASSAGES_OF_A_DEVICE", 20)
    made = []
    for number, device in enumerate([None, devices]):
        folder = tmp_path / str(number)
        nvmine.mine_dataset(small, out=folder, teacher=WordTeacher(), depth=6, device=device, progress=False)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        made.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert len(made[0]) > 25
    assert made[0] == made[1]


def test_a_thousand_copies_of_a_passage_starve_nobody(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    copies = [f'{{"_id": "c{i}", "text": "red stone{" " * (i % 3)} bridge"}}' for i in range(1000)]
    others = [f'{{"_id": "o{i}", "text": "cold river {word}"}}' for i, word in enumerate("abcd")]
    corpus.write_text("\n".join(copies + others), "utf-8")
    data = [("red stone bridge moon", "red stone bridge moon winter")]
    run = nvmine.mine_dataset(
        data, corpus=corpus, out=tmp_path / "run", teacher=WordTeacher(), method="naive", n=4, depth=10, progress=False
    )
    # One copy, and the best of the others.
    assert run.negatives()["negative_ids"][0].to_list() == ["c0", "o0", "o2", "o1"]
    checker.check(tmp_path / "run")


def near_copies() -> tuple[list[tuple[str, str]], list[str]]:
    """A query, and a corpus in which hundreds of rewordings of one passage come before all others."""
    words = ["red", "stone", "bridge", "over", "the", "old", "river", "near", "town"]
    copies = [" ".join([*words, f"number{copy}"]) for copy in range(300)]
    others = [f"{word} hill far away from every {word} shore" for word in ("cold", "warm", "north", "south", "iron")]
    return [("red stone bridge", "stone bridge of red brick and a tower")], [*copies, *others]


def mine_near_copies(out: Path, **fields: Any) -> tuple[nvmine.Run, list[str]]:
    data, passages = near_copies()
    corpus = out.parent / "corpus.jsonl"
    rows = [json.dumps({"_id": f"c{row}", "text": text}) for row, text in enumerate(passages)]
    corpus.write_text("\n".join(rows), "utf-8")
    teacher = WordTeacher()
    run = nvmine.mine_dataset(
        data, corpus=corpus, out=out, teacher=teacher, method="naive", depth=10, progress=False, **fields
    )
    texts = dict(run.passages().collect().iter_rows())
    return run, [texts[name] for name in run.negatives()["negative_ids"][0]]


@pytest.mark.parametrize("fields", [{}, {"sampling": "uniform", "pool": 4}, {"shift": 1}], ids=str)
def test_a_corpus_of_near_copies_starves_nobody(tmp_path: Path, fields: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    run, negatives = mine_near_copies(tmp_path / "run", near_duplicate=0.5, **fields)
    checker.check(tmp_path / "run")
    assert check_run(run).starved == 0
    assert len(negatives) == 4
    assert sum(text.startswith("red stone bridge over") for text in negatives) <= 1
    assert run.manifest.audit is not None
    assert run.manifest.audit["near_duplicate"] >= 299
    # Without the search below the ceiling the kept candidates are all copies.
    monkeypatch.setattr(refill, "starving_results", lambda *_: np.empty(0, np.int64))
    starved, negatives = mine_near_copies(tmp_path / "starved", near_duplicate=0.5, **fields)
    assert len(negatives) == 1 - fields.get("shift", 0)
    assert check_run(starved).starved == 1


def test_a_near_negative_is_found_out(tmp_path: Path) -> None:
    """What a run without the guard holds does not pass for the run of one with it."""
    run, negatives = mine_near_copies(tmp_path / "run")
    assert all(text.startswith("red stone bridge over") for text in negatives)
    run.manifest.policy["near_duplicate"] = 0.5
    with pytest.raises(RunError, match="is a near-duplicate of a positive, the query or another negative"):
        check_run(run)


def test_bm25_needs_no_model(small: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("bm25s")
    pytest.importorskip("Stemmer")
    run = nvmine.mine_dataset(small, out=tmp_path, progress=False)
    checker.check(tmp_path)
    assert check_run(run).starved == 0
    assert run.manifest.teacher.kind == "bm25"
    # Passages that share no word with a query are no candidates.
    assert run.scan_candidates().select(pl.col("scores").list.min().min()).collect().item() > 0


@pytest.mark.parametrize("index", ["flat", "ivf4", "hnsw8"])
def test_an_index_that_misses_passages_starves_nobody(small: Dataset, tmp_path: Path, index: str) -> None:
    pytest.importorskip("faiss")
    run = nvmine.mine_dataset(
        small, out=tmp_path, teacher=WordTeacher(), index=index, depth=5, percentage=0.6, progress=False
    )
    checker.check(tmp_path)
    assert check_run(run).starved == 0
    assert (run.negatives()["negative_ids"].list.len() == 4).sum() > 0


def test_a_saved_index_is_known_by_what_it_holds(small: Dataset, tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss")
    vectors = WordTeacher().encode_passages(small.passage_texts)
    folder = tmp_path / "index"
    folder.mkdir()
    for number, part in enumerate(np.array_split(vectors, 3)):
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(part)
        faiss.write_index(index, str(folder / f"{number}.faiss"))
    options: dict[str, Any] = {"teacher": WordTeacher(), "depth": 9, "progress": False}
    run = nvmine.mine_dataset(small, out=tmp_path / "run", index=str(folder), **options)
    exact = nvmine.mine_dataset(small, out=tmp_path / "exact", **options)
    assert run.negatives().equals(exact.negatives())
    folder.rename(tmp_path / "moved")
    nvmine.mine_dataset(small, out=tmp_path / "run", index=str(tmp_path / "moved"), **options)
    (tmp_path / "moved/0.faiss").write_bytes(b"changed")
    with pytest.raises(RunError, match="index_digests"):
        nvmine.mine_dataset(small, out=tmp_path / "run", index=str(tmp_path / "moved"), **options)


def test_on_short_raise_names_the_query_after_the_whole_corpus(small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(nvmine.NvmineError, match=r"got \d+ of 200 negatives") as caught:
        nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), n=200, on_short="raise", progress=False)
    assert caught.value.query in small.query_ids


def test_the_data_set_trains(small: Dataset, tmp_path: Path) -> None:
    run = nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), n=2, progress=False)
    table = run.dataset()
    assert table.columns == ["query", "positive", "negative_1", "negative_2"]
    assert table.null_count().row(0) == (0, 0, 0, 0)
    assert table.height == (run.negatives()["negative_ids"].list.len() == 2).sum()
    positives = dict(run.passages().collect().iter_rows())
    assert table["positive"].to_list() == [
        positives[row["positive_id"]] for row in run.negatives().iter_rows(named=True) if len(row["negative_ids"]) == 2
    ]


def test_a_finished_run_is_not_touched(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), progress=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setattr(single, "store_texts", lambda *_: pytest.fail("the run was started again"))
    nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), progress=False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"teacher": WordTeacher("other")}, r"teacher.digest: 'words-float32-0' → 'other-float32-0'"),
        ({"n": 5}, r"policy.n: 4 → 5"),
        ({"depth": 50}, r"search.depth: 100 → 50"),
        ({"seed": 1}, r"policy.seed: 0 → 1"),
        ({"index": "flat"}, r"search.index: 'exact' → 'flat'"),
        ({"split": "test"}, r"data.split: 'train' → 'test'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_run_of_other_work_is_refused_by_what_differs(
    small: Dataset, tmp_path: Path, change: dict, named: str
) -> None:
    nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), progress=False)
    with pytest.raises(RunError, match=named):
        nvmine.mine_dataset(small, out=tmp_path, **({"teacher": WordTeacher()} | change), progress=False)


def test_a_run_of_other_data_is_refused(small: Dataset, tmp_path: Path) -> None:
    nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), progress=False)
    texts = list(small.passage_texts)
    texts[3] += " more"
    with pytest.raises(RunError, match=r"data.digests.corpus"):
        nvmine.mine_dataset(replace(small, passage_texts=texts), out=tmp_path, teacher=WordTeacher(), progress=False)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"depth": 0}, SearchError, "depth.*at least 1"),
        ({"depth": 2.5}, SearchError, "depth.*whole number"),
        ({"memory": "lots"}, SearchError, "memory.*not an amount of memory"),
        ({"memory": "1K"}, SearchError, "smallest budget"),
        ({"threads": 0}, PolicyError, "threads.*must lie in"),
        ({"method": "best"}, PolicyError, "method.*unknown"),
        ({"policy": nvmine.Policy(), "n": 3}, PolicyError, "either policy or its fields"),
        ({"n_negatives": 3}, PolicyError, "n_negatives.*is not a field of a policy"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_options_leave_nothing_behind(
    small: Dataset, tmp_path: Path, options: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        nvmine.mine_dataset(small, out=tmp_path / "run", teacher=WordTeacher(), progress=False, **options)
    assert not (tmp_path / "run").exists()


def test_an_index_of_vectors_is_refused_for_bm25(small: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("bm25s")
    with pytest.raises(SearchError, match=r"index.*bm25 has none"):
        nvmine.mine_dataset(small, out=tmp_path / "run", index="flat", progress=False)


def test_vectors_that_are_not_finite_are_refused(small: Dataset, tmp_path: Path) -> None:
    class Broken(WordTeacher):
        def encode_passages(self, texts: list[str], **options: Any) -> np.ndarray:
            vectors = super().encode_passages(texts, **options)
            vectors[4, 2] = np.nan
            return vectors

    with pytest.raises(SearchError, match=r"passage vector 4 .*NaN"):
        nvmine.mine_dataset(small, out=tmp_path / "run", teacher=Broken(), progress=False)


def test_the_query_itself_is_never_a_negative(tmp_path: Path) -> None:
    data = [("cold river", "warm river"), ("blue moon", "cold  RIVER"), ("x y", "blue moon"), ("p q", "stone bridge")]
    run = nvmine.mine_dataset(
        open_dataset(data), out=tmp_path, teacher=WordTeacher(), method="naive", n=3, progress=False
    )
    texts = dict(run.passages().collect().iter_rows())
    negatives = {row["query_id"]: [texts[n] for n in row["negative_ids"]] for row in run.negatives().to_dicts()}
    assert "cold  RIVER" not in negatives["q0"]
    assert "blue moon" not in negatives["q1"]

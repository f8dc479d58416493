"""Another policy for a finished run: the bytes of mining afresh, from what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import checker
import nvmine
from nvmine.data import Dataset
from nvmine.errors import PolicyError, RunError
from nvmine.run import backends, check_run, shards
from nvmine.run.candidates import kept
from vectors_teacher import WordTeacher

POLICIES: dict[str, dict[str, Any]] = {
    "default": {},
    "margin": {"method": "margin", "margin": 0.1},
    "abs": {"method": "abs", "max_score": 0.3, "n": 6},
    "shift": {"method": "shift", "shift": 3},
    "each": {"anchor": "each", "percentage": 0.7},
    "softmax": {"sampling": "softmax", "temperature": 0.1, "first": 1},
    "near": {"near_duplicate": 0.1},
    "floor": {"min_score": 0.1},
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def mined(data: Dataset, out: Path, **options: Any) -> nvmine.Run:
    return nvmine.mine_dataset(data, out=out, teacher=options.pop("teacher", WordTeacher()), progress=False, **options)


@pytest.mark.parametrize("fields", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("first", ["default", "abs"])
def test_equals_mining_afresh(
    small: Dataset, tmp_path: Path, first: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nvmine.run.store.workspace.SHARD_ROWS", 50)
    source = mined(small, tmp_path / "source", depth=7, **POLICIES[first])
    before = contents(tmp_path / "source")
    afresh = mined(small, tmp_path / "afresh", depth=7, **fields)
    monkeypatch.setattr(kept, "_CANDIDATES_AT_ONCE", 7 * 20)
    run = nvmine.filter_run(source, out=tmp_path / "run", policy=nvmine.Policy(**fields), progress=False)
    assert contents(tmp_path / "run") == contents(tmp_path / "afresh")
    assert contents(tmp_path / "source") == before
    assert run.manifest.audit == afresh.manifest.audit
    checker.check(tmp_path / "run")
    assert check_run(run).starved == 0


@pytest.mark.parametrize("index", ["exact", "ivf4"])
def test_only_who_is_not_fed_is_searched_again(
    small: Dataset, tmp_path: Path, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if index != "exact":
        pytest.importorskip("faiss")
    source = mined(small, tmp_path / "source", depth=12, index=index)
    searched: list[int] = []
    search_below = backends.ExactSearch.search_below

    def counted(self: Any, rows: np.ndarray, *rest: Any) -> Any:
        searched.extend(rows.tolist())
        return search_below(self, rows, *rest)

    monkeypatch.setattr(backends.ExactSearch, "search_below", counted)
    nvmine.filter_run(source, out=tmp_path / "looser", method="naive", n=1, progress=False)
    assert not searched
    run = nvmine.filter_run(source, out=tmp_path / "stricter", percentage=0.55, progress=False)
    assert 0 < len(set(searched)) < len(small.query_ids)
    added = run.scan_candidates().filter(pl.col("ids").list.len() > pl.col("complete")).collect()
    assert set(added["query_id"]) <= {small.query_ids[row] for row in searched}
    assert check_run(run).starved == 0


def test_bm25_is_searched_again_by_the_stored_texts(small: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("bm25s")
    source = mined(small, tmp_path / "source", teacher="bm25", depth=5)
    mined(small, tmp_path / "afresh", teacher="bm25", depth=5, percentage=0.5)
    nvmine.filter_run(source, out=tmp_path / "run", percentage=0.5, progress=False)
    assert contents(tmp_path / "run") == contents(tmp_path / "afresh")


def test_another_bm25_is_refused(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bm25s")
    source = mined(small, tmp_path / "source", teacher="bm25", depth=5)
    monkeypatch.setattr("nvmine.teachers.bm25.version", lambda _: "99.1")
    with pytest.raises(RunError, match=r"bm25s .* → 99\.1"):
        nvmine.filter_run(source, out=tmp_path / "run", percentage=0.5, progress=False)


def test_what_is_not_given_stays(small: Dataset, tmp_path: Path) -> None:
    source = mined(small, tmp_path / "source", method="margin", margin=0.2, seed=5)
    run = nvmine.filter_run(tmp_path / "source", out=tmp_path / "run", n=2, progress=False)
    assert run.policy == nvmine.Policy(method="margin", margin=0.2, seed=5, n=2)
    assert source.policy.n == 4


def test_files_that_both_hold_are_one(small: Dataset, tmp_path: Path) -> None:
    mined(small, tmp_path / "source")
    nvmine.filter_run(tmp_path / "source", out=tmp_path / "run", n=2, progress=False)
    for name in ("passages.parquet", "embeddings/words/corpus-00000.npy"):
        assert (tmp_path / "run" / name).samefile(tmp_path / "source" / name)


def test_an_interrupted_filter_goes_on(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvmine.run.store.workspace.SHARD_ROWS", 30)
    mined(small, tmp_path / "source", depth=6)
    whole = nvmine.filter_run(tmp_path / "source", out=tmp_path / "whole", percentage=0.6, progress=False)
    results_table = shards.results_table
    calls = []

    def failing(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return results_table(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "results_table", failing)
        with pytest.raises(KeyboardInterrupt):
            nvmine.filter_run(tmp_path / "source", out=tmp_path / "run", percentage=0.6, progress=False)
    run = nvmine.filter_run(tmp_path / "source", out=tmp_path / "run", percentage=0.6, progress=False)
    assert contents(run.path) == contents(whole.path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 0}, PolicyError, "n"),
        ({"margn": 0.1}, PolicyError, "margn"),
        ({"policy": nvmine.Policy(), "n": 3}, PolicyError, "not both"),
        ({"policy": {"n": 3}}, PolicyError, "must be a Policy"),
        ({"n": 3, "out": "source"}, RunError, "holds another run"),
        ({"n": 3, "run": "nowhere"}, RunError, "is not a run folder"),
    ],
)
def test_bad_input_is_refused(
    small: Dataset, tmp_path: Path, options: dict[str, Any], error: type, message: str
) -> None:
    mined(small, tmp_path / "source")
    folders = {"run": tmp_path / options.pop("run", "source"), "out": tmp_path / options.pop("out", "new")}
    with pytest.raises(error, match=message):
        nvmine.filter_run(**folders, progress=False, **options)
    assert not (tmp_path / "new").exists()


def test_a_damaged_source_is_refused(small: Dataset, tmp_path: Path) -> None:
    mined(small, tmp_path / "source")
    path = tmp_path / "source/embeddings/words/corpus-00000.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(RunError, match="SHA-256"):
            nvmine.filter_run(tmp_path / "source", out=tmp_path / "run", n=2, progress=False)

"""Runs that an earlier version wrote, kept in ``previous_version/``: they still open, audit, filter and combine.

They were made from ``small_collection(6, 12)`` by the version before the manifest's teacher and search were typed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import checker
import nvmine
from nvmine.run import check_run, summary_text
from small_collection import small_collection
from vectors_teacher import WordTeacher

OPTIONS = {"depth": 5, "method": "margin", "margin": 0.1, "progress": False}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A copy, since opening a run must not be able to change what the repository holds."""
    return Path(shutil.copytree(Path(__file__).parent / "previous_version", tmp_path / "runs"))


@pytest.mark.parametrize("name", ["single", "ensemble", "judged"])
def test_a_run_of_the_previous_version_opens_and_audits(runs: Path, name: str) -> None:
    run = nvmine.open_run(runs / name)
    summary = check_run(run)
    assert summary.starved == 0
    assert "every file, count and negative checked" in summary_text(run, summary)
    checker.check(runs / name)
    assert run.n == 2
    assert run.dataset().height > 0


def test_a_run_of_the_previous_version_is_the_run_of_this_one(runs: Path, tmp_path: Path) -> None:
    again = nvmine.mine_dataset(
        small_collection(6, 12), out=tmp_path / "again", teacher=WordTeacher(), n=2, consistency=4, **OPTIONS
    )
    old, new = ({p.relative_to(r): p.read_bytes() for p in r.rglob("*.npy")} for r in (runs / "single", again.path))
    assert len(old) == 2
    assert old == new
    assert nvmine.open_run(runs / "single").negatives().equals(again.negatives())


def test_a_run_of_the_previous_version_is_filtered_as_mining_afresh(runs: Path, tmp_path: Path) -> None:
    filtered = nvmine.filter_run(runs / "single", out=tmp_path / "filtered", margin=0.3, n=3, progress=False)
    afresh = nvmine.mine_dataset(
        small_collection(6, 12),
        out=tmp_path / "afresh",
        teacher=WordTeacher(),
        n=3,
        consistency=4,
        **{**OPTIONS, "margin": 0.3},
    )
    assert filtered.negatives().equals(afresh.negatives())
    checker.check(filtered.path)


def test_members_of_the_previous_version_are_combined_again(runs: Path, tmp_path: Path) -> None:
    members = nvmine.open_run(runs / "ensemble").members()
    both = nvmine.ensemble_runs(members, out=tmp_path / "both", how="cross", progress=False)
    assert check_run(both).starved == 0

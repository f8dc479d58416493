"""Run folders that are damaged, unfinished, foreign or of another version are refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import checker
import nvmine
from nvmine.data import Dataset
from nvmine.errors import RunError
from nvmine.run import check_run
from nvmine.run.store.manifest import Manifest, _checksum
from nvmine.run.store.storage import Storage, verify
from vectors_teacher import WordTeacher


@pytest.fixture
def run(small: Dataset, tmp_path: Path) -> nvmine.Run:
    return nvmine.mine_dataset(small, out=tmp_path / "run", teacher=WordTeacher(), depth=20, progress=False)


def edit(run: nvmine.Run, change: Callable[[dict[str, Any]], None], *, sign: bool = True) -> None:
    path = run.path / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    checksum = content.pop("checksum")
    change(content)
    content["checksum"] = _checksum(content) if sign else checksum
    path.write_text(json.dumps(content), "utf-8")


BAD_MANIFESTS = {
    "another version": (lambda m: m.update(schema_version=99), "format version 99"),
    "no version": (lambda m: m.pop("schema_version"), "is not the manifest of a run"),
    "shards of another form": (lambda m: m.update(shards=[{"name": "x"}]), "is not the manifest of a run"),
    "not finished": (lambda m: m.update(audit=None), "not finished"),
}


@pytest.mark.parametrize(("change", "message"), BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
def test_bad_manifests_are_refused(run: nvmine.Run, change: Callable[[dict[str, Any]], None], message: str) -> None:
    edit(run, change)
    with pytest.raises(RunError, match=message) as caught:
        nvmine.open_run(run.path)
    assert caught.value.path is not None
    assert str(run.path) in caught.value.path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not the manifest of a run"),
        ("[]", "is not the manifest of a run"),
        ("\x00", "is not the manifest of a run"),
        ('{"schema_version": 2}', "is not the manifest of a run"),
    ],
)
def test_files_that_are_not_manifests_are_refused(run: nvmine.Run, text: str, message: str) -> None:
    (run.path / "manifest.json").write_text(text, "utf-8")
    with pytest.raises(RunError, match=message):
        nvmine.open_run(run.path)


def test_a_manifest_that_is_not_text_is_refused(run: nvmine.Run) -> None:
    (run.path / "manifest.json").write_bytes(b"\xff\xfe")
    with pytest.raises(RunError, match="cannot be read"):
        nvmine.open_run(run.path)


def test_a_manifest_changed_by_hand_is_refused(run: nvmine.Run) -> None:
    edit(run, lambda m: m["policy"].update(n=5), sign=False)
    with pytest.raises(RunError, match="changed or damaged"):
        nvmine.open_run(run.path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside.parquet", "negatives-x/../../../y"])
def test_a_manifest_cannot_name_files_outside(run: nvmine.Run, name: str) -> None:
    shard = {"path": name, "rows": 1, "bytes": 1, "sha256": "0" * 64}
    edit(run, lambda m: m["shards"].append(shard))
    with pytest.raises(RunError, match="outside the run"):
        check_run(nvmine.open_run(run.path))


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no manifest\.json"):
        nvmine.open_run(tmp_path)


def test_a_folder_with_other_files_is_not_taken(small: Dataset, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", "utf-8")
    with pytest.raises(RunError, match=r"not empty.*thesis\.tex"):
        nvmine.mine_dataset(small, out=tmp_path, teacher=WordTeacher(), progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_folder(small: Dataset, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("", "utf-8")
    with pytest.raises(RunError, match="cannot be used as a run folder"):
        nvmine.mine_dataset(small, out=tmp_path / "run", teacher=WordTeacher(), progress=False)


def test_every_damaged_byte_of_a_shard_is_noticed(run: nvmine.Run) -> None:
    for path in run.files(""):
        content = path.read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            damaged = bytearray(content)
            damaged[place] ^= 1
            path.write_bytes(damaged)
            with pytest.raises(RunError, match="is not the recorded file") as caught:
                check_run(run)
            assert caught.value.path == str(path)
        path.write_bytes(content[:-1])
        with pytest.raises(RunError, match="is not the recorded file"):
            check_run(run)
        path.write_bytes(content)
    assert check_run(run).starved == 0


def test_a_missing_shard_is_noticed(run: nvmine.Run) -> None:
    run.files("negatives-")[0].unlink()
    with pytest.raises(RunError, match="missing"):
        run.negatives()
    with pytest.raises(RunError, match="missing"):
        check_run(run)


def forge(run: nvmine.Run, change: Callable[[pl.DataFrame], pl.DataFrame]) -> nvmine.Run:
    """The run with other results, signed as if they had been mined."""
    name = "negatives-00000.parquet"
    table = change(pl.read_parquet(run.path / name))
    storage = Storage(run.path)
    manifest = Manifest.load(run.path)
    manifest.shards[name] = storage.commit(name, table.height, lambda path: table.write_parquet(path))
    manifest.save(storage)
    storage.close()
    verify(run.path, manifest.shards[name])
    return nvmine.open_run(run.path)


def swap_in(other: pl.Expr) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Puts a passage in the place of the first negative of every full row."""
    first = pl.concat_list(other, pl.col("negative_ids").list.slice(1))
    full = pl.col("negative_ids").list.len() == 4
    return lambda table: table.with_columns(pl.when(full).then(first).otherwise("negative_ids").alias("negative_ids"))


FORGERIES = {
    "a positive": (swap_in(pl.col("positive_id")), "not a candidate of its query|not its candidate's|is a positive"),
    "no passage": (swap_in(pl.lit("nowhere")), "not a passage of the corpus"),
    "a repetition": (swap_in(pl.col("negative_ids").list.get(1)), "not its candidate's|repeated"),
    "another score": (
        lambda t: t.with_columns(pl.col("negative_scores").list.eval(pl.element() - pl.lit(0.001, pl.Float32))),
        "not its candidate's",
    ),
    "a lost candidate": (
        lambda t: t.with_columns(pl.col("rejected").struct.with_fields(pl.field("ceiling") + 1)),
        "not accounted for",
    ),
    "a lost row": (lambda t: t.filter(pl.col("query_id") != t["query_id"][0]), "the manifest records"),
    "another order": (
        lambda t: t.with_columns(pl.col("negative_ids", "negative_scores").list.reverse()),
        "score order",
    ),
}


@pytest.mark.parametrize(("change", "message"), FORGERIES.values(), ids=FORGERIES)
def test_the_check_finds_what_is_wrong(
    run: nvmine.Run, change: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    assert check_run(run).starved == 0
    with pytest.raises(RunError, match=message) as caught:
        check_run(forge(run, change))
    assert caught.value.path == str(run.path)


def test_a_negative_above_its_ceiling_is_found(run: nvmine.Run) -> None:
    edit(run, lambda m: m["policy"].update(percentage=0.1))
    with pytest.raises(RunError, match="not below its ceiling"):
        check_run(nvmine.open_run(run.path))


def test_a_negative_below_the_floor_is_found(run: nvmine.Run) -> None:
    edit(run, lambda m: m["policy"].update(min_score=0.9))
    with pytest.raises(RunError, match="below min_score"):
        check_run(nvmine.open_run(run.path))


def test_a_path_is_not_read_as_a_pattern(small: Dataset, tmp_path: Path) -> None:
    nvmine.mine_dataset(small, out=tmp_path / "run1", teacher=WordTeacher(), method="naive", progress=False)
    run = nvmine.mine_dataset(small, out=tmp_path / "run[1]", teacher=WordTeacher(), percentage=0.5, progress=False)
    checker.check(tmp_path / "run[1]")
    assert check_run(run).totals["ceiling"] > 0

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nvmine.data import huggingface, open_dataset
from nvmine.data.formats.tables import list_table
from nvmine.errors import DataError, PolicyError

FRAME = pl.DataFrame({"query": ["a", "b"], "positive": ["x", "y"]})


def test_a_beir_folder_is_recognised(beir_folder: Callable[..., Path]) -> None:
    folder = beir_folder()
    assert open_dataset(folder).query_ids == open_dataset(str(folder), split="train").query_ids == ["q2", "q1"]
    with pytest.raises(DataError, match="no split 'test'"):
        open_dataset(folder, split="test")


def test_values_and_files_have_equal_digests(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    FRAME.write_parquet(path)
    digests = open_dataset(FRAME).digests()
    assert open_dataset(path).digests() == open_dataset(str(path)).digests() == digests
    assert open_dataset(FRAME.rows()).digests() == digests
    dataset = open_dataset(path)
    assert open_dataset(dataset) is dataset


def test_options_of_pairs_are_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "more.txt"
    path.write_text("more\n")
    frame = FRAME.rename({"query": "one"}).vstack(pl.DataFrame({"one": ["c"], "positive": [""]}))
    data = open_dataset(frame, query_column="one", corpus=path, on_missing="skip")
    assert (data.query_texts, data.passage_texts) == (["a", "b"], ["more", "x", "y"])


def test_hugging_face_datasets_have_the_digests_of_the_frame(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra `datasets` is not installed")
    data = datasets.Dataset.from_dict(FRAME.to_dict(as_series=False))
    data.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(dev=data).save_to_disk(tmp_path / "many")
    digests = open_dataset(FRAME).digests()
    assert open_dataset(data).digests() == open_dataset(tmp_path / "one").digests() == digests
    assert open_dataset(tmp_path / "many", split="dev").digests() == digests


def test_a_name_is_looked_up_on_the_hub_only_if_there_is_no_such_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_hub(name: str, *, split: str) -> Any:
        return list_table([(name, split)], ["query", "positive"], name)

    monkeypatch.setattr(huggingface, "open_hub", open_hub)
    monkeypatch.chdir(tmp_path)
    data = open_dataset("owner/some-name.v1:pair", split="dev")
    assert (data.name, data.passage_texts) == ("owner/some-name.v1:pair", ["dev"])
    (tmp_path / "owner" / "name").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no dataset: looked for corpus.jsonl, dataset_dict.json"):
        open_dataset("owner/name")
    with pytest.raises(DataError, match=r"owner/pairs.csv: no such file"):
        open_dataset("owner/pairs.csv")
    with pytest.raises(DataError, match="nothing here"):
        open_dataset(Path("owner/other"))


@pytest.mark.parametrize("name", ["absent", "/absent/name", "a/b/c", "owner/na me", "", "https://host/name", "a/b\n"])
def test_a_path_with_nothing_there_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="looked for") as caught:
        open_dataset(name)
    assert caught.value.path == (name or ".")


@pytest.mark.parametrize("data", [3, None, b"bytes", {"query": ["a"]}, FRAME.lazy()], ids=lambda v: type(v).__name__)
def test_other_types_are_refused(data: object) -> None:
    with pytest.raises(DataError, match=f"cannot read a {type(data).__name__}; expected a path"):
        open_dataset(data)


@pytest.mark.parametrize("option", ["query_column", "positive_column", "corpus"])
def test_options_that_would_be_ignored_are_refused(beir_folder: Callable[..., Path], option: str) -> None:
    for data in (beir_folder(), open_dataset(FRAME)):
        with pytest.raises(DataError, match="can only be used with pairs, and this is a ") as caught:
            open_dataset(data, **{option: "text"})
        assert caught.value.argument == option


def test_an_unknown_on_missing_is_refused() -> None:
    with pytest.raises(PolicyError, match="expected 'raise' or 'skip', found 'drop'") as caught:
        open_dataset(FRAME, on_missing="drop")  # type: ignore[arg-type]
    assert caught.value.argument == "on_missing"


def test_importing_loads_no_heavy_library() -> None:
    code = "import sys, nvmine.data; sys.exit(bool({'datasets', 'polars', 'torch'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)

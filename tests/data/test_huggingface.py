from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from nvmine.data.huggingface import open_folder, open_hub, open_object
from nvmine.data.pairs import read_pairs
from nvmine.errors import DataError, MissingExtraError

datasets = pytest.importorskip("datasets", reason="the extra `datasets` is not installed")


def three() -> Any:
    columns = {"anchor": ["a", "b", "c"], "positive": ["x", "y", "z"], "n": [1, 2, 3]}
    return datasets.Dataset.from_dict(columns)


def test_a_saved_dataset_is_read(tmp_path: Path) -> None:
    three().save_to_disk(tmp_path / "saved")
    data = read_pairs(open_folder(tmp_path / "saved"))
    assert data.name == str(tmp_path / "saved")
    assert (data.query_texts, data.passage_texts) == (["a", "b", "c"], ["x", "y", "z"])


def test_a_split_of_a_saved_dataset_is_selected(tmp_path: Path) -> None:
    datasets.DatasetDict(train=three(), test=three().select([1])).save_to_disk(tmp_path / "saved")
    assert read_pairs(open_folder(tmp_path / "saved", split="test")).query_texts == ["b"]
    with pytest.raises(DataError, match="no split 'dev': the splits are 'train', 'test'") as caught:
        open_folder(tmp_path / "saved", split="dev")
    assert caught.value.path == str(tmp_path / "saved")


def test_selections_filters_and_formats_are_honoured() -> None:
    data = three().select([2, 0]).with_format("numpy")
    assert read_pairs(open_object(data)).query_texts == ["c", "a"]
    assert read_pairs(open_object(three().filter(lambda row: row["n"] == 2))).query_texts == ["b"]


def test_an_error_names_the_row() -> None:
    data = datasets.Dataset.from_dict({"query": ["a", "b"], "positive": [["x", "y"], ["z", None]]})
    with pytest.raises(DataError, match="a Hugging Face dataset, column 'positive', row 1: expected text, found null"):
        read_pairs(open_object(data))
    assert read_pairs(open_object(data.select([0]))).passage_texts == ["x", "y"]


def test_a_hub_name_may_have_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(*arguments: object, split: str) -> Any:
        asked.append((*arguments, split))
        return three()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert open_hub("owner/name").name == "owner/name"
    assert open_hub("owner/name:pair", split="test").columns == ["anchor", "positive", "n"]
    assert asked == [("owner/name", None, "train"), ("owner/name", "pair", "test")]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(datasets.exceptions.DatasetNotFoundError("absent"), id="no such dataset"),
        pytest.param(ValueError("Unknown split"), id="no such split"),
        pytest.param(ConnectionError("offline"), id="no connection"),
    ],
)
def test_errors_of_the_hub_are_passed_on(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load_dataset(*_: object, split: str) -> Any:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError, match=str(error)) as caught:
        open_hub("owner/name")
    assert caught.value.path == "owner/name"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("state.json", "{", id="state cut short"),
        pytest.param("state.json", "{}", id="state without keys"),
        pytest.param("state.json", "[]", id="state of another type"),
        pytest.param("data-00000-of-00001.arrow", "junk", id="junk for Arrow"),
        pytest.param("dataset_info.json", None, id="no info"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, name: str, content: str | None) -> None:
    folder = tmp_path / "saved"
    three().save_to_disk(folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(DataError, match="cannot be loaded") as caught:
        open_folder(folder)
    assert caught.value.path == str(folder)


def test_an_iterable_dataset_is_refused() -> None:
    with pytest.raises(DataError, match="found IterableDataset"):
        open_object(three().to_iterable_dataset())


def test_a_missing_extra_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nvmine\[datasets\]'"):
        open_folder(tmp_path)

"""The files that examples in docstrings name: they run in a folder that holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from _pytest.doctest import DoctestItem

PAIRS = [("what is a negative?", "a passage that does not answer"), ("what is a query?", "a question to passages")]


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files of every kind."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "a", "text": "what is a negative?"}) + "\n", "utf-8")
    (folder / "two.txt").write_text("first\nsecond", "utf-8")
    (folder / "pairs.csv").write_text("query,positive\n" + "".join(f"{a},{b}\n" for a, b in PAIRS), "utf-8")
    (folder / "run.trec").write_text(
        "".join(f"q Q0 p{rank} {rank} {1 / rank} bm25\n" for rank in range(1, 11)), "utf-8"
    )
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp1\t1\n", "utf-8")
    beir = folder / "scifact"
    (beir / "qrels").mkdir(parents=True)
    for name, ids in (("queries", ["1", "3"]), ("corpus", ["10", "20"])):
        rows = [json.dumps({"_id": number, "text": f"text {number}"}) for number in ids]
        (beir / f"{name}.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    (beir / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n1\t10\t1\n3\t20\t1\n", "utf-8")
    return folder


@pytest.fixture(scope="session")
def example_runs(example_folder: Path) -> None:
    """Finished runs of the same data by different teachers."""
    pytest.importorskip("polars")
    import nvmine
    from small_collection import small_collection
    from vectors_teacher import WordTeacher

    data = small_collection(10, 30)
    for seed, name in enumerate(("run", "e5", "bm25")):
        teacher = WordTeacher(name, seed=seed)
        nvmine.mine_dataset(data, teacher=teacher, out=example_folder / name, depth=10, progress=False)


@pytest.fixture(autouse=True)
def _in_the_example_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not isinstance(request.node, DoctestItem):
        return
    folder = request.getfixturevalue("example_folder")
    module = request.node.dtest.name if request.node.dtest is not None else ""
    if module.startswith(("nvmine.run.mine", "nvmine.run.filter")):
        # They mine with BM25, the default teacher.
        pytest.importorskip("bm25s")
        pytest.importorskip("Stemmer")
    if module.startswith("nvmine.run"):
        request.getfixturevalue("example_runs")
    if module.startswith("nvmine.data.huggingface"):
        datasets = pytest.importorskip("datasets")
        table = datasets.Dataset.from_dict({"anchor": [a for a, _ in PAIRS], "positive": [b for _, b in PAIRS]})
        if not (folder / "saved").exists():
            datasets.DatasetDict({"train": table}).save_to_disk(str(folder / "saved"))

        def load_dataset(*_: Any, **__: Any) -> Any:
            return table

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.chdir(folder)

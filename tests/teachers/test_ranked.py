"""Ranked lists from files of every format, against lists sorted in Python; and broken files."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmine.data import Dataset
from nvmine.data.formats import trec
from nvmine.errors import DataError, DtypeError
from nvmine.teachers import RankedTeacher
from nvmine.teachers.protocols import RankedLists

Row = tuple[str, str, float]


def dataset(queries: list[str], passages: list[str]) -> Dataset:
    offsets = np.zeros(len(queries) + 1, np.int64)
    return Dataset("x", queries, queries, passages, passages, offsets, np.empty(0, np.int64))


def by_hand(rows: list[Row], queries: list[str], passages: list[str]) -> list[list[tuple[int, float]]]:
    lists = []
    for query in queries:
        best: dict[int, float] = {}
        for _, passage, score in (row for row in rows if row[0] == query):
            number = passages.index(passage)
            best[number] = max(best.get(number, -np.inf), float(np.float32(score)))
        lists.append(sorted(best.items(), key=lambda item: (-item[1], item[0])))
    return lists


def as_lists(found: RankedLists) -> list[list[tuple[int, float]]]:
    assert (found.offsets.dtype, found.ids.dtype, found.scores.dtype) == (np.int64, np.int64, np.float32)
    pairs = list(zip(found.ids.tolist(), found.scores.tolist(), strict=True))
    return [pairs[start:stop] for start, stop in zip(found.offsets[:-1], found.offsets[1:], strict=True)]


def trec_lines(rows: list[Row]) -> str:
    return "".join(f"{query} Q0 {passage} 1 {score!r} tag\n" for query, passage, score in rows)


def table(rows: list[Row], names: tuple[str, str, str] = ("query_id", "passage_id", "score")) -> pl.DataFrame:
    return pl.DataFrame(rows, dict(zip(names, (pl.String, pl.String, pl.Float64), strict=True)), orient="row")


def write_gzipped(text: str, path: Path) -> None:
    path.write_bytes(gzip.compress(text.encode()))


FORMS: dict[str, Any] = {
    "run.parquet": lambda rows, path: table(rows).write_parquet(path),
    "single.parquet": lambda rows, path: table(rows).cast({"score": pl.Float32}).write_parquet(path),
    "run.csv": lambda rows, path: table(rows, ("query-id", "corpus-id", "score")).write_csv(path),
    "run.csv.gz": lambda rows, path: write_gzipped(table(rows).write_csv(), path),
    "run.tsv": lambda rows, path: table(rows, ("qid", "docid", "sim")).write_csv(path, separator="\t"),
    "run.jsonl": lambda rows, path: table(rows).write_ndjson(path),
    "run.jsonl.gz": lambda rows, path: write_gzipped(table(rows).write_ndjson(), path),
    "run.trec": lambda rows, path: path.write_text(trec_lines(rows)),
    "run.txt.gz": lambda rows, path: write_gzipped(trec_lines(rows), path),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_lists(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trec, "_PIECE", 200)
    draw = random.Random(form)
    queries, passages = [f"q{n}" for n in draw.sample(range(50), 20)], [f"p{n}" for n in draw.sample(range(90), 30)]
    # With ties, repeated passages, unsorted queries, and queries that are not in the dataset.
    rows = [
        (draw.choice([*queries[2:], "other"]), draw.choice(passages), round(draw.uniform(-1, 1), 1)) for _ in range(600)
    ]
    rows = [row if row[0] != "other" else (row[0], "nowhere", row[2]) for row in rows]
    FORMS[form](rows, tmp_path / form)
    found = RankedTeacher.open(tmp_path / form).lists(dataset(queries, passages))
    assert as_lists(found) == by_hand(rows, queries, passages)
    assert as_lists(found)[:2] == [[], []]


scores = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 0.1]), st.floats(-1e38, 1e38))
rows_of_any = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("vwxyz"), scores), min_size=1)


@given(rows_of_any)
def test_any_lists_are_sorted_and_deduplicated(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.mktemp("any") / "run.parquet"
    table(rows).write_parquet(path)
    queries, passages = ["c", "a", "b"], list("zvxyw")
    assert as_lists(RankedTeacher.open(path).lists(dataset(queries, passages))) == by_hand(rows, queries, passages)


def test_whole_numbers_are_ids_and_scores(tmp_path: Path) -> None:
    pl.DataFrame({"qid": [1, 1, 2], "pid": [10, 20, 10], "score": [1, 2, 3]}).write_parquet(tmp_path / "run.parquet")
    (tmp_path / "run.jsonl").write_text('{"qid": 1, "pid": 10, "score": "1"}\n{"qid": 2, "pid": 10, "score": "3e0"}\n')
    data = dataset(["2", "1"], ["10", "20"])
    assert as_lists(RankedTeacher.open(tmp_path / "run.parquet").lists(data)) == [[(0, 3.0)], [(1, 2.0), (0, 1.0)]]
    assert as_lists(RankedTeacher.open(tmp_path / "run.jsonl").lists(data)) == [[(0, 3.0)], [(0, 1.0)]]


def test_columns_can_be_named(tmp_path: Path) -> None:
    rows = [("a", "x", 0.5), ("a", "y", 0.25)]
    frame = table(rows, ("who", "what", "first")).with_columns(second=-pl.col("first"))
    frame.write_parquet(tmp_path / "run.parquet")
    teachers = [
        RankedTeacher.open(tmp_path / "run.parquet", query_column="who", passage_column="what", score_column=name)
        for name in ("first", "second")
    ]
    assert [as_lists(teacher.lists(dataset(["a"], ["x", "y"]))) for teacher in teachers] == [
        [[(0, 0.5), (1, 0.25)]],
        [[(1, -0.25), (0, -0.5)]],
    ]
    assert teachers[0].describe() != teachers[1].describe()
    assert teachers[0].describe()["columns"] == ["who", "what", "first"]
    with pytest.raises(DataError, match=r"known as query; the columns are: 'who', 'what'.* with query_column="):
        RankedTeacher.open(tmp_path / "run.parquet")
    with pytest.raises(DataError, match=r"column 'rank': no such column"):
        RankedTeacher.open(tmp_path / "run.parquet", query_column="who", passage_column="what", score_column="rank")
    (tmp_path / "run.trec").write_text(trec_lines(rows))
    with pytest.raises(
        DataError, match=r"run.trec, argument 'passage_column': is 'what', but the columns of a TREC run file"
    ):
        RankedTeacher.open(tmp_path / "run.trec", passage_column="what")


CSV = "query_id,passage_id,score\na,x,0.9\na,y,0.1\n"
RUN = "a Q0 x 1 0.9 t\na Q0 y 2 0.1 t\n"
BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "unknown passage": ("run.csv", CSV + "b,new,1\n", "run.csv, query 'b': passage 'new' is not in the dataset"),
    "unknown passage in a run": ("run.trec", RUN + "b Q0 new 1 1 t\n", "run.trec, query 'b': passage 'new' is not in"),
    "NaN": ("run.csv", CSV + "b,x,nan\n", "run.csv, query 'b': passage 'x' has score nan in float32"),
    "infinite": ("run.trec", RUN + "b Q0 x 3 -inf t\n", "run.trec, query 'b': passage 'x' has score -inf"),
    "beyond float32": ("run.csv", CSV + "b,x,1e39\n", "query 'b': passage 'x' has score inf in float32"),
    "none of the queries": ("run.csv", CSV.replace("\na,", "\nc,"), "run.csv: has no candidates for any of 2 queries"),
    "no rows": ("run.csv", CSV[:26], "run.csv: has no candidates for any of 2 queries"),
    "no lines": ("run.trec", "\n", "run.trec: has no candidates for any of 2 queries"),
    "no file": ("run.csv", b"", "run.csv: no such file"),
    "unknown suffix": ("run.xlsx", CSV, "run.xlsx: unknown kind of file"),
    "no Parquet": ("run.parquet", CSV, "run.parquet: cannot be read"),
    "short row": ("run.csv", CSV + "b,x\n", "run.csv:4: 2 fields"),
    "long row": ("run.csv", CSV + "b,x,1,2\n", "run.csv:4: 4 fields"),
    "empty id": ("run.csv", CSV + ",x,1\n", "run.csv:4, column 'query_id': '' is not an id"),
    "no number": (
        "run.tsv",
        CSV.replace(",", "\t") + "b\tx\thigh\n",
        "run.tsv:4, column 'score': 'high' is not a number",
    ),
    "not UTF-8": ("run.csv", CSV.encode() + b"b,\xff,1\n", "run.csv:4: not UTF-8"),
    "broken JSON": ("run.jsonl", '{"query_id": "a", "passage_id": "x", "score": 1}\n{"query_id"', "run.jsonl:2"),
    "too few columns": ("run.trec", RUN + "b Q0 x 3 0.5\n", "run.trec:3: 5 columns, expected 6"),
    "no number in a run": ("run.trec", RUN + "b Q0 x 3 x t\n", "run.trec:3, column 'score': 'x' is not a number"),
    "a run cut short": ("run.trec.gz", gzip.compress(RUN.encode())[:-9], "run.trec.gz: cannot be read"),
}


@pytest.mark.parametrize(("name", "content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_its_place(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    if content:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as caught:
        RankedTeacher.open(tmp_path / name).lists(dataset(["a", "b"], ["x", "y"]))
    assert message in str(caught.value)
    assert caught.value.path == str(tmp_path / name)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"query_id": None}, "passage 'x' has a null query"),
        ({"passage_id": None}, "query 'a': a candidate has a null passage"),
        ({"score": None}, "query 'a': passage 'x' has a null score"),
    ],
)
def test_nulls_in_parquet_are_refused(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    good = {"query_id": "a", "passage_id": "x", "score": 1.0}
    pl.DataFrame([good, good | row], good.keys()).write_parquet(tmp_path / "run.parquet")
    with pytest.raises(DataError) as caught:
        RankedTeacher.open(tmp_path / "run.parquet").lists(dataset(["a"], ["x"]))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values"),
    [("query_id", [1.5]), ("passage_id", [["x"]]), ("score", ["0.5"]), ("score", [True]), ("score", [[0.5]])],
)
def test_columns_of_wrong_types_are_refused(column: str, values: list[Any], tmp_path: Path) -> None:
    frame = pl.DataFrame({"query_id": ["a"], "passage_id": ["x"], "score": [1.0]} | {column: values})
    frame.write_parquet(tmp_path / "run.parquet")
    with pytest.raises(DtypeError, match=f"run.parquet, column '{column}': holds .*, expected .*; cast the column"):
        RankedTeacher.open(tmp_path / "run.parquet")


def test_the_description_is_json_and_follows_the_content_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "bm25.trec").write_text(RUN)
    described = RankedTeacher.open(str(tmp_path / "bm25.trec")).describe()
    assert json.loads(json.dumps(described)) == described
    digest = described.pop("digest")
    assert described == {"kind": "ranked", "name": "bm25", "columns": None}
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "bm25.trec", tmp_path / "moved")
    assert RankedTeacher.open(tmp_path / "moved/bm25.trec").describe()["digest"] == digest
    (tmp_path / "moved/bm25.trec").write_text(RUN + RUN)
    assert RankedTeacher.open(tmp_path / "moved/bm25.trec").describe()["digest"] != digest

"""Files of ranked lists in every form, against the long form in memory, and files that are broken."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import nvmine
import nvmine.polars
from nvmine.data.formats import trec
from nvmine.errors import DataError, DtypeError, NvmineError, PolicyError, RunError, ScoreError
from nvmine.polars import ranked


def collection(seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns candidates with string ids, ties and duplicates, grouped by query but not sorted, and their qrels."""
    draw = random.Random(seed)
    rows, labels = [], []
    for query in draw.sample(range(1000), 60):
        depth = draw.choice([1, 5, 20])
        listed = [f"d{draw.randrange(40)}" for _ in range(depth)]
        rows += [(f"q{query}", passage, round(draw.random(), 2)) for passage in listed]
        labels += [(f"q{query}", passage, 1) for passage in dict.fromkeys(draw.sample(listed, min(2, depth)))]
        labels.append((f"q{query}", "never", 0))
    labels += [("q2000", "d1", 1), ("q2001", "d1", 2)]
    run = pl.DataFrame(rows, {"query_id": pl.String, "passage_id": pl.String, "score": pl.Float64}, orient="row")
    names = {"query_id": pl.String, "passage_id": pl.String, "relevance": pl.Int64}
    return run, pl.DataFrame(labels, names, orient="row")


def lists(run: pl.DataFrame) -> pl.DataFrame:
    return run.group_by("query_id", maintain_order=True).agg(ids="passage_id", scores="score")


def trec_lines(run: pl.DataFrame) -> str:
    return "".join(f"{query} Q0\t{passage}  1 {score!r} tag\n" for query, passage, score in run.iter_rows())


def write_gzipped(text: str, path: Path) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def renamed(run: pl.DataFrame, *names: str) -> pl.DataFrame:
    return run.rename(dict(zip(run.columns, names, strict=True)))


FORMS: dict[str, Any] = {
    "run.parquet": lambda run, path: run.write_parquet(path),
    "docids.parquet": lambda run, path: renamed(run, "qid", "docid", "score").write_parquet(path),
    "run.csv": lambda run, path: renamed(run, "query-id", "corpus-id", "score").write_csv(path),
    "run.tsv": lambda run, path: run.write_csv(path, separator="\t"),
    "run.csv.gz": lambda run, path: write_gzipped(run.write_csv(), path),
    "run.jsonl": lambda run, path: run.write_ndjson(path),
    "lists.parquet": lambda run, path: lists(run).write_parquet(path),
    "run.trec": lambda run, path: path.write_text(trec_lines(run)),
    "run.txt": lambda run, path: path.write_text("\ufeff" + trec_lines(run).replace("\n", "\r\n\n"), newline=""),
    "run.run.gz": lambda run, path: write_gzipped(trec_lines(run).removesuffix("\n"), path),
}

LABELS: dict[str, Any] = {
    "qrels.tsv": lambda qrels, path: renamed(qrels, "query-id", "corpus-id", "score").write_csv(path, separator="\t"),
    "trec.qrels": lambda qrels, path: path.write_text("".join(f"{q} 0 {p} {r}\n" for q, p, r in qrels.iter_rows())),
    "qrels.parquet": lambda qrels, path: qrels.write_parquet(path),
    "qrels.csv": lambda qrels, path: renamed(qrels, "qid", "docid", "label").write_csv(path),
    "qrels.jsonl": lambda qrels, path: qrels.write_ndjson(path),
}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranked, "BATCH", 50)
    monkeypatch.setattr(ranked, "QUERIES", 7)
    monkeypatch.setattr(trec, "_PIECE", 300)


def expected(run: pl.DataFrame, qrels: pl.DataFrame, **fields: Any) -> pl.DataFrame:
    return nvmine.polars.mine_long(run, qrels, **fields).collect()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_candidates_gives_the_same_results(form: str, tmp_path: Path) -> None:
    run, qrels = collection()
    FORMS[form](run, tmp_path / form)
    LABELS["qrels.tsv"](qrels, tmp_path / "qrels.tsv")
    fields = {"sampling": "uniform", "pool": "all", "n": 3}
    mined = nvmine.mine_ranked(tmp_path / form, tmp_path / "qrels.tsv", out=tmp_path / "out.parquet", **fields)
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert table["query_id"].to_list() == run["query_id"].unique(maintain_order=True).to_list()
    assert_frame_equal(table.sort("query_id"), expected(run, qrels, **fields), check_exact=True)
    assert mined == nvmine.MinedFile(
        path=tmp_path / "out.parquet",
        queries=60,
        results=60,
        negatives=int(table["negative_ids"].list.len().sum()),
        short=int((table["negative_ids"].list.len() < 3).sum()),
        unranked=2,
    )
    assert {path.name for path in tmp_path.iterdir()} == {form, "qrels.tsv", "out.parquet"}


@pytest.mark.parametrize("form", LABELS)
def test_every_form_of_qrels_gives_the_same_results(form: str, tmp_path: Path) -> None:
    run, qrels = collection(1)
    FORMS["run.parquet"](run, tmp_path / "run.parquet")
    LABELS[form](qrels, tmp_path / form)
    nvmine.mine_ranked(str(tmp_path / "run.parquet"), str(tmp_path / form), out=str(tmp_path / "out.parquet"))
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert_frame_equal(table.sort("query_id"), expected(run, qrels), check_exact=True)


@pytest.mark.parametrize("form", ["run.parquet", "run.csv", "run.trec"])
def test_rows_may_be_in_any_order(form: str, tmp_path: Path) -> None:
    run, qrels = collection(2)
    FORMS[form](run.sample(fraction=1, shuffle=True, seed=1), tmp_path / form)
    qrels.write_parquet(tmp_path / "qrels.parquet")
    policy = nvmine.Policy(anchor="each", n=2)
    mined = nvmine.mine_ranked(tmp_path / form, tmp_path / "qrels.parquet", out=tmp_path / "o.parquet", policy=policy)
    table = pl.read_parquet(tmp_path / "o.parquet")
    assert_frame_equal(table, expected(run, qrels, policy=policy), check_exact=True)
    assert mined.results == len(table) > mined.queries == 60


def test_ids_that_are_numbers_match_labels_in_text(tmp_path: Path) -> None:
    run, qrels = collection(3)
    number = pl.col("query_id", "passage_id").str.extract(r"(\d+)").cast(pl.UInt32)
    run, kept = run.with_columns(number), qrels.filter(pl.col("passage_id") != "never").with_columns(number)
    run.write_parquet(tmp_path / "run.parquet")
    lists(run).write_parquet(tmp_path / "lists.parquet")
    LABELS["trec.qrels"](kept, tmp_path / "q.qrels")
    for name in ("run", "lists"):
        out = tmp_path / f"{name}-out.parquet"
        nvmine.mine_ranked(tmp_path / f"{name}.parquet", tmp_path / "q.qrels", out=out, sampling="uniform")
        table = pl.read_parquet(out)
        assert_frame_equal(table.sort("query_id"), expected(run, kept, sampling="uniform"), check_exact=True)
        assert table.schema["negative_ids"] == pl.List(pl.UInt32)


@pytest.mark.parametrize("passage", [pl.String, pl.Int64], ids=str)
@pytest.mark.parametrize("anchor", ["min", "each"])
def test_lists_are_mined_against_their_own_positives(anchor: Any, passage: Any, tmp_path: Path) -> None:
    draw = random.Random(4)
    rows = []
    for query in range(40):
        depth = draw.choice([0, 3, 20])
        ids = draw.sample(range(100), depth)
        positives = sorted(map(str, draw.sample(range(100), 2))) if passage == pl.String else draw.sample(range(100), 2)
        listed = (None, None) if depth == 0 and query % 2 else (ids, [draw.random() for _ in ids])
        rows.append((query, *listed, sorted(map(int, positives)), [draw.random(), None if query % 3 else 0.8]))
    schema = {"qid": pl.Int64, "ids": pl.List(pl.Int64), "scores": pl.List(pl.Float32)}
    schema |= {"pos_ids": pl.List(pl.Int64), "pos_scores": pl.List(pl.Float64)}
    frame = pl.DataFrame(rows, schema, orient="row").cast({"ids": pl.List(passage), "pos_ids": pl.List(passage)})
    frame.write_parquet(tmp_path / "lists.parquet")
    mined = nvmine.mine_ranked(tmp_path / "lists.parquet", out=tmp_path / "out.parquet", anchor=anchor)
    filled = frame.filter(pl.col("ids").list.len() > 0)
    run = filled.select("qid", "ids", "scores").explode("ids", "scores", empty_as_null=False)
    qrels = frame.select("qid", "pos_ids", "pos_scores").explode("pos_ids", "pos_scores", empty_as_null=False)
    reference = nvmine.polars.mine_long(
        run, qrels, query="qid", passage="ids", score="scores", qrels_passage="pos_ids", pos_score="pos_scores",
        anchor=anchor,
    )  # fmt: skip
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert_frame_equal(table, reference.collect().rename({"qid": "query_id"}), check_exact=True)
    assert mined.unranked == 40 - len(filled) > 0
    arrays = frame.filter(pl.col("ids").list.len() == 3).cast({"ids": pl.Array(passage, 3)})
    arrays.write_parquet(tmp_path / "arrays.parquet")
    nvmine.mine_ranked(tmp_path / "arrays.parquet", out=tmp_path / "arrays-out.parquet", anchor=anchor)
    of_arrays = pl.read_parquet(tmp_path / "arrays-out.parquet")
    assert_frame_equal(of_arrays, table.filter(pl.col("candidates") == 3), check_exact=True)


@pytest.mark.parametrize("passage", [pl.String, pl.Int64], ids=str)
def test_lists_of_a_query_in_several_rows_are_joined(passage: Any, tmp_path: Path) -> None:
    rows = [("b", [1, 2], [0.5, 0.4], [1], [0.5]), ("a", [3], [0.1], [3, 4], [0.1, 0.9])]
    rows += [("b", [7, 1], [0.2, 0.7], [7, 1], [0.2, 0.7])]
    frame = pl.DataFrame(rows, ["query_id", "ids", "scores", "pos_ids", "pos_scores"], orient="row")
    frame = frame.cast({"ids": pl.List(passage), "pos_ids": pl.List(passage)})
    frame.write_parquet(tmp_path / "lists.parquet")
    nvmine.mine_ranked(tmp_path / "lists.parquet", out=tmp_path / "out.parquet", method="naive", anchor="each")
    table = pl.read_parquet(tmp_path / "out.parquet").cast({"negative_ids": pl.List(pl.Int64), "positive_id": pl.Int64})
    assert table.select("query_id", "positive_id", "positive_score", "negative_ids").rows() == [
        ("a", 3, 0.1, []),
        ("a", 4, 0.9, []),
        ("b", 1, 0.7, [2]),
        ("b", 7, 0.2, [2]),
    ]


def test_qrels_take_precedence_over_the_positives_of_lists(tmp_path: Path) -> None:
    run, qrels = collection(8)
    with_others = lists(run).with_columns(pos_ids=pl.col("ids").list.head(1), pos_scores=pl.col("scores").list.head(1))
    with_others.write_parquet(tmp_path / "lists.parquet")
    qrels.write_parquet(tmp_path / "qrels.parquet")
    nvmine.mine_ranked(tmp_path / "lists.parquet", tmp_path / "qrels.parquet", out=tmp_path / "out.parquet")
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert_frame_equal(table.sort("query_id"), expected(run, qrels), check_exact=True)


def test_scores_of_positives_are_read_from_the_qrels(tmp_path: Path) -> None:
    run, qrels = collection(5)
    run.write_parquet(tmp_path / "run.parquet")
    scored = qrels.with_columns(pos_score=pl.lit(0.5))
    scored.write_parquet(tmp_path / "qrels.parquet")
    nvmine.mine_ranked(tmp_path / "run.parquet", tmp_path / "qrels.parquet", out=tmp_path / "out.parquet")
    reference = nvmine.polars.mine_long(run, scored, pos_score="pos_score").collect()
    assert_frame_equal(pl.read_parquet(tmp_path / "out.parquet").sort("query_id"), reference, check_exact=True)


def test_columns_can_be_named(tmp_path: Path) -> None:
    run, qrels = collection(6)
    renamed(run, "question", "answer", "cosine").write_csv(tmp_path / "run.csv")
    qrels.write_parquet(tmp_path / "qrels.parquet")
    names = {"query_column": "question", "passage_column": "answer", "score_column": "cosine"}
    nvmine.mine_ranked(tmp_path / "run.csv", tmp_path / "qrels.parquet", out=tmp_path / "out.parquet", **names)
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert_frame_equal(table.sort("query_id"), expected(run, qrels), check_exact=True)


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_bytes_do_not_depend_on_the_number_of_threads(shuffle: bool, tmp_path: Path) -> None:
    draw = random.Random(7)
    rows = [(query, draw.randrange(10_000), draw.random()) for query in range(3000) for _ in range(40)]
    if shuffle:
        draw.shuffle(rows)
    run = pl.DataFrame(rows, {"query_id": pl.Int64, "passage_id": pl.Int64, "score": pl.Float32}, orient="row")
    run.write_parquet(tmp_path / "run.parquet", row_group_size=10_000)
    run.group_by("query_id").first().write_parquet(tmp_path / "qrels.parquet")
    program = """
import sys
from nvmine.polars import ranked
ranked.BATCH, ranked.ROW_GROUP = 9_999, 500
ranked.mine_ranked("run.parquet", "qrels.parquet", out=sys.argv[1], threads=int(sys.argv[2]))
"""
    for threads in ("1", "2", "5"):
        environment = os.environ | {"POLARS_MAX_THREADS": threads}
        command = [sys.executable, "-c", program, f"{threads}.parquet", threads]
        subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=120)
    written = {(tmp_path / f"{threads}.parquet").read_bytes() for threads in ("1", "2", "5")}
    assert len(written) == 1


# --- What is refused -------------------------------------------------------------------------------------------

QRELS = "query-id\tcorpus-id\tscore\na\tx\t1\nb\ty\t1\n"
CSV = "query_id,passage_id,score\na,x,0.9\na,y,0.1\nb,y,0.8\n"
RUN = "a Q0 x 1 0.9 t\na Q0 y 2 0.1 t\nb Q0 y 1 0.8 t\n"

BROKEN: dict[str, tuple[str, str | bytes, type[NvmineError], str]] = {
    "no such file": ("run.csv", b"", DataError, "run.csv: no such file"),
    "unknown suffix": ("run.xlsx", CSV, DataError, "run.xlsx: unknown kind of file"),
    "not Parquet": ("run.parquet", CSV, DataError, "run.parquet: cannot be read"),
    "missing column": (
        "run.csv",
        CSV.replace("score", "rank"),
        DataError,
        "known as score; the columns are: ",
    ),
    "short row": ("run.csv", CSV + "b,z\n", DataError, "run.csv:5: 2 fields"),
    "long row": ("run.csv", CSV + "b,z,1,2\n", DataError, "run.csv:5: 4 fields"),
    "empty id": ("run.csv", CSV + "b,,1\n", DataError, "run.csv:5, column 'passage_id': '' is not an id"),
    "not a number": ("run.csv", CSV + "b,z,high\n", DataError, "run.csv:5, column 'score': 'high' is not a number"),
    "not a number in TSV": ("run.tsv", CSV.replace(",", "\t").replace("0.1", "low"), DataError, "run.tsv:3"),
    "not UTF-8": ("run.csv", CSV.encode() + b"b,\xff,1\n", DataError, "run.csv:5: not UTF-8"),
    "broken JSON": ("run.jsonl", '{"query_id": "a", "passage_id": "x", "score": 1}\n{"query_id"', DataError, "jsonl:2"),
    "null in JSON": (
        "run.jsonl",
        "".join(json.dumps({"query_id": "a", "passage_id": name, "score": 1.5}) + "\n" for name in ("x", None)),
        DataError,
        "run.jsonl:2, column 'passage_id': null is not an id",
    ),
    "too few columns": ("run.trec", RUN + "b Q0 z 3 0.5\n", DataError, "run.trec:4: 5 columns, expected 6"),
    "no score in a run": (
        "run.trec",
        "\n" + RUN + "b Q0 z 3 x t\n",
        DataError,
        "run.trec:5, column 'score': 'x' is not a number",
    ),
    "a run not UTF-8": ("run.trec", RUN.encode() + b"b Q0 \xff 3 1 t\n", DataError, "run.trec:4: not UTF-8"),
    "a run cut short": ("run.trec.gz", gzip.compress(RUN.encode())[:-9], DataError, "run.trec.gz: cannot be read"),
    "NaN of a positive": ("run.trec", RUN.replace("0.9", "nan"), ScoreError, "run.trec, query 'a': positive score 0"),
    "no positive": ("run.csv", CSV + "c,x,1\n", ScoreError, "run.csv, query 'c': has no positive score"),
}


@pytest.mark.parametrize(("name", "content", "kind", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_candidates_are_refused(
    name: str, content: str | bytes, kind: type[NvmineError], message: str, tmp_path: Path
) -> None:
    if content:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (tmp_path / "qrels.tsv").write_text(QRELS)
    before = set(tmp_path.iterdir())
    with pytest.raises(kind) as caught:
        nvmine.mine_ranked(tmp_path / name, tmp_path / "qrels.tsv", out=tmp_path / "out.parquet")
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert set(tmp_path.iterdir()) == before


def test_ids_of_two_types_in_json_are_refused(tmp_path: Path) -> None:
    lines = [{"query_id": 1, "passage_id": number, "score": 1.5} for number in [*range(200), "x"]]
    (tmp_path / "run.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "qrels.tsv").write_text("1\t5\t1\n")
    with pytest.raises(DataError, match=r"run.jsonl:201, column 'passage_id': str, but earlier ids are int"):
        nvmine.mine_ranked(tmp_path / "run.jsonl", tmp_path / "qrels.tsv", out=tmp_path / "out.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.tsv", QRELS + "c\tx\n", "q.tsv:4: 2 columns"),
        ("q.tsv", QRELS + "a\tx\t0\n", "q.tsv:4, query 'a'"),
        ("q.csv", "query_id,label\na,1\n", "known as passage; the columns are: 'query_id', 'label'; rename one to"),
        ("q.csv", "query_id,passage_id,label\na,x,1\na,x,0\n", "q.csv, query 'a': qrels contradict themselves"),
        ("q.csv", "query_id,passage_id,label\na,x,yes\n", "q.csv: cannot be read"),
        ("q.csv", "query_id,passage_id,label\na,,1\n", "q.csv, column 'passage', row 0: an id in qrels is null"),
        ("q.doc", QRELS, "unknown kind of file"),
    ],
)
def test_broken_qrels_are_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text(RUN)
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as caught:
        nvmine.mine_ranked(tmp_path / "run.trec", tmp_path / name, out=tmp_path / "out.parquet")
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_wrong_calls_are_refused_and_write_nothing(tmp_path: Path) -> None:
    run, qrels, out = tmp_path / "run.trec", tmp_path / "qrels.tsv", tmp_path / "out.parquet"
    run.write_text(RUN)
    qrels.write_text(QRELS)
    with pytest.raises(DataError, match="no positives: pass qrels="):
        nvmine.mine_ranked(run, out=out)
    with pytest.raises(
        DataError, match="argument 'query_column': is 'qid', but the columns of a TREC run file have no names"
    ):
        nvmine.mine_ranked(run, qrels, out=out, query_column="qid")
    with pytest.raises(DataError, match="argument 'out': this is the file of candidates"):
        nvmine.mine_ranked(run, qrels, out=run)
    with pytest.raises(PolicyError, match="is not a field of a policy"):
        nvmine.mine_ranked(run, qrels, out=out, percent=3)
    with pytest.raises(PolicyError, match=r"mine the texts themselves with nvmine\.mine_dataset"):
        nvmine.mine_ranked(run, qrels, out=out, near_duplicate=0.8)
    with pytest.raises(RunError, match="cannot be written"):
        nvmine.mine_ranked(run, qrels, out=run / "out.parquet")
    assert run.read_text() == RUN
    nvmine.mine_ranked(run, qrels, out=out)
    pl.DataFrame({"query_id": [1], "passage_id": [2], "score": [0.5]}).write_parquet(tmp_path / "numbers.parquet")
    with pytest.raises(DataError, match=r"qrels.tsv, column 'query': 'a' is not a whole number"):
        nvmine.mine_ranked(tmp_path / "numbers.parquet", qrels, out=out)
    assert pl.read_parquet(out)["query_id"].to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("columns", "kind", "message"),
    [
        ({"ids": [["x"]], "scores": [[0.5, 0.6]]}, DataError, "query 'a': its candidates have 1 ids but 2 scores"),
        ({"ids": [["x"]], "scores": [["y"]]}, DtypeError, "column 'scores': holds List"),
        ({"ids": ["x"], "scores": [[0.5]]}, DtypeError, "column 'ids': holds String, expected lists of"),
        ({"ids": [[0.5]], "scores": [[0.5]]}, DtypeError, "column 'ids': holds List"),
        ({"ids": [["x"]], "score": [[0.5]]}, DataError, "known as score"),
        (
            {"ids": [["x"]], "scores": [[0.5]], "pos_ids": [["y", "z"]], "pos_scores": [[0.5]]},
            DataError,
            "query 'a': its positives have 2 ids but 1 scores",
        ),
    ],
)
def test_lists_of_other_types_or_lengths_are_refused(
    columns: Any, kind: type[NvmineError], message: str, tmp_path: Path
) -> None:
    (tmp_path / "qrels.tsv").write_text(QRELS)
    pl.DataFrame({"query_id": ["a"], **columns}).write_parquet(tmp_path / "lists.parquet")
    qrels = None if "pos_ids" in columns else tmp_path / "qrels.tsv"
    with pytest.raises(kind) as caught:
        nvmine.mine_ranked(tmp_path / "lists.parquet", qrels, out=tmp_path / "out.parquet")
    assert message in str(caught.value)
    assert "lists.parquet" in str(caught.value)

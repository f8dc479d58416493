"""The long form against ``nvmine.mine`` and the oracle on the same candidates, on every engine."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given
from polars.exceptions import ComputeError
from polars.io.plugins import register_io_source
from polars.testing import assert_frame_equal

import nvmine
import nvmine.polars
import oracle
from engines import ENGINES, sunk
from nvmine.audit import REASONS
from nvmine.data.stream import batches
from nvmine.errors import DataError, DtypeError, PolicyError
from nvmine.polars import long
from nvmine.polars.whole import are_grouped, whole_queries

POLARS = tuple(int(part) for part in pl.__version__.split(".")[:2])
WIDE = [dtype for dtype in (getattr(pl, "Int128", None), getattr(pl, "UInt128", None)) if dtype]


def candidates(queries: int, seed: int, passage: Any = pl.Int64, query: Any = pl.Int64) -> pl.DataFrame:
    """Returns rows with ties, duplicates, nulls, NaN and padding, grouped by query."""
    draw = random.Random(seed)
    rows: list[tuple[Any, Any, Any]] = []
    for number in draw.sample(range(100), queries):
        for _ in range(draw.choice([1, 3, 12, 30])):
            score = draw.choice([round(draw.random(), 1), draw.random(), -draw.random()])
            score = draw.choice([None, math.nan, math.inf]) if draw.random() < 0.06 else score
            rows.append((number, None if draw.random() < 0.05 else draw.randrange(40), score))
    frame = pl.DataFrame(rows, {"query_id": pl.Int64, "passage_id": pl.Int64, "score": pl.Float32}, orient="row")
    return frame.with_columns(pl.col("query_id").cast(query), pl.col("passage_id").cast(passage))


def judged(run: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Returns judgements for most queries: of candidates or not, positive or not, some with a score."""
    draw = random.Random(seed)
    rows = []
    # A positive's score must be finite.
    unfit = run.filter(~pl.col("score").is_finite()).cast({"passage_id": pl.Int64})
    broken = set(unfit.select("query_id", "passage_id").iter_rows())
    for query in run["query_id"].unique(maintain_order=True):
        for passage in draw.sample(range(45), draw.choice([0, 1, 2, 5])):
            relevance = 0 if (query, passage) in broken else draw.choice([-1, 0, 1, 2])
            rows.append((query, passage, relevance, draw.choice([None, draw.random()])))
    schema = {"query_id": run.schema["query_id"], "passage_id": pl.Int64, "relevance": pl.Int8, "known": pl.Float64}
    qrels = pl.DataFrame(rows, schema, orient="row")
    return qrels.with_columns(pl.col("passage_id").cast(run.schema["passage_id"]))


def grouped_by_hand(run: pl.DataFrame, qrels: pl.DataFrame, *, known: bool) -> list[dict[str, Any]]:
    """Returns the candidates and positives of each query, gathered by loops; a positive without a score has None."""
    positives: dict[Any, dict[Any, Any]] = {}
    for query, passage, relevance, score in qrels.iter_rows():
        if relevance > 0:
            positives.setdefault(query, {})[passage] = score if known else None
    made: dict[Any, dict[str, Any]] = {}
    for query, passage, score in run.iter_rows():
        entry = made.setdefault(query, {"query": query, "ids": [], "scores": [], "found": positives.get(query, {})})
        entry["ids"].append(passage)
        entry["scores"].append(score)
        if not known and passage in entry["found"] and score is not None:
            best = entry["found"][passage]
            entry["found"][passage] = score if best is None else max(best, score)
    return sorted(made.values(), key=lambda entry: entry["query"])


def expected(run: pl.DataFrame, qrels: pl.DataFrame, *, known: bool = False, **fields: Any) -> pl.DataFrame:
    """Returns what ``nvmine.mine`` gives, in the columns of the long form; other ids than numbers go by their rank."""
    kind = run.schema["passage_id"]
    numbered = kind == pl.String or kind in WIDE
    entries = grouped_by_hand(run, qrels, known=known)
    ids, positives, names_of = [], [], []
    for entry in entries:
        names = sorted({name for name in entry["ids"] if name is not None})
        number = {name: place + 1 for place, name in enumerate(names)} if numbered else {name: name for name in names}
        ids.append([number.get(name) for name in entry["ids"]])
        positives.append([number[name] for name in entry["found"] if name in number])
        names_of.append({place: name for name, place in number.items()})
    scored = [sorted((p, score) for p, score in entry["found"].items() if score is not None) for entry in entries]
    negatives = nvmine.mine(
        pl.Series([entry["scores"] for entry in entries], dtype=pl.List(pl.Float32)),
        pl.Series([[score for _, score in pairs] for pairs in scored], dtype=pl.List(pl.Float64)),
        ids=pl.Series(ids, dtype=pl.List(pl.Int64)),
        pos_ids=pl.Series(positives, dtype=pl.List(pl.Int64)),
        query_ids=[entry["query"] for entry in entries],
        **fields,
    )
    rows = []
    for table in negatives.to_polars().iter_rows(named=True):
        query, pair = table["query"], {}
        if fields.get("anchor") == "each":
            pair = dict(zip(("positive_id", "positive_score"), scored[query][table["positive"]], strict=True))
        kept = {name: table[name] for name in ("negative_scores", "candidates", "rejected")}
        names = [names_of[query][number] for number in table["negative_ids"]]
        rows.append({"query_id": entries[query]["query"], **pair, "negative_ids": names, **kept})
    each = {"positive_id": kind, "positive_score": pl.Float64} if fields.get("anchor") == "each" else {}
    schema = {
        "query_id": run.schema["query_id"],
        **each,
        "negative_ids": pl.List(kind),
        "negative_scores": pl.List(pl.Float32),
        "candidates": pl.UInt32,
        "rejected": pl.Struct(dict.fromkeys(REASONS, pl.UInt32)),
    }
    return pl.DataFrame(rows, schema)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long, "BATCH", 7)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("passage", [pl.Int32, pl.Int64, pl.UInt8, pl.UInt32, pl.UInt64, pl.String, *WIDE], ids=str)
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_every_engine_and_type_of_id_gives_the_results_of_mine(engine: Any, passage: Any, tmp_path: Path) -> None:
    run = candidates(40, 1, passage)
    if engine is sunk and passage in WIDE and POLARS < (2, 0):
        pytest.skip("no Parquet type for 128 bits")
    qrels = judged(run, 2)
    fields = {"on_missing": "skip", "sampling": "uniform", "n": 3}
    mined = nvmine.polars.mine_long(shuffled(run), qrels, **fields)
    assert_frame_equal(engine(mined, tmp_path), expected(run, qrels, **fields), check_exact=True)
    result = mined.collect()
    assert result.schema == mined.collect_schema()
    counted = pl.col("negative_ids").list.len() + pl.sum_horizontal(pl.col("rejected").struct.unnest())
    assert result.select((pl.col("candidates") == counted).all()).item()


def shuffled(run: pl.DataFrame, seed: int = 0) -> pl.LazyFrame:
    return run.sample(fraction=1, shuffle=True, seed=seed).lazy()


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("query", [pl.Int8, pl.UInt16, pl.UInt64, pl.String, pl.Int128], ids=str)
def test_draws_use_the_id_of_the_query(query: Any) -> None:
    run = candidates(30, 4, query=query)
    qrels = judged(run, 5)
    fields = {"on_missing": "skip", "sampling": "softmax", "pool": "all"}
    mined = nvmine.polars.mine_long(shuffled(run), qrels, **fields).collect()
    reference = expected(run, qrels, **fields)
    assert_frame_equal(mined, reference.with_columns(pl.col("query_id").cast(mined.schema["query_id"])))


POLICIES: list[dict[str, Any]] = [
    {"method": "naive", "n": 40},
    {"method": "margin", "margin": 0.1, "anchor": "max", "on_short": "drop"},
    {"method": "perc", "percentage": 0.9, "anchor": "mean"},
    {"anchor": "each"},
    {"anchor": "each", "sampling": "uniform", "seed": 2**64 - 1},
    {"sampling": "simans", "simans_a": 3.5, "pool": "all"},
    {"sampling": "bins", "bins": 3, "first": 1},
]


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("passage", [pl.Int64, pl.String], ids=str)
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("fields", POLICIES, ids=str)
def test_every_policy_gives_the_results_of_mine(fields: dict[str, Any], known: bool, passage: Any) -> None:
    run, fields = candidates(40, 7, passage), {"on_missing": "skip", **fields}
    qrels = judged(run, 8)
    score = "known" if known else None
    whole = nvmine.polars.mine_long(shuffled(run), qrels, pos_score=score, policy=nvmine.Policy(**fields)).collect()
    assert_frame_equal(whole, expected(run, qrels, known=known, **fields), check_exact=True)


@given(st.integers(0, 2**32), st.integers(0, 20), st.integers(1, 50), st.sampled_from([pl.Int64, pl.String]))
def test_results_do_not_depend_on_batches_or_on_grouped(seed: int, queries: int, batch: int, passage: Any) -> None:
    run = candidates(queries, seed, passage)
    qrels = judged(run, seed + 1)
    fields = {"on_missing": "skip", "sampling": "uniform"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long, "BATCH", batch)
        mined = nvmine.polars.mine_long(shuffled(run, seed % 97), qrels, **fields).collect()
        in_place = nvmine.polars.mine_long(run, qrels, grouped=True, **fields).collect()
    assert_frame_equal(mined, expected(run, qrels, **fields), check_exact=True)
    order = run["query_id"].unique(maintain_order=True)
    assert in_place["query_id"].to_list() == order.to_list()
    assert_frame_equal(in_place.sort("query_id"), mined, check_exact=True)


def test_the_oracle_agrees() -> None:
    run = candidates(30, 11, pl.String).filter(pl.col("score").is_finite())
    qrels = judged(run, 12)
    mined = nvmine.polars.mine_long(shuffled(run), qrels, on_missing="skip").collect()
    for entry, row in zip(grouped_by_hand(run, qrels, known=False), mined.iter_rows(named=True), strict=True):
        names = sorted({name for name in entry["ids"] if name is not None})
        query = oracle.Query(
            scores=entry["scores"],
            ids=[-1 if name is None else names.index(name) for name in entry["ids"]],
            positive_scores=[score for score in entry["found"].values() if score is not None],
            excluded=[names.index(name) for name in entry["found"] if name in names],
        )
        (outcome,) = oracle.mine(query, oracle.Rule(on_missing="skip"))
        assert row["negative_ids"] == [names[number] for number in outcome.ids]
        assert row["negative_scores"] == outcome.scores


def test_equal_scores_are_ordered_by_the_bytes_of_the_ids() -> None:
    names = ["b", "a", "é", "Z", "10", "9", "", "aa", "\U0001f600", "\uffff"]
    run = pl.DataFrame({"query_id": "q", "passage_id": ["p", *names], "score": [0.9] + [0.5] * len(names)})
    qrels = pl.DataFrame({"query_id": ["q"], "passage_id": ["p"]})
    mined = nvmine.polars.mine_long(run, qrels, n=20).collect()
    assert mined["negative_ids"].to_list() == [sorted(names, key=lambda name: name.encode())]


def test_columns_may_have_other_names() -> None:
    run = candidates(10, 3)
    qrels = judged(run, 4)
    plain = nvmine.polars.mine_long(run, qrels, on_missing="skip").collect()
    renamed = run.rename({"query_id": "qid", "passage_id": "docid", "score": "sim"}).with_columns(rank=1)
    other = qrels.rename({"query_id": "query-id", "passage_id": "corpus-id", "relevance": "rel"})
    mined = nvmine.polars.mine_long(
        renamed,
        other,
        query="qid",
        passage="docid",
        score="sim",
        qrels_query="query-id",
        qrels_passage="corpus-id",
        relevance="rel",
        on_missing="skip",
    )
    assert_frame_equal(mined.collect().rename({"qid": "query_id"}), plain)


def test_later_operations_see_the_same_rows() -> None:
    run = candidates(30, 6)
    qrels = judged(run, 7)
    mined = nvmine.polars.mine_long(run, qrels, on_missing="skip")
    whole = mined.collect()
    assert_frame_equal(mined.head(3).collect(), whole.head(3))
    assert_frame_equal(mined.select("negative_ids").collect(), whole.select("negative_ids"))
    kept = mined.filter(pl.col("candidates") > 5).select("query_id")
    assert_frame_equal(kept.collect(), whole.filter(pl.col("candidates") > 5).select("query_id"))
    assert_frame_equal(nvmine.polars.mine_long(run.clear(), qrels).collect(), whole.clear())
    nothing = nvmine.polars.mine_long(run.clear(), qrels, anchor="each")
    assert nothing.collect().schema == nothing.collect_schema()


def test_batches_hold_whole_queries() -> None:
    draw = random.Random(0)
    for _ in range(100):
        runs = [(name, draw.choice([1, 2, 9])) for name in draw.sample(range(50), draw.randrange(8))]
        frame = pl.DataFrame({"query": [name for name, length in runs for _ in range(length)]}, {"query": pl.Int64})
        cuts = sorted(draw.randrange(len(frame) + 1) for _ in range(4))
        pieces = [frame[start:end] for start, end in zip([0, *cuts], [*cuts, len(frame)], strict=True)]
        assert are_grouped(pieces)
        whole = list(whole_queries(pieces))
        assert [value for piece in whole for value in piece["query"]] == frame["query"].to_list()
        assert sum(piece["query"].n_unique() for piece in whole) == len(runs)
        if len(runs) > 1:
            assert not are_grouped([*pieces, frame[:1]])
            with pytest.raises(DataError, match="its rows are not adjacent"):
                list(whole_queries([*pieces, frame[:1]]))


# --- What is refused -------------------------------------------------------------------------------------------


RUN = pl.DataFrame({"query_id": ["a", "b", "b"], "passage_id": ["x", "y", "z"], "score": [0.9, 0.8, 0.1]})
QRELS = pl.DataFrame({"query_id": ["a", "b"], "passage_id": ["x", "y"], "relevance": [1, 1]})


@pytest.mark.parametrize(
    ("run", "qrels", "options", "kind", "message"),
    [
        (RUN.drop("score"), QRELS, {}, DataError, "column 'score': no such column"),
        (RUN, QRELS.drop("passage_id"), {}, DataError, "column 'passage_id': no such column in qrels"),
        (RUN, QRELS, {"relevance": "rel"}, DataError, "column 'rel'"),
        (RUN, QRELS, {"pos_score": "s"}, DataError, "column 's'"),
        (RUN.with_columns(score=pl.lit("1")), QRELS, {}, DtypeError, "holds String, expected numbers"),
        (RUN.with_columns(passage_id=0.5), QRELS, {}, DtypeError, "holds Float64"),
        (RUN.with_columns(passage_id=1), QRELS, {}, DtypeError, "cast one of them"),
        (RUN, QRELS.with_columns(relevance=pl.lit("1")), {}, DtypeError, "expected numbers"),
        (RUN, QRELS.with_columns(query_id=pl.Series(["a", None])), {}, DataError, "row 1: an id in qrels is null"),
        (RUN, pl.concat([QRELS, QRELS[1:].with_columns(relevance=pl.lit(0, pl.Int64))]), {}, DataError, "contradict"),
        (RUN, QRELS, {"percent": 3}, PolicyError, "is not a field of a policy"),
        (RUN, QRELS, {"threads": 0}, PolicyError, "threads"),
        (RUN, QRELS, {"near_duplicate": 0.8}, PolicyError, "mine the texts themselves with nvmine.mine_dataset"),
    ],
)
def test_tables_of_other_columns_or_types_are_refused(
    run: Any, qrels: Any, options: Any, kind: Any, message: str
) -> None:
    with pytest.raises(kind, match=message):
        nvmine.polars.mine_long(run, qrels, **options)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_queries_that_cannot_be_mined_are_named(engine: Any, tmp_path: Path) -> None:
    def message(run: pl.DataFrame, qrels: pl.DataFrame, **options: Any) -> str:
        # Polars 2 passes on the exception itself.
        with pytest.raises((ComputeError, nvmine.NvmineError)) as caught:
            engine(nvmine.polars.mine_long(run, qrels, **options), tmp_path)
        return f"{type(caught.value).__name__}: {caught.value}"

    assert "ScoreError: query 'b': has no positive score" in message(RUN, QRELS[:1])
    assert "ScoreError: query 'b': has no positive score" in message(RUN, QRELS[:1], anchor="each")
    broken = RUN.with_columns(score=pl.Series([0.9, math.nan, 0.1]))
    assert "ScoreError: query 'b': positive score 0 is NaN" in message(broken, QRELS)
    assert "ShortError: query 'a'" in message(RUN, QRELS, on_short="raise")
    assert "its id is null" in message(RUN.with_columns(query_id=pl.Series(["a", None, "b"])), QRELS)
    again = pl.concat([RUN, RUN[:1]])
    assert "DataError: query 'a': its rows are not adjacent" in message(again, QRELS, grouped=True)
    assert engine(nvmine.polars.mine_long(again, QRELS), tmp_path).height == 2


def test_an_error_of_the_source_is_raised() -> None:
    def source(*_: Any) -> Any:
        yield RUN
        raise ValueError("the disk is gone")

    broken = register_io_source(source, schema=RUN.schema)
    with pytest.raises((ComputeError, ValueError), match="the disk is gone"):
        nvmine.polars.mine_long(broken, QRELS, grouped=True).collect()


def test_a_closed_iterator_stops_reading() -> None:
    read = 0

    def source(*_: Any) -> Any:
        nonlocal read
        for read in range(10_000):
            yield RUN.with_columns(query_id=pl.lit(str(read)))

    endless = register_io_source(source, schema=RUN.schema)
    rows = batches(endless, 3)
    assert next(rows).height == 3
    rows.close()
    assert read < 9_999

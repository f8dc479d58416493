"""Expressions against ``nvmine.mine`` on the same rows, on every engine and however the frame is split."""

from __future__ import annotations

import ctypes
import math
import pickle
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from polars.exceptions import ComputeError
from polars.testing import assert_frame_equal

import nvmine
import nvmine.polars
from engines import ENGINES
from nvmine import _core
from nvmine.audit import REASONS
from nvmine.errors import PolicyError

COUNTS = pl.Struct(dict.fromkeys(REASONS, pl.UInt32))
# Float16 came with Polars 1.36.
SCORES = [dtype for dtype in (getattr(pl, "Float16", None), pl.Float32, pl.Float64) if dtype]
IDS = [pl.Int32, pl.Int64, pl.UInt32, pl.UInt64]


def queries(rows: int, seed: int = 0, scores: Any = pl.Float32, ids: Any = pl.Int64) -> pl.DataFrame:
    """Returns rows of candidates, some with ties, duplicates, nulls, NaN, padding or empty lists."""
    draw = random.Random(seed)
    made: dict[str, list[Any]] = {
        name: [] for name in ("scores", "ids", "pos_scores", "pos_ids", "own", "query", "text")
    }
    for row in range(rows):
        depth = draw.choice([0, 1, 5, 12, 12, 30])
        values = [draw.choice([round(draw.random(), 2), -draw.random(), draw.random()]) for _ in range(depth)]
        values = [draw.choice([None, math.nan, math.inf]) if draw.random() < 0.06 else value for value in values]
        passages = [None if draw.random() < 0.05 else draw.randrange(40) for _ in range(depth)]
        # Both lists of a row are null, or neither is; otherwise they would differ in length.
        missing = draw.random() < 0.08
        made["scores"].append(None if missing else values)
        made["ids"].append(None if missing else passages)
        made["pos_scores"].append(draw.choice([None, [], [0.8], [0.9, 0.7, 0.75]]))
        made["pos_ids"].append(draw.choice([None, [], [draw.randrange(40), draw.randrange(40), None]]))
        made["own"].append(draw.choice([None, draw.randrange(40)]))
        made["query"].append(row * 7919 - 1000)
        made["text"].append(f"q{row}" + "é" * (row % 30))
    schema = {
        "scores": pl.List(scores),
        "ids": pl.List(ids),
        "pos_scores": pl.List(scores),
        "pos_ids": pl.List(ids),
        "own": ids,
        "query": pl.Int64,
        "text": pl.String,
    }
    return pl.DataFrame(made, schema=schema)


def expected(frame: pl.DataFrame, *, keys: str = "query", **fields: Any) -> pl.DataFrame:
    """Returns what ``nvmine.mine`` gives for the rows, in the columns of the expression."""
    negatives = nvmine.mine(
        frame["scores"],
        frame["pos_scores"],
        ids=frame["ids"],
        pos_ids=frame["pos_ids"],
        exclude_ids=frame["own"],
        query_ids=frame[keys],
        **fields,
    )
    table = negatives.to_polars().select(
        "negative_ids", "negative_scores", pl.col("candidates").cast(pl.UInt32), pl.col("rejected").cast(COUNTS)
    )
    return frame.select("query").hstack(table)


def mined(frame: pl.LazyFrame, *, keys: str = "query", **fields: Any) -> pl.LazyFrame:
    expression = nvmine.polars.mine(
        "scores", "pos_scores", ids="ids", pos_ids="pos_ids", exclude_ids="own", query_ids=keys, **fields
    )
    return frame.select("query", negatives=expression).unnest("negatives")


def chunked(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the same rows in several chunks, with different boundaries in each column."""
    columns = []
    for number, column in enumerate(frame.iter_columns()):
        cuts = sorted(random.Random(number).sample(range(len(frame) + 1), 4))
        pieces = [column[start:end] for start, end in zip([0, *cuts], [*cuts, len(frame)], strict=True)]
        joined = pieces[0].clone()
        for piece in pieces[1:]:
            joined = joined.append(piece)
        columns.append(joined)
    made = pl.DataFrame(columns)
    assert max(made.n_chunks("all")) > 1
    return made


CUTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "whole": lambda frame: frame,
    "sliced": lambda frame: frame.slice(7, 150),
    "chunked": chunked,
    "sliced chunks": lambda frame: chunked(frame).slice(11, 200),
    "filtered": lambda frame: frame.filter(pl.col("query") % 3 != 0),
    "reversed": lambda frame: frame.reverse(),
    "repeated": lambda frame: pl.concat([frame] * 3, rechunk=False),
    "one row": lambda frame: frame[3:4],
    "no rows": lambda frame: frame[:0],
    "nothing but nulls": lambda frame: frame.clear(5).with_columns(query=pl.int_range(5)),
}


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
@pytest.mark.parametrize("cut", CUTS)
def test_results_do_not_depend_on_how_a_frame_is_split(cut: str, engine: Any, tmp_path: Path) -> None:
    frame = CUTS[cut](queries(300))
    fields = {"sampling": "uniform", "n": 3, "on_missing": "skip"}
    assert_frame_equal(engine(mined(frame.lazy(), **fields), tmp_path), expected(frame, **fields), check_exact=True)


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("scores", SCORES)
def test_every_type_of_scores_and_ids_gives_the_results_of_mine(scores: Any, ids: Any) -> None:
    frame = queries(120, scores=scores, ids=ids)
    result = mined(frame.lazy(), keys="text", on_missing="skip", sampling="softmax").collect()
    assert_frame_equal(result, expected(frame, keys="text", on_missing="skip", sampling="softmax"), check_exact=True)
    assert result.schema["negative_scores"] == pl.List(pl.Float64 if scores == pl.Float64 else pl.Float32)
    assert result.select(
        (
            pl.col("candidates")
            == pl.col("negative_ids").list.len() + pl.sum_horizontal(pl.col("rejected").struct.unnest())
        ).all()
    ).item()


POLICIES: list[dict[str, Any]] = [
    {"method": "naive", "n": 40},
    {"method": "shift", "shift": 2},
    {"method": "abs", "max_score": 0.6, "min_score": 0.1},
    {"method": "margin", "margin": 0.1, "anchor": "max", "on_short": "drop"},
    {"method": "perc", "percentage": 0.9, "anchor": "mean"},
    {"sampling": "uniform", "seed": 2**64 - 1},
    {"sampling": "softmax", "temperature": 0.1, "first": 1},
    {"sampling": "simans", "simans_a": 3.5, "simans_b": 0.05, "pool": "all"},
    {"sampling": "bins", "bins": 3, "seed": 7},
]


@pytest.mark.parametrize("fields", POLICIES, ids=str)
def test_every_policy_gives_the_results_of_mine(fields: dict[str, Any]) -> None:
    frame, fields = queries(150, seed=3), {"on_missing": "skip", **fields}
    assert_frame_equal(mined(frame.lazy(), **fields).collect(), expected(frame, **fields), check_exact=True)
    whole = mined(frame.lazy(), policy=nvmine.Policy(**fields)).collect()
    assert_frame_equal(whole, expected(frame, **fields), check_exact=True)


@given(st.integers(0, 2**32), st.integers(0, 60), st.floats(0, 2), st.integers(1, 6))
def test_generated_frames_give_the_results_of_mine(seed: int, rows: int, percentage: float, n: int) -> None:
    frame = queries(rows, seed)
    fields = {"percentage": percentage, "n": n, "on_missing": "skip"}
    assert_frame_equal(mined(frame.lazy(), **fields).collect(), expected(frame, **fields), check_exact=True)


def test_results_do_not_change_if_threads_share_the_candidates() -> None:
    frame = queries(20_000)
    fields = {"on_missing": "skip", "sampling": "simans"}
    assert_frame_equal(
        mined(frame.lazy(), **fields).collect(engine="in-memory"), expected(frame, **fields), check_exact=True
    )


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_arrays_and_single_values_are_read_as_lists(engine: Any, tmp_path: Path) -> None:
    draw = random.Random(1)
    rows = 50
    frame = pl.DataFrame(
        {
            "scores": [None if row % 7 == 0 else [draw.random() for _ in range(6)] for row in range(rows)],
            "ids": [None if row % 7 == 0 else draw.sample(range(30), 6) for row in range(rows)],
            "pos_scores": [draw.random() for _ in range(rows)],
            "pos_ids": [draw.randrange(30) for _ in range(rows)],
            "own": [draw.randrange(30) for _ in range(rows)],
            "query": range(rows),
        },
        schema_overrides={"scores": pl.Array(pl.Float32, 6), "ids": pl.Array(pl.Int32, 6)},
    )
    for cut in (frame, frame[5:40], pl.concat([frame[:11], frame[30:]], rechunk=False)):
        assert_frame_equal(engine(mined(cut.lazy()), tmp_path), expected(cut), check_exact=True)


def test_the_values_under_a_null_list_are_ignored() -> None:
    frame = queries(40).with_columns(pl.col("scores", "ids", "pos_scores").fill_null([]))
    # when/then keeps the values under the null.
    frame = frame.with_columns(
        pl.when(pl.col("query") % 2 == 0).then(pl.col("scores")),
        pl.when(pl.col("query") % 2 == 0).then(pl.col("ids")),
    )
    assert_frame_equal(
        mined(frame.lazy(), on_missing="skip").collect(), expected(frame, on_missing="skip"), check_exact=True
    )


def test_a_literal_applies_to_every_row() -> None:
    frame = queries(30).drop_nulls("scores")
    result = frame.select(
        nvmine.polars.mine("scores", pl.lit(0.5), ids="ids", pos_ids=pl.lit([1, 2, 3]), query_ids=pl.lit(5))
    )
    spread = frame.with_columns(pl.lit(0.5).alias("pos_scores"), pos_ids=pl.lit([1, 2, 3]), own=None, query=pl.lit(5))
    assert_frame_equal(result.unnest("scores"), expected(spread).drop("query"), check_exact=True)
    nothing = frame[:0].select(nvmine.polars.mine("scores", pl.lit(0.5)))
    assert nothing.shape == (0, 1)
    lone = pl.select(nvmine.polars.mine(pl.lit([0.2, 0.9]), 0.5)).to_series().struct["negative_ids"]
    assert lone.to_list() == [[0]]
    # The scores are a literal, the positives are not.
    several = pl.DataFrame({"p": [0.5, 1.0]}).select(nvmine.polars.mine(pl.lit([0.2, 0.9]), "p"))
    assert several.to_series().struct["negative_ids"].to_list() == [[0], [1, 0]]


def test_without_ids_a_passage_is_its_position_in_the_list() -> None:
    frame = queries(60)
    result = (
        frame.lazy().select(nvmine.polars.mine("scores", "pos_scores", on_missing="skip")).unnest("scores").collect()
    )
    negatives = nvmine.mine(frame["scores"], frame["pos_scores"], on_missing="skip")
    assert result["negative_ids"].to_list() == negatives.to_polars()["negative_ids"].to_list()


def test_empty_and_null_columns_without_a_type_are_read() -> None:
    frame = pl.DataFrame({"scores": [[0.3, 0.2]], "pos_scores": [0.9], "nothing": [[]], "null": [None]})
    for column in ("nothing", "null"):
        result = frame.select(nvmine.polars.mine("scores", "pos_scores", pos_ids=column))
        assert result.to_series().struct["negative_ids"].to_list() == [[0, 1]]
    assert frame.select(nvmine.polars.mine("nothing", "pos_scores")).to_series().struct["candidates"].to_list() == [0]


@pytest.mark.parametrize(
    "dtype", [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.String]
)
def test_every_type_of_query_ids_gives_the_draws_of_mine(dtype: Any) -> None:
    lists = {"scores": [[i / 50 for i in range(50)]] * 20, "pos_scores": [2.0] * 20}
    frame = pl.DataFrame(lists).with_columns(key=pl.int_range(20).cast(dtype))
    fields = {"sampling": "uniform", "pool": "all"}
    result = frame.select(nvmine.polars.mine("scores", "pos_scores", query_ids="key", **fields)).to_series()
    negatives = nvmine.mine(frame["scores"], frame["pos_scores"], query_ids=frame["key"], **fields)
    assert result.struct["negative_ids"].to_list() == negatives.ids.tolist()
    assert len(set(map(tuple, negatives.ids.tolist()))) > 10


def test_lists_from_a_group_by_are_mined() -> None:
    long = queries(40).select("query", "scores", "ids", pl.col("pos_scores").list.first()).drop_nulls()
    long = long.filter(pl.col("scores").list.len() > 0).explode("scores", "ids", empty_as_null=False)
    grouped = long.lazy().group_by("query", maintain_order=True).agg("scores", "ids", pl.col("pos_scores").first())
    result = grouped.select(nvmine.polars.mine("scores", "pos_scores", ids="ids")).collect().to_series()
    frame = grouped.collect()
    negatives = nvmine.mine(frame["scores"], frame["pos_scores"], ids=frame["ids"])
    assert result.struct["negative_ids"].to_list() == negatives.to_polars()["negative_ids"].to_list()


# --- What is refused -------------------------------------------------------------------------------------------


def test_policies_that_an_expression_cannot_apply_are_refused() -> None:
    with pytest.raises(PolicyError, match="explode pos_scores"):
        nvmine.polars.mine("scores", "pos_scores", anchor="each")
    with pytest.raises(PolicyError, match=r"near_duplicate.*mine the texts themselves with nvmine.mine_dataset"):
        nvmine.polars.mine("scores", "pos_scores", near_duplicate=0.8)
    with pytest.raises(PolicyError, match=r"'uniform' needs a key for each query, .*; pass query_ids"):
        nvmine.polars.mine("scores", "pos_scores", sampling="uniform")
    with pytest.raises(PolicyError, match="is not a field of a policy"):
        nvmine.polars.mine("scores", "pos_scores", percent=0.9)


@pytest.mark.parametrize(
    ("role", "column", "found"),
    [
        ("scores", pl.lit(0.5), "scores: .* holds Float64, expected lists of Float32"),
        ("scores", pl.lit([1, 2]), "scores: .* holds lists of Int64"),
        (
            "pos_scores",
            pl.lit(1),
            "pos_scores: .* holds Int32, expected lists of Float32, Float64 or Float16, or one value per row",
        ),
        ("ids", pl.lit(1), "ids: .* holds Int32, expected lists of Int64"),
        ("ids", pl.lit(["a"]), "ids: .* holds lists of Utf8View"),
        ("pos_ids", pl.lit([0.5]), "pos_ids: .* holds lists of Float64"),
        ("query_ids", pl.lit(0.5), "query_ids: .* holds Float64, expected integers or String, one per row"),
        ("query_ids", pl.lit([1]), "query_ids: .* holds lists of Int64"),
    ],
)
def test_other_types_are_refused_when_the_schema_is_resolved(role: str, column: pl.Expr, found: str) -> None:
    columns = {"scores": pl.lit([0.5]), "pos_scores": pl.lit(0.7), role: column}
    with pytest.raises(ComputeError, match=found):
        pl.LazyFrame().select(nvmine.polars.mine(**columns)).collect_schema()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_queries_that_cannot_be_mined_are_named(engine: Any, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"scores": [[0.5]] * 3, "p": [[0.9], [0.8, math.nan], []], "q": ["a", "b\n", "c"], "n": [1, -2, 3]}
    )

    def message(rows: pl.DataFrame, **fields: Any) -> str:
        with pytest.raises(ComputeError) as caught:
            engine(rows.lazy().select(nvmine.polars.mine("scores", "p", **fields)), tmp_path)
        return str(caught.value)

    assert r'ScoreError: query "b\n": positive score 1 is NaN' in message(frame, query_ids="q")
    assert "ScoreError: query -2: positive score 1 is NaN" in message(frame, query_ids="n")
    assert "ScoreError: row 1 of this batch (pass query_ids to see the query's id)" in message(frame)
    assert 'ScoreError: query "c": has no positive score' in message(frame[2:], query_ids="q")
    assert 'ShortError: query "a": got 1 of 4' in message(frame[:1], query_ids="q", on_short="raise")
    assert "query_ids is null in row 1" in message(frame.with_columns(q=pl.Series(["a", None, "c"])), query_ids="q")
    assert 'ShapeError: query "a": 2 ids for 1 scores' in message(frame, ids=pl.lit([1, 2]), query_ids="q")


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises((ComputeError, pl.exceptions.ShapeError, pl.exceptions.InvalidOperationError)):
        queries(5).select(nvmine.polars.mine("scores", pl.Series([0.1, 0.2, 0.3])))


# --- The ABI, called as Polars calls it ------------------------------------------------------------------------


class Export(ctypes.Structure):
    """A column: the address of its schema, that of its array addresses, and the function that releases it."""

    _fields_ = (
        ("schema", ctypes.c_void_p),
        ("chunks", ctypes.c_void_p),
        ("n_chunks", ctypes.c_size_t),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


SCHEMA_BYTES, ARRAY_BYTES = 72, 80
ARRAY_RELEASE = 64  # offset of the function in an array


def library() -> ctypes.CDLL:
    found = ctypes.CDLL(_core.__file__)
    found._polars_plugin_get_last_error_message.restype = ctypes.c_char_p
    return found


def last_message() -> str:
    return library()._polars_plugin_get_last_error_message().decode()


def arguments(*columns: str) -> bytes:
    lines = {"columns": " ".join(columns), **nvmine.Policy().resolved()}
    return pickle.dumps({"call": "\n".join(f"{name}={value}" for name, value in lines.items())}, protocol=5)


def test_the_library_exports_every_symbol() -> None:
    found = library()
    assert found._polars_plugin_get_version() == 1
    for symbol in ("_polars_plugin_mine", "_polars_plugin_field_mine"):
        assert getattr(found, symbol)


def test_a_panic_becomes_an_error() -> None:
    # The format of a schema is never null, so a schema of zeros makes the library panic.
    fields, out = ctypes.create_string_buffer(SCHEMA_BYTES), ctypes.create_string_buffer(b"x" * SCHEMA_BYTES)
    library()._polars_plugin_field_mine(fields, ctypes.c_size_t(1), out, b"", ctypes.c_size_t(0))
    assert out.raw[-9:-1] == bytes(8)
    assert last_message().startswith("InternalError: ")


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"\x80",
        b"\x80\x05\x95",
        b"\x80\x05}\x8c\xffabc",
        b"\x80\x05cos\nsystem\n.",
        pickle.dumps({}),
        pickle.dumps(3),
    ],
)
def test_unreadable_arguments_are_an_error(pickled: bytes) -> None:
    out = ctypes.create_string_buffer(SCHEMA_BYTES)
    library()._polars_plugin_field_mine(None, ctypes.c_size_t(0), out, pickled, ctypes.c_size_t(len(pickled)))
    assert out.raw == bytes(SCHEMA_BYTES)
    assert last_message() == "InternalError: the arguments of the expression cannot be read"


def call(*arrays: Any) -> Export:
    """Calls the expression with pyarrow arrays as `scores` and `pos_scores`."""
    pa = pytest.importorskip("pyarrow")
    columns, kept = (Export * len(arrays))(), []
    for column, values in zip(columns, arrays, strict=True):
        schema, header = ctypes.create_string_buffer(SCHEMA_BYTES), ctypes.create_string_buffer(ARRAY_BYTES)
        values._export_to_c(ctypes.addressof(header), ctypes.addressof(schema))
        chunks = (ctypes.c_void_p * 1)(ctypes.addressof(header))
        column.schema, column.chunks, column.n_chunks = ctypes.addressof(schema), ctypes.addressof(chunks), 1
        kept.append((schema, header, chunks))
    out = Export()
    kwargs = arguments("scores", "pos_scores")
    library()._polars_plugin_mine(
        columns, ctypes.c_size_t(len(arrays)), kwargs, ctypes.c_size_t(len(kwargs)), ctypes.byref(out), None
    )
    for schema, header, _ in kept:
        # The column would release its schema, but these columns have no release function.
        pa.DataType._import_from_c(ctypes.addressof(schema))
        assert header.raw[ARRAY_RELEASE : ARRAY_RELEASE + 8] == bytes(8), "the array was not taken over"
    return out


def lists(offsets: list[int], values: list[float]) -> Any:
    """Returns a list column whose offsets are replaced after pyarrow has checked them."""
    pa = pytest.importorskip("pyarrow")
    memory = np.zeros(len(offsets), np.int64)
    made = pa.Array.from_buffers(
        pa.large_list(pa.float32()),
        len(offsets) - 1,
        [None, pa.py_buffer(memory)],
        children=[pa.array(values, pa.float32())],
    )
    memory[:] = offsets
    return made


@pytest.mark.parametrize("offsets", [[0, 3, 1], [-1, 1, 2], [0, 1, 1000], [2**62, 2**62, 2**62], [3, 2, 1]])
def test_invalid_offsets_are_refused(offsets: list[int]) -> None:
    pa = pytest.importorskip("pyarrow")
    out = call(lists(offsets, [0.1, 0.2, 0.3]), pa.array([0.9, 0.8]))
    assert out.private_data is None
    assert last_message().startswith("DtypeError: ")


def test_inputs_are_released_and_the_caller_owns_the_results() -> None:
    pa = pytest.importorskip("pyarrow")
    before = pa.total_allocated_bytes()
    out = call(lists([0, 2, 3], [0.1, 0.2, 0.3]), pa.array([0.9, 0.8]))
    assert pa.total_allocated_bytes() == before
    # Do what Polars does: copy the array's bytes out, read the schema, and release the rest.
    header = ctypes.create_string_buffer(ctypes.string_at(ctypes.c_void_p.from_address(out.chunks).value, ARRAY_BYTES))
    data_type = pa.DataType._import_from_c(out.schema)
    assert data_type.field("negative_ids").type == pa.large_list(pa.int64())
    # pyarrow has released the schema; the release below must not release it again.
    moved = Export.from_buffer_copy(out)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(out.release)(ctypes.addressof(moved))
    result = pa.StructArray._import_from_c(ctypes.addressof(header), data_type)
    result.validate(full=True)
    assert result.field("negative_ids").to_pylist() == [[1, 0], [0]]


def test_each_thread_has_its_own_error_message() -> None:
    def fail(number: int) -> str:
        frame = pl.DataFrame({"scores": [[0.5]], "p": [math.nan], "q": [number]})
        with pytest.raises(ComputeError) as caught:
            frame.select(nvmine.polars.mine("scores", "p", query_ids="q"))
        return str(caught.value)

    with ThreadPoolExecutor(8) as threads:
        for number, message in enumerate(threads.map(fail, range(200))):
            assert f"query {number}:" in message

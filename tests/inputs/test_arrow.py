"""Columns of any library that speaks Arrow: read where they lie, for as long as needed, and never on faith."""

from __future__ import annotations

import ctypes
import datetime as dt
import decimal
import gc
import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from ctypes import c_int32, c_int64
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nvmine
import oracle
from arrow_producer import CArray, CSchema, Made, Streamed, capsule, values_address
from nvmine.errors import DtypeError, NvmineError, ShapeError
from nvmine.inputs.keys import read_keys
from nvmine.inputs.read import read_column, read_rows
from nvmine.inputs.rows import Rows

try:
    import pyarrow as pa
except ImportError:
    pa = None
try:
    import pandas as pd
except ImportError:
    pd = None

needs_arrow = pytest.mark.skipif(pa is None, reason="needs pyarrow")

ROWS = [[0.5, 0.25, 0.125], [0.75, 1.0, 1.25], [1.5, 2.0, 3.0], [4.0, 5.0, 6.0]]


def lists_of(rows: Rows) -> list[list[Any]]:
    ends = rows.ragged_offsets()
    return [rows.values[start:end].tolist() for start, end in itertools.pairwise(ends)]


def made_lists(values: list[float], offsets: list[int]) -> Made:
    """A LargeList column of float64."""
    child = Made("g", len(values), [None, np.array(values, np.float64)])
    return Made("+L", len(offsets) - 1, [None, np.array(offsets, np.int64)], [child])


def set_nulls(valid: int, *, count: int) -> Callable[[Made], None]:
    def change(made: Made) -> None:
        made.buffers[0] = np.array([valid], np.uint8)
        made.array.buffers[0] = made.buffers[0].ctypes.data
        made.array.null_count = count

    return change


# --- Without a copy --------------------------------------------------------------------------------------------------

ZERO_COPY: dict[str, tuple[Callable[[], Any], Any]] = {
    "polars_list": (lambda: pl.Series(ROWS), c_int64),
    "polars_list_slice": (lambda: pl.Series(ROWS)[1:3], c_int64),
    "polars_array": (lambda: pl.Series(ROWS, dtype=pl.Array(pl.Float64, 3)), 3),
    "polars_array_slice": (lambda: pl.Series(ROWS, dtype=pl.Array(pl.Float64, 3))[1:3], 3),
    "polars_flat": (lambda: pl.Series([0.5, 1.0]), None),
    "polars_flat_slice": (lambda: pl.Series([0.5, 1.0, 2.0])[1:], None),
    "pyarrow_list": (lambda: pa.array(ROWS, pa.list_(pa.float64())), c_int32),
    "pyarrow_list_slice": (lambda: pa.array(ROWS, pa.list_(pa.float64())).slice(1, 2), c_int32),
    "pyarrow_large_list": (lambda: pa.array(ROWS, pa.large_list(pa.float64())), c_int64),
    "pyarrow_large_list_slice": (lambda: pa.array(ROWS, pa.large_list(pa.float64())).slice(1, 2), c_int64),
    "pyarrow_fixed_size_list": (lambda: pa.array(ROWS, pa.list_(pa.float64(), 3)), 3),
    "pyarrow_fixed_size_list_slice": (lambda: pa.array(ROWS, pa.list_(pa.float64(), 3)).slice(1, 2), 3),
    "pyarrow_one_chunk": (lambda: pa.chunked_array([ROWS]), c_int32),
    "pyarrow_flat_slice": (lambda: pa.array([0.5, 1.0, 2.0]).slice(1), None),
}


@pytest.mark.parametrize("name", ZERO_COPY)
def test_values_are_read_where_they_lie(name: str) -> None:
    if name.startswith("pyarrow") and pa is None:
        pytest.skip("needs pyarrow")
    make, layout = ZERO_COPY[name]
    column = make()
    rows = read_rows("scores", column, "scores", single=layout is None)
    assert rows.values.ctypes.data == values_address(column, 8, layout)
    expected = column.to_list() if hasattr(column, "to_list") else column.to_pylist()
    assert lists_of(rows) == ([[value] for value in expected] if layout is None else expected)
    assert (rows.shape is None) == (layout in (c_int32, c_int64))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64", "uint32", "uint64"])
def test_types_of_the_core_are_read_where_they_lie(dtype: str) -> None:
    values = np.arange(6).astype(dtype)
    column = pl.Series(values).reshape((2, 3))
    rows = read_rows("ids", column, "scores" if dtype.startswith("float") else "ids")
    assert rows.values.dtype == dtype
    assert rows.values.ctypes.data == values_address(column, values.itemsize, 3)
    assert lists_of(rows) == values.reshape(2, 3).tolist()


def test_a_chunk_without_rows_causes_no_copy() -> None:
    full, empty = made_lists([0.5, 0.25], [0, 1, 2]), made_lists([], [0])
    address = full.children[0].buffers[1].ctypes.data
    assert read_rows("scores", Streamed([empty, full]), "scores").values.ctypes.data == address


def test_values_of_others_cannot_be_written_to() -> None:
    values = read_rows("scores", pl.Series(ROWS), "scores").values
    assert not values.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        values.flags.writeable = True


# --- For as long as needed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["array", "stream"])
def test_memory_is_held_until_nobody_reads_it(stream: bool) -> None:
    made = made_lists([0.5, 0.25, 0.75], [0, 2, 3])
    rows = read_rows("scores", Streamed([made]) if stream else made, "scores")
    tail = rows.values[1:]
    del rows
    gc.collect()
    assert (made.releases, tail.tolist()) == (0, [0.25, 0.75])
    del tail
    gc.collect()
    assert made.releases == 1


@pytest.mark.parametrize("name", ZERO_COPY)
def test_values_outlive_their_producer(name: str) -> None:
    if name.startswith("pyarrow") and pa is None:
        pytest.skip("needs pyarrow")
    make, layout = ZERO_COPY[name]
    rows = read_rows("scores", make(), "scores", single=layout is None)
    gc.collect()
    # Whoever freed the memory would have given it to these.
    others = [np.full(rows.values.size, math.nan) for _ in range(100)]
    expected = make()
    expected = expected.to_list() if hasattr(expected, "to_list") else expected.to_pylist()
    assert lists_of(rows) == ([[value] for value in expected] if layout is None else expected)
    del others


def test_what_is_refused_is_released() -> None:
    for made in (made_lists([0.5], [0, 2]), Made("+s", 1, [None], [Made("g", 1, [None, np.zeros(1)])])):
        with pytest.raises(DtypeError):
            read_rows("scores", made, "scores")
        # A table is refused before its values are fetched, and then released as well.
        assert made.releases == 1


# --- All of it -------------------------------------------------------------------------------------------------------


@given(
    data=st.data(),
    width=st.integers(0, 3),
    kind=st.sampled_from(["list", "large_list", "fixed"] if pa else ["polars_list", "polars_array"]),
    number=st.sampled_from(["float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64"]),
)
def test_rows_are_those_of_the_column(data: Any, width: int, kind: str, number: str) -> None:
    """Nulls, null lists, slices and chunks of any kind, against plain lists."""
    fixed = kind in ("fixed", "polars_array")
    value = st.none() | st.integers(0, 100).map(float if number.startswith("float") else int)
    row = st.lists(value, min_size=width if fixed else 0, max_size=width if fixed else 4)
    chunks = data.draw(st.lists(st.lists(st.none() | row, max_size=6), max_size=3))
    parts, expected = [], []
    for rows in chunks:
        start = data.draw(st.integers(0, len(rows)))
        stop = data.draw(st.integers(start, len(rows)))
        if pa is None:
            polars_type = pl.Series(np.zeros(1, number)).dtype
            parts.append(pl.Series(rows, dtype=pl.Array(polars_type, width) if fixed else pl.List(polars_type)))
        else:
            inner = pa.from_numpy_dtype(number)
            arrow_type = pa.list_(inner, width) if fixed else getattr(pa, kind + "_" * (kind == "list"))(inner)
            parts.append(pa.array(rows, arrow_type))
        parts[-1] = parts[-1][start:stop]
        expected += rows[start:stop]
    if pa is not None:
        arrow_type = parts[0].type if parts else pa.list_(pa.float32())
        column = pa.chunked_array(parts, arrow_type)
    else:
        column = pl.concat(parts, rechunk=False) if parts else pl.Series([], dtype=pl.List(pl.Float32))
    scores = read_rows("scores", column, "scores")
    assert np.array_equal(
        scores.values, [math.nan if v is None else v for row in expected for v in row or []], equal_nan=True
    )
    assert np.diff(scores.ragged_offsets()).tolist() == [len(row or []) for row in expected]
    if not number.startswith("float"):
        ids = nvmine.inputs.rows.signed(read_rows("ids", column, "ids").values)
        assert ids.tolist() == [-1 if v is None else v for row in expected for v in row or []]


def test_a_null_list_hides_its_values() -> None:
    column = made_lists([0.5, 9.0, 9.0, 0.25], [0, 1, 3, 4])
    set_nulls(0b101, count=1)(column)
    assert lists_of(read_rows("scores", column, "scores")) == [[0.5], [], [0.25]]


def test_an_offset_over_values_that_are_cut_already_counts_for_the_nulls_alone() -> None:
    """So did Polars before 1.44 hand out slices of Array columns."""
    column = Made("+w:2", 3, [np.array([0b10110], np.uint8)], [Made("g", 6, [None, np.arange(6.0)])], offset=2)
    assert lists_of(read_rows("scores", column, "scores")) == [[0, 1], [], [4, 5]]


def test_an_offset_over_whole_values_counts_for_them_too() -> None:
    column = Made("+w:2", 3, [np.array([0b10110], np.uint8)], [Made("g", 10, [None, np.arange(10.0)])], offset=2)
    assert lists_of(read_rows("scores", column, "scores")) == [[4, 5], [], [8, 9]]


def test_slices_of_array_columns_with_nulls() -> None:
    rows = [None if row % 3 == 1 else [row, None] for row in range(40)]
    column = pl.Series(rows, dtype=pl.Array(pl.Int32, 2))
    for start, stop in ((1, 40), (8, 17), (13, 14), (39, 40), (40, 40)):
        for part in (column[start:stop], pl.concat([column[start:stop], column[:3]], rechunk=False)):
            expected = [[-1 if value is None else value for value in row or []] for row in part.to_list()]
            assert lists_of(read_rows("ids", part, "ids")) == expected


@pytest.mark.parametrize("kind", ["scores", "ids"])
def test_columns_without_a_type_are_all_null(kind: Any) -> None:
    null = [math.nan] if kind == "scores" else [-1]
    for column, expected in (
        (pl.Series([None, None]), [null, null]),
        (pl.Series([[None], None, []], dtype=pl.List(pl.Null)), [null, [], []]),
        (pl.Series([], dtype=pl.Null), []),
        (pl.Series([[], []]), [[], []]),
        (pl.Series([["a"], []])[1:], [[]]),
        (pl.Series([[], None], dtype=pl.List(pl.String)), [[], []]),
    ):
        found = read_rows("scores", column, kind, single=True)
        assert str(lists_of(found)) == str(expected)


@pytest.mark.parametrize("inner", ["d:9,2", "w:-1", "+s", "tdD"])
def test_streams_without_a_chunk_are_of_any_type(inner: str) -> None:
    kind = Made("+L", 0, [None, np.zeros(1, np.int64)], [Made(inner, 0, [None, None])])
    assert lists_of(read_rows("ids", Streamed([], kind=kind), "ids")) == []


def test_one_number_a_row_is_read_where_it_is_expected() -> None:
    assert read_column("identity", pl.Series([7, 8, 7])).tolist() == [7, 8, 7]
    assert read_column("identity", pl.Series([[7], [8]], dtype=pl.Array(pl.Int64, 1))).tolist() == [7, 8]
    with pytest.raises(ShapeError, match="expected a List column with one list for each query"):
        nvmine.mine(pl.Series([0.5]), [1.0])


def test_rows_may_be_columns_of_their_own() -> None:
    rows = [pl.Series([5, None], dtype=pl.UInt8), made_lists([], [0]).children[0], None]
    found = nvmine.mine([[0.5, 0.25], [], []], [1.0, 1.0, 1.0], ids=rows, n=2)
    assert found.ids.tolist() == [[5, -1], [-1, -1], [-1, -1]]
    with pytest.raises(ShapeError, match="a row is a column of") as caught:
        read_rows("ids", [pl.Series([5]), pl.Series([[5]])], "ids")
    assert caught.value.row == 1


# --- Never on faith --------------------------------------------------------------------------------------------------


def bent(change: Callable[[Made], Any], *, fixed: bool = False) -> Made:
    """A column of three rows, after a change."""
    made = made_lists([0.5, 0.25, 0.75], [0, 1, 1, 3])
    if fixed:
        made = Made("+w:2", 2, [None], [Made("g", 4, [None, np.zeros(4)])])
    change(made)
    return made


def set_offsets(*offsets: int) -> Callable[[Made], None]:
    def change(made: Made) -> None:
        made.buffers[1][:] = offsets

    return change


LIES: dict[str, Callable[[], Any]] = {
    "offsets_fall": lambda: bent(set_offsets(0, 2, 1, 3)),
    "offsets_below_zero": lambda: bent(set_offsets(-1, 1, 1, 3)),
    "one_offset_below_zero": lambda: bent(set_offsets(0, -(2**63), 1, 3)),
    "offsets_past_the_values": lambda: bent(set_offsets(0, 1, 1, 4)),
    "one_offset_past_the_values": lambda: bent(set_offsets(0, 2**62, 1, 3)),
    "last_offset_below_the_first": lambda: bent(set_offsets(3, 3, 3, 0)),
    "length_below_zero": lambda: bent(lambda made: setattr(made.array, "length", -1)),
    "offset_below_zero": lambda: bent(lambda made: setattr(made.array, "offset", -1)),
    "end_past_all_numbers": lambda: bent(lambda made: setattr(made.array, "offset", 2**63 - 1)),
    "values_length_below_zero": lambda: bent(lambda made: setattr(made.children[0].array, "length", -3)),
    "values_too_short": lambda: bent(lambda made: setattr(made.children[0].array, "length", 2)),
    "no_offsets": lambda: bent(lambda made: made.array.buffers.__setitem__(1, None)),
    "no_values": lambda: bent(lambda made: made.children[0].array.buffers.__setitem__(1, None)),
    "no_children": lambda: bent(lambda made: setattr(made.array, "n_children", 0)),
    "null_child": lambda: bent(lambda made: setattr(made.array, "children", None)),
    "children_below_zero": lambda: bent(lambda made: setattr(made.array, "n_children", -1)),
    "buffers_below_zero": lambda: bent(lambda made: setattr(made.array, "n_buffers", -1)),
    "no_buffers": lambda: bent(lambda made: setattr(made.array, "n_buffers", 0)),
    "fixed_past_the_values": lambda: bent(lambda made: setattr(made.array, "length", 3), fixed=True),
    "fixed_width_below_zero": lambda: bent(lambda made: setattr(made.schema, "format", b"+w:-2"), fixed=True),
    "fixed_width_huge": lambda: bent(lambda made: setattr(made.schema, "format", b"+w:2147483647"), fixed=True),
    "null_count_wrong": lambda: bent(set_nulls(0b101, count=2)),
    "null_count_too_large": lambda: bent(set_nulls(0b01, count=9), fixed=True),
    "format_unknown": lambda: bent(lambda made: setattr(made.schema, "format", b"?")),
    "format_no_text": lambda: bent(lambda made: setattr(made.schema, "format", b"\xff")),
    "no_format": lambda: bent(lambda made: setattr(made.schema, "format", None)),
    "type_without_children": lambda: bent(lambda made: setattr(made.schema, "n_children", 0)),
    "array_released": lambda: bent(lambda made: setattr(made.array, "release", type(made.array.release)())),
    "type_released": lambda: bent(lambda made: setattr(made.schema, "release", type(made.schema.release)())),
    "stream_fails": lambda: Streamed([made_lists([0.5], [0, 1])], error=b"the disk is full"),
    "stream_fails_without_a_word": lambda: silent(Streamed([made_lists([0.5], [0, 1])], error=b"x")),
    "stream_without_get_next": lambda: without(Streamed([made_lists([0.5], [0, 1])]), "get_next"),
    "stream_without_get_schema": lambda: without(Streamed([made_lists([0.5], [0, 1])]), "get_schema"),
    "stream_released": lambda: without(Streamed([made_lists([0.5], [0, 1])]), "release"),
    "second_chunk_lies": lambda: Streamed([made_lists([0.5], [0, 1]), made_lists([0.5], [0, 2])]),
    "no_capsules": lambda: Raw((1, 2)),
    "no_pair": lambda: Raw(7),
    "three_capsules": lambda: Raw((1, 2, 3)),
    "capsules_swapped": lambda: Raw((capsule(CArray(), b"arrow_array"), capsule(CSchema(), b"arrow_schema"))),
    "producer_raises": lambda: Raw(RuntimeError("the file is gone")),
}


class Raw:
    """Hands out, or raises, anything."""

    def __init__(self, handed: Any) -> None:
        self.handed = handed

    def __arrow_c_array__(self, requested_schema: object = None) -> Any:
        if isinstance(self.handed, BaseException):
            raise self.handed
        return self.handed


def without(streamed: Streamed, field: str) -> Streamed:
    setattr(streamed.stream, field, type(getattr(streamed.stream, field))())
    return streamed


def silent(streamed: Streamed) -> Streamed:
    return without(streamed, "get_last_error")


@pytest.mark.parametrize("make", LIES.values(), ids=LIES)
def test_lies_are_errors(make: Callable[[], Any]) -> None:
    column = make()
    with pytest.raises(DtypeError, match=r"^scores"):
        read_rows("scores", column, "scores")


@given(
    count=st.integers(0, 6),
    offsets=st.lists(st.integers(-2, 8) | st.sampled_from([2**31, 2**62, 2**63 - 1, -(2**63)]), min_size=1, max_size=5),
)
def test_offsets_are_right_or_refused(count: int, offsets: list[int]) -> None:
    values = [float(value) for value in range(count)]
    right = offsets == sorted(offsets) and offsets[0] >= 0 and offsets[-1] <= count
    try:
        found = lists_of(read_rows("scores", made_lists(values, offsets), "scores"))
    except DtypeError:
        assert not right
    else:
        assert right
        assert found == [values[start:end] for start, end in itertools.pairwise(offsets)]


def test_the_way_to_an_array_and_its_end_are_told() -> None:
    with pytest.raises(DtypeError, match=r"scores cannot be read as a column: .*the disk is full"):
        read_rows("scores", LIES["stream_fails"](), "scores")
    with pytest.raises(DtypeError, match="the file is gone") as caught:
        read_rows("scores", LIES["producer_raises"](), "scores")
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(KeyboardInterrupt):
        read_rows("scores", Raw(KeyboardInterrupt()), "scores")


def test_a_column_that_was_handed_out_is_gone() -> None:
    made = made_lists([0.5], [0, 1])
    assert lists_of(read_rows("scores", made, "scores")) == [[0.5]]
    with pytest.raises(DtypeError, match="released"):
        read_rows("scores", made, "scores")


def test_a_dictionary_of_negative_length_is_refused() -> None:
    texts = Made("u", -1, [None, np.array([0, 1], np.int32), np.zeros(1, np.uint8)])
    column = Made("i", 1, [None, np.zeros(1, np.int32)])
    column.schema.dictionary = ctypes.addressof(texts.schema)
    column.array.dictionary = ctypes.addressof(texts.array)
    with pytest.raises(DtypeError, match="negative length"):
        read_rows("scores", column, "scores")


def test_values_at_an_odd_address_are_moved() -> None:
    memory = np.zeros(25, np.uint8)
    memory[1:].view(np.float64)[:] = [0.5, 0.25, 0.75]
    made = made_lists([0.0, 0.0, 0.0], [0, 1, 3])
    made.children[0].array.buffers[1] = memory[1:].ctypes.data
    assert lists_of(read_rows("scores", made, "scores")) == [[0.5], [0.25, 0.75]]


REFUSED: dict[str, Callable[[], Any]] = {
    "list_view": lambda: pa.array([[0.5]], pa.list_view(pa.float64())),
    "decimals": lambda: pa.array([[decimal.Decimal("0.5")]]),
    "times": lambda: pa.array([[dt.time(1)]]),
    "durations": lambda: pa.array([[dt.timedelta(1)]]),
    "structs": lambda: pa.array([[{"a": 0.5}]]),
    "nested": lambda: pa.array([[[0.5]]]),
    "binary": lambda: pa.array([[b"a"]]),
    "categories": lambda: pa.array([["a"]], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    "map": lambda: pa.array([[("a", 0.5)]], pa.map_(pa.string(), pa.float64())),
    "flat_bools": lambda: pa.array([True]),
    "flat_texts": lambda: pa.array(["a"]),
    "flat_nested_struct": lambda: pa.array([{"a": [0.5]}]),
    "runs": lambda: pa.RunEndEncodedArray.from_arrays([1], [0.5]),
    "chunks_of_runs": lambda: pa.chunked_array([pa.RunEndEncodedArray.from_arrays([1], [0.5])] * 2),
    "chunks_of_texts": lambda: pa.chunked_array([[["a"]], [["b"]]]),
    "reader": lambda: pa.table({"a": [[0.5]]}).to_reader(),
}


@needs_arrow
@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("name", ["scores", "pos_scores", "ids"])
def test_other_types_are_refused(make: Callable[[], Any], name: str) -> None:
    with pytest.raises(NvmineError, match=rf"^{name} .*(expected|is a table)"):
        nvmine.mine(**{"scores": [[0.5]], "pos_scores": [1.0], name: make()})


@pytest.mark.skipif(pd is None, reason="needs pandas")
def test_pandas_may_lack_what_it_hands_columns_out_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert nvmine.mine(pd.Series([[0.5, 0.25]]), pd.Series([1.0]), query_ids=pd.Series(["a"]), n=1).ids.tolist() == [
        [0]
    ]
    with pytest.raises(DtypeError, match="pyarrow"):
        nvmine.mine(pd.DataFrame({"a": [0.5]}), [1.0])


# --- Keys, and without Polars ----------------------------------------------------------------------------------------

TEXTS = ["q1", "", "Ä\0", "q1"]
KEYS: dict[str, Callable[[], Any]] = {
    "polars_string": lambda: pl.Series(TEXTS),
    "polars_categorical": lambda: pl.Series(TEXTS, dtype=pl.Categorical),
    "polars_enum": lambda: pl.Series(TEXTS, dtype=pl.Enum(["Ä\0", "q1", ""])),
    "polars_chunks": lambda: pl.concat([pl.Series(TEXTS[:1]), pl.Series(TEXTS[1:])], rechunk=False),
    "pyarrow_string": lambda: pa.array(TEXTS),
    "pyarrow_large_string": lambda: pa.array(TEXTS, pa.large_string()),
    "pyarrow_string_view": lambda: pa.array(TEXTS, pa.string_view()),
    "pyarrow_dictionary": lambda: pa.array(["x", *TEXTS]).dictionary_encode()[1:],
    "pyarrow_chunks": lambda: pa.chunked_array([TEXTS[:2], TEXTS[2:]]),
}


@pytest.mark.parametrize("name", KEYS)
def test_texts_of_columns_have_the_keys_of_the_oracle(name: str) -> None:
    if name.startswith("pyarrow") and pa is None:
        pytest.skip("needs pyarrow")
    assert read_keys("query_ids", KEYS[name]()).keys.tolist() == [oracle.key_of(text) for text in TEXTS]


BAD_KEYS: dict[str, Callable[[], Any]] = {
    "null_among_texts": lambda: pl.Series(["a", None]),
    "null_among_categories": lambda: pl.Series(["a", None], dtype=pl.Categorical),
    "null_categories": lambda: pl.Series([None], dtype=pl.Categorical),
    "null_among_numbers": lambda: pl.Series([1, None]),
    "nulls": lambda: pl.Series([None, None]),
    "fractions": lambda: pl.Series([0.5]),
    "bools": lambda: pl.Series([True]),
    "dates": lambda: pl.Series([dt.date(2025, 1, 1)]),
    "lists": lambda: pl.Series([[1]]),
    "lists_of_texts": lambda: pl.Series([["a"]]),
    "arrays": lambda: pl.Series([[1]], dtype=pl.Array(pl.Int64, 1)),
    "table": lambda: pl.DataFrame({"a": ["a"]}),
}


@pytest.mark.parametrize("make", BAD_KEYS.values(), ids=BAD_KEYS)
def test_columns_that_are_not_keys_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(DtypeError, match="query_ids"):
        read_keys("query_ids", make())


@needs_arrow
def test_columns_need_no_polars() -> None:
    program = """
import sys
for name in ("polars", "tqdm", "typer", "torch"):
    sys.modules[name] = None
import nvmine
import pyarrow as pa
scores = pa.array([[0.9, 0.5, 0.1], [0.2]])
result = nvmine.mine(scores, pa.array([0.6, 0.5]), ids=pa.array([[4, 5, 6], [7]]), query_ids=pa.array(["a", "b"]), n=2)
print(result.ids.tolist())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[[5, 6], [7, -1]]"

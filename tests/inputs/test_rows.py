"""Every kind of array that is taken, and what is refused of them; nothing is guessed at."""

from __future__ import annotations

import array
import datetime as dt
import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import nvmine
import oracle
from nvmine.errors import DtypeError, NvmineError, ShapeError
from nvmine.inputs.foreign import list_column
from nvmine.inputs.keys import read_keys, text_keys
from nvmine.inputs.read import read_rows

try:
    import torch
except ImportError:
    torch = None
try:
    import pyarrow as pa
except ImportError:
    pa = None
try:
    import pandas as pd
except ImportError:
    pd = None

needs_torch = pytest.mark.skipif(torch is None, reason="needs torch")
needs_arrow = pytest.mark.skipif(pa is None, reason="needs pyarrow")
needs_pandas = pytest.mark.skipif(pd is None, reason="needs pandas")

# Two queries, scores that every float type holds, and an order that is not the columns'.
SCORES = np.array([[0.25, 0.5, 0.125], [0.5, 0.0, 0.75]], np.float32)
POSITIVES = np.ones(2, np.float32)
EXPECTED = [[1, 0, 2], [2, 0, 1]]
RAGGED = [[0.25, 0.5, 0.125], [], [0.75]]
RAGGED_EXPECTED = [[1, 0, 2], [-1, -1, -1], [0, -1, -1]]


def ids_of(scores: Any, **arguments: Any) -> Any:
    """The three best columns of every row."""
    rows = len(scores)
    return nvmine.mine(scores, np.ones(rows), n=3, **arguments).ids.tolist()


class HasArray:
    """What has ``__array__`` and nothing else."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.values if dtype is None else self.values.astype(dtype)

    def __len__(self) -> int:
        return len(self.values)


class HasDlpack:
    """What has DLPack and nothing else."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __dlpack__(self, **arguments: Any) -> Any:
        return self.values.__dlpack__(**arguments)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()

    def __len__(self) -> int:
        return len(self.values)


class OnDevice(HasDlpack):
    """An array that lies where numpy cannot read."""

    def __dlpack__(self, **arguments: Any) -> Any:
        raise BufferError("the array lies on a device")

    def __dlpack_device__(self) -> Any:
        return 2, 0


class HasArrow:
    """What has the Arrow interface and nothing else."""

    def __init__(self, column: Any) -> None:
        self.column = column

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.column.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self.column)


def unaligned(rows: Any) -> Any:
    """A contiguous array that begins at an odd address, as fields of packed records do."""
    memory = np.zeros(rows.nbytes + 1, np.uint8)
    view = memory[1:].view(rows.dtype).reshape(rows.shape)
    view[:] = rows
    assert not view.flags.aligned
    return view


DENSE: dict[str, Callable[[Any], Any]] = {
    "float16": lambda s: s.astype(np.float16),
    "float32": lambda s: s,
    "float64": lambda s: s.astype(np.float64),
    "big_endian": lambda s: s.astype(">f4"),
    "big_endian_half": lambda s: s.astype(">f2"),
    "int8": lambda s: (8 * s).astype(np.int8) - 100,
    "uint16": lambda s: (8 * s).astype(np.uint16),
    "fortran": np.asfortranarray,
    "transposed": lambda s: np.ascontiguousarray(s.T).T,
    "strided": lambda s: np.repeat(np.repeat(s, 3, axis=0), 2, axis=1)[::3, ::2],
    "reversed": lambda s: s[::-1, ::-1].copy()[::-1, ::-1],
    "unaligned": unaligned,
    "memoryview": memoryview,
    "list_of_lists": lambda s: s.tolist(),
    "tuple_of_tuples": lambda s: tuple(map(tuple, s.tolist())),
    "list_of_arrays": list,
    "list_of_mixed_widths": lambda s: [s[0].astype(np.float16), s[1].astype(np.float64)],
    "list_of_array_arrays": lambda s: [array.array("f", row) for row in s.tolist()],
    "has_array": HasArray,
    "has_dlpack": HasDlpack,
    "list_of_has_dlpack": lambda s: [HasDlpack(row) for row in s],
    "has_arrow": lambda s: HasArrow(pl.Series(list(s))),
    "polars_list": lambda s: pl.Series(list(s)),
    "polars_list_float64": lambda s: pl.Series(s.tolist()),
    "polars_list_of_whole_numbers": lambda s: pl.Series((8 * s).astype(int).tolist()),
    "polars_array": lambda s: pl.Series(s),
    "polars_chunks": lambda s: pl.concat([pl.Series([s[0]]), pl.Series([s[1]])], rechunk=False),
    "polars_slice": lambda s: pl.Series([[9.0], *s.tolist(), [9.0]])[1:3],
}
TORCH: dict[str, Callable[[Any], Any]] = {
    "float16": lambda s: s.half(),
    "bfloat16": lambda s: s.bfloat16(),
    "float32": lambda s: s,
    "float64": lambda s: s.double(),
    "int64": lambda s: (8 * s).long() - 100,
    "requires_grad": lambda s: s.clone().requires_grad_(),
    "parameter": lambda s: torch.nn.Parameter(s),
    "transposed": lambda s: s.T.contiguous().T,
    "transposed_bfloat16": lambda s: s.bfloat16().T.contiguous().T,
    "strided_bfloat16": lambda s: s.bfloat16().repeat_interleave(2, dim=1)[:, ::2],
    "list_of_tensors": list,
    "list_of_bfloat16": lambda s: list(s.bfloat16()),
    "negated_view": lambda s: torch.complex(s, -s).conj().imag,
}
ARROW: dict[str, Callable[[Any], Any]] = {
    "list": lambda s: pa.array(s.tolist(), pa.list_(pa.float32())),
    "list_float16": lambda s: pa.array(list(s.astype(np.float16)), pa.list_(pa.float16())),
    "large_list": lambda s: pa.array(s.tolist(), pa.large_list(pa.float64())),
    "fixed_size_list": lambda s: pa.array(s.tolist(), pa.list_(pa.float32(), 3)),
    "chunked": lambda s: pa.chunked_array([[s[0].tolist()], [s[1].tolist()]]),
    "slice": lambda s: pa.array([[9.0], *s.tolist(), [9.0]]).slice(1, 2),
}


@pytest.mark.parametrize("make", DENSE.values(), ids=DENSE)
def test_scores_of_every_array_are_read(make: Callable[[Any], Any]) -> None:
    scores = make(SCORES)
    assert nvmine.mine(scores, np.full(2, 100.0), n=3).ids.tolist() == EXPECTED


@needs_torch
@pytest.mark.parametrize("make", TORCH.values(), ids=TORCH)
def test_scores_of_every_tensor_are_read(make: Callable[[Any], Any]) -> None:
    assert nvmine.mine(make(torch.from_numpy(SCORES)), np.full(2, 100.0), n=3).ids.tolist() == EXPECTED


@needs_arrow
@pytest.mark.parametrize("make", ARROW.values(), ids=ARROW)
def test_scores_of_every_arrow_list_are_read(make: Callable[[Any], Any]) -> None:
    assert ids_of(make(SCORES)) == EXPECTED


@needs_pandas
def test_scores_of_pandas_are_read() -> None:
    assert ids_of(pd.Series(RAGGED)) == RAGGED_EXPECTED
    with pytest.raises(DtypeError, match="scores is a table"):
        ids_of(pd.DataFrame(SCORES))


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_scores_of_a_memory_map_are_read(tmp_path: Path, mode: Any) -> None:
    np.save(tmp_path / "scores.npy", SCORES)
    assert ids_of(np.load(tmp_path / "scores.npy", mmap_mode=mode)) == EXPECTED


RAGGED_ROWS: dict[str, Callable[[], Any]] = {
    "lists": lambda: RAGGED,
    "tuples": lambda: tuple(map(tuple, RAGGED)),
    "none_is_empty": lambda: [RAGGED[0], None, RAGGED[2]],
    "arrays": lambda: [np.array(row) for row in RAGGED],
    "half_arrays": lambda: [np.array(row, np.float16) for row in RAGGED],
    "object_array": lambda: np.array([np.array(row) for row in RAGGED], dtype=object),
    "polars": lambda: pl.Series(RAGGED),
    "polars_null_is_empty": lambda: pl.Series([RAGGED[0], None, RAGGED[2]]),
    "polars_series_in_a_list": lambda: [pl.Series(row, dtype=pl.Float64) for row in RAGGED],
    "tensors": lambda: [torch.tensor(row) for row in RAGGED],
    "bfloat16_tensors": lambda: [torch.tensor(row, dtype=torch.bfloat16) for row in RAGGED],
    "bfloat16_tensors_and_none": lambda: [torch.tensor(row, dtype=torch.bfloat16) if row else None for row in RAGGED],
    "bfloat16_tensors_and_an_empty_list": lambda: [
        torch.tensor(row, dtype=torch.bfloat16) if row else [] for row in RAGGED
    ],
    "arrow": lambda: pa.array(RAGGED),
    "arrow_null_is_empty": lambda: pa.array([RAGGED[0], None, RAGGED[2]]),
}


@pytest.mark.parametrize("kind", RAGGED_ROWS)
def test_ragged_scores_are_read(kind: str) -> None:
    if ("tensor" in kind and torch is None) or ("arrow" in kind and pa is None):
        pytest.skip("needs a library that is not installed")
    assert ids_of(RAGGED_ROWS[kind]()) == RAGGED_EXPECTED


@needs_torch
def test_rows_of_bfloat16_and_of_another_type_are_not_mixed_up() -> None:
    """The bits of a bfloat16 would be another number in the other type."""
    rows = [torch.tensor(RAGGED[0], dtype=torch.bfloat16), np.array(RAGGED[2], np.float32)]
    assert ids_of(rows) == [RAGGED_EXPECTED[0], RAGGED_EXPECTED[2]]


@needs_torch
@pytest.mark.parametrize("empty", [None, []], ids=["none", "list"])
def test_positives_of_bfloat16_beside_an_empty_row(empty: Any) -> None:
    positives = [torch.tensor([0.5], dtype=torch.bfloat16), empty]
    result = nvmine.mine(SCORES, positives, method="margin", margin=0.0, n=3, on_missing="skip")
    assert result.ceilings[0] == 0.5
    assert result.ids.tolist() == [[0, 2, -1], [-1, -1, -1]]


@pytest.mark.parametrize(
    "positives",
    [
        [0.9, 0.8],
        (0.9, 0.8),
        np.array([0.9, 0.8]),
        np.array([[0.9], [0.8]]),
        [[0.9], [0.8]],
        [np.array([0.9]), np.array([0.8])],
        pl.Series([0.9, 0.8]),
        pl.Series([[0.9], [0.8]]),
        HasArray([0.9, 0.8]),
        HasDlpack([0.9, 0.8]),
    ],
    ids=["list", "tuple", "1d", "2d", "lists", "arrays", "series", "list_series", "has_array", "has_dlpack"],
)
def test_one_positive_a_query_is_read_from_every_array(positives: Any) -> None:
    assert nvmine.mine(SCORES, positives, method="margin", margin=0.0).ceilings.tolist() == [0.9, 0.8]


# --- Ids -------------------------------------------------------------------------------------------------------------

ID_TYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
ID_ROWS: dict[str, Callable[[Any], Any]] = {
    "array": lambda rows: rows,
    "big_endian": lambda rows: rows.astype(rows.dtype.newbyteorder(">")),
    "list_of_arrays": list,
    "has_dlpack": HasDlpack,
    "polars_list": lambda rows: pl.Series(rows).cast(pl.List(pl.Series(rows[0]).dtype)),
    "polars_array": lambda rows: pl.Series(rows),
}


@pytest.mark.parametrize("make", ID_ROWS.values(), ids=ID_ROWS)
@pytest.mark.parametrize("dtype", ID_TYPES)
def test_sentinels_of_every_type_are_padding(dtype: str, make: Callable[[Any], Any]) -> None:
    info = np.iinfo(dtype)
    sentinel = info.max if info.min == 0 else -1
    rows = np.array([[5, sentinel, 7]], dtype)
    result = nvmine.mine([[0.5, 0.75, 0.25]], [1.0], ids=make(rows), n=3)
    assert result.ids.tolist() == [[5, 7, -1]]
    assert result.audit.total["padding"] == 1


@pytest.mark.parametrize("make", ID_ROWS.values(), ids=ID_ROWS)
@pytest.mark.parametrize("dtype", ID_TYPES)
def test_the_largest_ids_of_every_type_are_passages(dtype: str, make: Callable[[Any], Any]) -> None:
    info = np.iinfo(dtype)
    largest = min(info.max - (info.min == 0), 2**63 - 1)
    result = nvmine.mine([[0.5, 0.75]], [1.0], ids=make(np.array([[0, largest]], dtype)), n=2)
    assert result.ids.tolist() == [[largest, 0]]


@pytest.mark.parametrize("dtype", ID_TYPES)
def test_a_null_id_is_padding_and_so_is_a_sentinel_beside_it(dtype: str) -> None:
    info = np.iinfo(dtype)
    sentinel = info.max if info.min == 0 else -1
    polars_type = pl.Series(np.zeros(1, dtype)).dtype
    ids = pl.Series([[5, None, sentinel]], dtype=pl.List(polars_type))
    result = nvmine.mine([[0.5, 0.75, 0.25]], [1.0], ids=ids, n=3)
    assert result.ids.tolist() == [[5, -1, -1]]
    assert result.audit.total["padding"] == 2


def test_a_null_score_is_counted_as_not_finite() -> None:
    for scores in (pl.Series([[0.5, None, 0.25]]), pl.Series([[4, None, 2]])):
        result = nvmine.mine(scores, [9.0], n=3)
        assert result.ids.tolist() == [[0, 2, -1]]
        assert result.audit.total["not_finite"] == 1


def test_a_sentinel_stays_one_beside_rows_of_a_wider_type() -> None:
    ids = [np.array([5], np.int64), np.array([2**32 - 1], np.uint32)]
    assert nvmine.mine([[0.5], [0.25]], [1.0, 1.0], ids=ids, n=1).ids.tolist() == [[5], [-1]]


@pytest.mark.parametrize("dtype", ID_TYPES)
def test_sentinels_among_the_excluded_exclude_nothing(dtype: str) -> None:
    info = np.iinfo(dtype)
    sentinel = info.max if info.min == 0 else -1
    excluded = np.array([[0, sentinel]], dtype)
    for name in ("pos_ids", "exclude_ids"):
        assert nvmine.mine([[0.5, 0.25]], [1.0], n=2, identity=[7, 8], **{name: excluded}).ids.tolist() == [[1, -1]]


# --- What is refused -----------------------------------------------------------------------------------------------

S, P = [[0.5, 0.25]], [1.0]
BAD: dict[str, tuple[Callable[[], dict[str, Any]], type[NvmineError], str]] = {
    "scores_none": (lambda: {"scores": None}, ShapeError, "scores has shape ()"),
    "scores_number": (lambda: {"scores": 0.5}, ShapeError, "scores has shape ()"),
    "scores_text": (lambda: {"scores": "0.5"}, ShapeError, "scores has shape ()"),
    "scores_bytes": (lambda: {"scores": b"0.5"}, ShapeError, "scores has shape ()"),
    "scores_set": (lambda: {"scores": {0.5}}, ShapeError, "scores has shape ()"),
    "scores_generator": (lambda: {"scores": (row for row in S)}, ShapeError, "scores has shape ()"),
    "scores_one_query": (lambda: {"scores": [0.5, 0.25]}, ShapeError, "pass it as one row, x[None]"),
    "scores_3d": (lambda: {"scores": np.zeros((1, 2, 2))}, ShapeError, "scores has shape (1, 2, 2)"),
    "scores_texts": (lambda: {"scores": [["a", "b"]]}, DtypeError, "type <U1"),
    "scores_complex": (lambda: {"scores": np.zeros((1, 2), complex)}, DtypeError, "scores has type complex128"),
    "scores_bool": (lambda: {"scores": np.zeros((1, 2), bool)}, DtypeError, "scores has type bool"),
    "scores_long_double": (lambda: {"scores": np.zeros((1, 2), np.longdouble)}, DtypeError, "scores has type"),
    "scores_dates": (lambda: {"scores": np.zeros((1, 2), "M8[s]")}, DtypeError, "scores has type datetime64"),
    "scores_records": (lambda: {"scores": np.zeros((1, 2), "f4,f4")}, DtypeError, "scores has type"),
    "scores_objects": (lambda: {"scores": np.array([[0.5, None]], object)}, DtypeError, "scores has type object"),
    "scores_masked": (lambda: {"scores": np.ma.masked_invalid([[0.5, math.nan]])}, DtypeError, "masked array"),
    "scores_on_a_device": (lambda: {"scores": OnDevice(S)}, NvmineError, "scores"),
    "scores_frame": (lambda: {"scores": pl.DataFrame({"a": [0.5]})}, DtypeError, "scores is a table"),
    "scores_lazy_frame": (lambda: {"scores": pl.LazyFrame({"a": [0.5]})}, NvmineError, "scores"),
    "scores_flat_column": (lambda: {"scores": pl.Series([0.5])}, ShapeError, "expected a List column"),
    "scores_column_of_texts": (lambda: {"scores": pl.Series([["a"]])}, DtypeError, "expected lists of numbers"),
    "scores_column_of_bools": (lambda: {"scores": pl.Series([[True]])}, DtypeError, "expected lists of numbers"),
    "scores_column_of_dates": (
        lambda: {"scores": pl.Series([[dt.date(2025, 1, 1)]])},
        DtypeError,
        "expected lists of numbers",
    ),
    "scores_column_nested": (lambda: {"scores": pl.Series([[[0.5]]])}, DtypeError, "expected lists of numbers"),
    "pos_scores_none": (lambda: {"pos_scores": None}, ShapeError, "pos_scores has shape ()"),
    "pos_scores_number": (lambda: {"pos_scores": 1.0}, ShapeError, "pos_scores has shape ()"),
    "pos_scores_text": (lambda: {"pos_scores": "1.0"}, ShapeError, "pos_scores has shape ()"),
    "pos_scores_bool": (lambda: {"pos_scores": [True]}, DtypeError, "pos_scores has type bool"),
    "pos_scores_column_of_bools": (lambda: {"pos_scores": pl.Series([True])}, DtypeError, "pos_scores"),
    "pos_scores_column_of_texts": (lambda: {"pos_scores": pl.Series(["a"])}, DtypeError, "pos_scores"),
    "pos_scores_column_of_dates": (
        lambda: {"pos_scores": pl.Series([dt.date(2025, 1, 1)])},
        DtypeError,
        "pos_scores",
    ),
    "pos_scores_column_of_structs": (lambda: {"pos_scores": pl.Series([{"a": 1.0}])}, DtypeError, "pos_scores"),
    "ids_fractions": (lambda: {"ids": [[0.0, 1.0]]}, DtypeError, "ids has type float64"),
    "ids_texts": (lambda: {"ids": [["p0", "p1"]]}, DtypeError, "type <U2"),
    "ids_bools": (lambda: {"ids": [[True, False]]}, DtypeError, "type bool"),
    "ids_past_64_bits": (lambda: {"ids": [[0, 2**64]]}, DtypeError, "type object"),
    "ids_column_of_fractions": (lambda: {"ids": pl.Series([[0.0, 1.0]])}, DtypeError, "ids has type float64"),
    "pos_ids_fractions": (lambda: {"pos_ids": [0.0]}, DtypeError, "pos_ids has type float64"),
    "exclude_ids_texts": (lambda: {"exclude_ids": [["p0"]]}, DtypeError, "type <U2"),
    "identity_fractions": (lambda: {"identity": [0.0, 1.0]}, DtypeError, "identity has type float64"),
    "identity_matrix": (lambda: {"identity": np.zeros((2, 2), np.int64)}, ShapeError, "identity has shape (2, 2)"),
    "identity_ragged": (lambda: {"identity": [[0], [1, 2]]}, ShapeError, "identity"),
    "query_ids_fractions": (lambda: {"query_ids": [1.0]}, DtypeError, "query_ids must be whole numbers or strings"),
    "query_ids_bools": (lambda: {"query_ids": [True]}, DtypeError, "query_ids must be whole numbers or strings"),
    "query_ids_none": (lambda: {"query_ids": [None]}, DtypeError, "query_ids must be whole numbers or strings"),
    "query_ids_bytes": (lambda: {"query_ids": [b"q"]}, DtypeError, "query_ids must be whole numbers or strings"),
    "query_ids_null": (lambda: {"query_ids": pl.Series([None], dtype=pl.Int64)}, DtypeError, "query_ids"),
    "query_ids_past_64_bits": (lambda: {"query_ids": [2**64]}, DtypeError, "query_ids"),
    "query_ids_text": (lambda: {"query_ids": "q"}, ShapeError, "query_ids has shape ()"),
    "query_ids_dict": (lambda: {"query_ids": {"q": 0}}, ShapeError, "query_ids has shape ()"),
    "query_ids_2d": (lambda: {"query_ids": [[1]]}, ShapeError, "query_ids has shape (1, 1)"),
    "query_ids_texts_and_numbers": (
        lambda: {"scores": S + S, "pos_scores": P + P, "query_ids": ["q", 1]},
        DtypeError,
        "query_ids",
    ),
}
BAD_TORCH: dict[str, tuple[Callable[[], dict[str, Any]], type[NvmineError], str]] = {
    "scores_float8": (lambda: {"scores": torch.zeros(1, 2).to(torch.float8_e4m3fn)}, DtypeError, "scores"),
    "scores_sparse": (lambda: {"scores": torch.eye(2)[:1].to_sparse()}, NvmineError, "scores"),
    "scores_meta": (lambda: {"scores": torch.zeros(1, 2, device="meta")}, NvmineError, "scores"),
    "scores_complex": (lambda: {"scores": torch.zeros(1, 2, dtype=torch.complex64)}, DtypeError, "complex64"),
    "scores_bool": (lambda: {"scores": torch.zeros(1, 2, dtype=torch.bool)}, DtypeError, "bool"),
    "ids_bfloat16": (
        lambda: {"ids": torch.tensor([[0, 1]], dtype=torch.bfloat16)},
        DtypeError,
        "ids has type bfloat16",
    ),
    "pos_ids_bfloat16": (lambda: {"pos_ids": torch.tensor([1], dtype=torch.bfloat16)}, DtypeError, "pos_ids"),
    "query_ids_bfloat16": (lambda: {"query_ids": torch.tensor([1], dtype=torch.bfloat16)}, DtypeError, "query_ids"),
}
BAD_ARROW: dict[str, tuple[Callable[[], dict[str, Any]], type[NvmineError], str]] = {
    "scores_table": (lambda: {"scores": pa.table({"a": S})}, DtypeError, "scores is a table"),
    "pos_scores_table": (lambda: {"pos_scores": pa.table({"a": P})}, DtypeError, "pos_scores is a table"),
    "pos_scores_record_batch": (lambda: {"pos_scores": pa.record_batch({"a": P})}, DtypeError, "pos_scores"),
    "scores_dictionary": (lambda: {"scores": pa.array(["a"]).dictionary_encode()}, NvmineError, "scores"),
}


def assert_refused(change: Callable[[], dict[str, Any]], kind: type[NvmineError], message: str) -> None:
    changed = change()
    with pytest.raises(NvmineError) as caught:
        nvmine.mine(**({"scores": S, "pos_scores": P} | changed))
    assert isinstance(caught.value, kind)
    assert message in str(caught.value)
    at_fault = list(changed)[-1]
    assert at_fault in str(caught.value)


@pytest.mark.parametrize(("change", "kind", "message"), BAD.values(), ids=BAD)
def test_bad_arrays_are_refused(change: Callable[[], dict[str, Any]], kind: type[NvmineError], message: str) -> None:
    assert_refused(change, kind, message)


@needs_torch
@pytest.mark.parametrize(("change", "kind", "message"), BAD_TORCH.values(), ids=BAD_TORCH)
def test_bad_tensors_are_refused(change: Callable[[], dict[str, Any]], kind: type[NvmineError], message: str) -> None:
    assert_refused(change, kind, message)


@needs_arrow
@pytest.mark.parametrize(("change", "kind", "message"), BAD_ARROW.values(), ids=BAD_ARROW)
def test_bad_arrow_columns_are_refused(
    change: Callable[[], dict[str, Any]], kind: type[NvmineError], message: str
) -> None:
    assert_refused(change, kind, message)


BAD_ROWS: dict[str, tuple[Any, type[NvmineError]]] = {
    "2d": ([[0.5], [[0.5], [0.25]]], ShapeError),
    "number": ([[0.5], 0.25], ShapeError),
    "none_beside_numbers": ([[0.5], np.array(None)], ShapeError),
    "dict": ([[0.5], {"a": 1}], ShapeError),
    "inhomogeneous": ([[0.5], [[0.5], [0.25, 0.125]]], ShapeError),
    "masked": ([[0.5], np.ma.masked_invalid([math.nan, 0.5])], DtypeError),
}


@pytest.mark.parametrize(("rows", "kind"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_named(rows: Any, kind: type[NvmineError]) -> None:
    with pytest.raises(kind, match="scores") as caught:
        nvmine.mine(rows, [1.0, 1.0])
    assert caught.value.row == 1


BAD_ROW_TYPES: dict[str, Any] = {
    "texts": [[0.5], ["a", "b"]],
    "bools": [[0.5], [True, False]],
    "complex": [[0.5], [1j, 2j]],
    "objects": [[0.5], [None, 0.5]],
}


@pytest.mark.parametrize("rows", BAD_ROW_TYPES.values(), ids=BAD_ROW_TYPES)
def test_a_row_of_another_type_is_refused(rows: Any) -> None:
    """Not turned into the type of the others."""
    with pytest.raises(DtypeError, match="scores"):
        nvmine.mine(rows, [1.0, 1.0])


# --- The parts -----------------------------------------------------------------------------------------------------


def test_contiguous_arrays_are_not_copied() -> None:
    for array_ in (SCORES, SCORES.astype(np.float16), np.asfortranarray(SCORES[:1])):
        assert np.shares_memory(read_rows("scores", array_, "scores").values, array_)


def test_list_columns_are_not_copied() -> None:
    column = pl.Series(RAGGED[::2], dtype=pl.List(pl.Float32))
    first, second = (read_rows("scores", column, "scores").values for _ in range(2))
    assert np.shares_memory(first, second)


@needs_torch
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_tensors_are_not_copied(dtype: str) -> None:
    tensor = torch.zeros(3, 4, dtype=getattr(torch, dtype))
    rows = read_rows("scores", tensor, "scores")
    assert rows.values.__array_interface__["data"][0] == tensor.data_ptr()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([3, 0], [3, 0]),
        ([-1, 2], [2**64 - 1, 2]),
        (np.array([2**64 - 1], np.uint64), [2**64 - 1]),
        (np.array([-1], np.int8), [2**64 - 1]),
        (np.array([7], ">u2"), [7]),
        (pl.Series([5, 6]), [5, 6]),
        ([], []),
    ],
    ids=["small", "negative", "largest", "narrow", "big_endian", "column", "none"],
)
def test_whole_numbers_are_their_own_keys(keys: Any, expected: list[int]) -> None:
    found = read_keys("query_ids", keys).keys
    assert found.dtype == np.uint64
    assert found.tolist() == expected


TEXTS = ["", "q1", "Ä", "\U0001f600", "x" * 1000, "\ud800"]


@pytest.mark.parametrize(
    "make",
    [list, tuple, lambda t: np.array(t, object), lambda t: np.array(t), pl.Series],
    ids=["list", "tuple", "objects", "unicode", "column"],
)
def test_texts_have_the_keys_of_the_oracle(make: Any) -> None:
    texts = TEXTS[:-1]
    assert read_keys("query_ids", make(texts)).keys.tolist() == [oracle.key_of(text) for text in texts]


@pytest.mark.parametrize(
    "make", [list, tuple, lambda t: np.array(t, object), pl.Series], ids=["list", "tuple", "objects", "column"]
)
def test_texts_that_end_in_nul_have_keys_of_their_own(make: Any) -> None:
    """numpy's own texts lose it."""
    texts = ["q", "q\0", "q\0\0", ""]
    assert read_keys("query_ids", make(texts)).keys.tolist() == [oracle.key_of(text) for text in texts]


def test_one_long_text_costs_no_more_than_itself() -> None:
    """numpy's own texts are all as wide as the widest."""
    texts = ["q"] * 5000 + ["q" * 5000]
    tracemalloc.start()
    try:
        read_keys("query_ids", texts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_lone_surrogates_have_a_key_too() -> None:
    assert len(set(text_keys([*TEXTS, "\udfff"]).tolist())) == len(TEXTS) + 1


@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [2, 0, 1], [0, 3, 0], [1, 1]])
def test_list_columns_hold_the_rows(lengths: list[int]) -> None:
    values = np.arange(sum(lengths))
    column = list_column("ids", values, np.array(lengths, np.int64))
    parts = np.split(values, np.cumsum(lengths))[: len(lengths)]
    assert column.name == "ids"
    assert column.dtype == pl.List(pl.Int64)
    assert column.to_list() == [part.tolist() for part in parts]

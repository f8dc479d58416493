"""Files of vectors in every format against what was written, and files that are broken or made to mislead."""

from __future__ import annotations

import errno
import io
import json
import pickle
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from nvmine.data import vector_files
from nvmine.data.dataset import Taken
from nvmine.data.vector_files import open_vectors
from nvmine.data.vectors import as_float32
from nvmine.errors import DataError, DtypeError, MissingExtraError
from nvmine.inputs.foreign import Bfloat16

VECTORS = np.random.default_rng(0).standard_normal((7, 3))


def npy(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def npy_header(shape: object, descr: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})  # type: ignore[arg-type]
    return file.getvalue()


def safetensors(tensors: dict[str, np.ndarray], types: str = "F32") -> bytes:
    """Writes the format by hand, because numpy has no bfloat16."""
    header, place, content = {}, 0, b""
    for name, array in tensors.items():
        header[name] = {"dtype": types, "shape": array.shape, "data_offsets": [place, place + array.nbytes]}
        place, content = place + array.nbytes, content + array.tobytes()
    encoded = json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + content


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files_are_mapped_for_reading(dtype: str, order: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.asarray(VECTORS, dtype, order=order))
    file = open_vectors(tmp_path / "v.npy")
    assert file.ids is None
    assert file.path == tmp_path / "v.npy"
    np.testing.assert_array_equal(file.vectors, VECTORS.astype(dtype))
    assert not file.vectors.flags.writeable


@pytest.mark.parametrize(("kind", "dtype"), [("F16", np.float16), ("F32", np.float32), ("F64", np.float64)])
def test_one_tensor_or_the_one_named_embeddings_is_mapped(kind: str, dtype: type, tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    vectors = VECTORS.astype(dtype)
    (tmp_path / "one.safetensors").write_bytes(safetensors({"x": vectors}, kind))
    tensors = {"bias": vectors[0], "embeddings": vectors, "other": vectors + 1}
    (tmp_path / "several.SAFETENSORS").write_bytes(safetensors(tensors, kind))
    for name in ("one.safetensors", "several.SAFETENSORS"):
        opened = open_vectors(tmp_path / name).vectors
        assert opened.dtype == dtype
        np.testing.assert_array_equal(opened, vectors)


def test_bfloat16_in_safetensors_keeps_its_bits(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    bits = (VECTORS.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    (tmp_path / "v.safetensors").write_bytes(safetensors({"x": bits}, "BF16"))
    opened = open_vectors(tmp_path / "v.safetensors").vectors
    assert isinstance(opened, Bfloat16)
    np.testing.assert_array_equal(as_float32(opened), (bits.astype(np.uint32) << 16).view(np.float32))


def test_safetensors_written_by_torch_are_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch")
    tensor = torch.randn(5, 4, dtype=torch.bfloat16)
    library.save_file({"embeddings": tensor, "a": torch.ones(1)}, tmp_path / "v.safetensors", metadata={"format": "pt"})
    np.testing.assert_array_equal(as_float32(open_vectors(tmp_path / "v.safetensors").vectors), tensor.float().numpy())


HALF = getattr(pl, "Float16", None)
COLUMNS: dict[str, tuple[pl.DataType | type[pl.DataType], type]] = {
    "List of Float32": (pl.List(pl.Float32), np.float32),
    "List of Float64": (pl.List(pl.Float64), np.float32),
    "Array of Float32": (pl.Array(pl.Float32, 3), np.float32),
    "Array of Float64": (pl.Array(pl.Float64, 3), np.float32),
} | ({} if HALF is None else {"List of Float16": (pl.List(HALF), np.float16)})


@pytest.mark.parametrize(("column", "dtype"), COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("batch", [1, 50, 2**20])
def test_every_type_of_a_parquet_column_is_read(
    column: Any, dtype: type, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_files, "_BATCH", batch)
    vectors = pl.Series("emb", VECTORS.tolist()).cast(column)
    frame = pl.DataFrame({"title": list("abcdefg"), "query": list("hijklmn"), "emb": vectors})
    frame.write_parquet(tmp_path / "v.parquet", row_group_size=3)
    file = open_vectors(tmp_path / "v.parquet")
    assert file.ids is None
    assert file.vectors.dtype == dtype
    np.testing.assert_array_equal(file.vectors, VECTORS.astype(dtype))


def test_parquet_is_unpacked_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(1).standard_normal((5000, 64)).astype(np.float32)
    pl.DataFrame({"emb": vectors}).write_parquet(tmp_path / "v.parquet", row_group_size=500)
    monkeypatch.setattr(vector_files, "_BATCH", vectors.nbytes // 20)
    tracemalloc.start()
    try:
        opened = open_vectors(tmp_path / "v.parquet").vectors
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < vectors.nbytes / 4
    assert not opened.flags.owndata
    np.testing.assert_array_equal(opened, vectors)


@pytest.mark.parametrize(
    ("name", "ids"),
    [("_id", ["a", "b", "c"]), ("passage_id", [10, -1, 7]), ("qid", ["1", "01", "ü"]), ("corpus-id", ["x", "y", ""])],
)
def test_rows_are_found_by_id(name: str, ids: list[Any], tmp_path: Path) -> None:
    pl.DataFrame({"v": VECTORS[:3], name: ids}).write_parquet(tmp_path / "v.parquet")
    file = open_vectors(tmp_path / "v.parquet")
    texts = [str(each) for each in ids]
    assert file.rows_of(texts[::-1], "passages").tolist() == [2, 1, 0]
    assert file.rows_of([texts[1]], "passages").tolist() == [1]
    with pytest.raises(DataError, match=r"v.parquet: no vector for 2 of 3 queries, first 'zz'") as caught:
        file.rows_of([texts[0], "zz", "zzz"], "queries")
    assert caught.value.path == str(tmp_path / "v.parquet")


def test_rows_without_ids_are_matched_by_order(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VECTORS)
    file = open_vectors(tmp_path / "v.npy")
    taken = Taken(np.array([1, 4]), 7)
    assert file.rows_of(list("abcdefg"), "queries").tolist() == [*range(7)]
    assert file.rows_of(list("ab"), "queries", taken).tolist() == [1, 4]
    # If there are as many vectors as mined queries, they belong to the mined queries.
    assert file.rows_of(list("abcdefg"), "queries", Taken(np.arange(1, 8), 9)).tolist() == [*range(7)]
    with pytest.raises(DataError, match=r"v.npy: holds 7 vectors, expected one for each of 2 passages, in their order"):
        file.rows_of(list("ab"), "passages")
    with pytest.raises(DataError, match=r"each of 2 queries, or for each of the 8 in their file, in .* use Parquet"):
        file.rows_of(list("ab"), "queries", Taken(np.array([1, 4]), 8))


GOOD = npy(VECTORS)
BROKEN: dict[str, tuple[str, bytes | None, type[Exception], str]] = {
    "no file": ("v.npy", None, DataError, "no such file"),
    "unknown suffix": ("v.bin", GOOD, DataError, "unknown kind of file; expected vectors in one of .npy, .safetensors"),
    "empty": ("v.npy", b"", DataError, "cannot be mapped as an npy file"),
    "no magic": ("v.npy", b"0 1 2\n", DataError, "cannot be mapped as an npy file"),
    "half a header": ("v.npy", GOOD[:30], DataError, "cannot be mapped as an npy file"),
    "cut short": ("v.npy", GOOD[:-1], DataError, "mmap length is greater than file size"),
    "an archive": ("v.npy", b"PK\x03\x04" + bytes(60), DataError, "cannot be mapped as an npy file"),
    "a pickle": ("v.npy", pickle.dumps(VECTORS), DataError, "cannot be mapped as an npy file"),
    "objects": ("v.npy", npy(np.array([[1, "a"]], object), allow_pickle=True), DataError, "Python objects in dtype"),
    "a size beyond the file": (
        "v.npy",
        npy_header((2**40, 4)) + bytes(64),
        DataError,
        "cannot be mapped as an npy file",
    ),
    "a size that overflows": (
        "v.npy",
        npy_header((2**62, 4)) + bytes(64),
        DataError,
        "cannot be mapped as an npy file",
    ),
    "a size beyond 64 bits": (
        "v.npy",
        npy_header((2**80, 4)) + bytes(64),
        DataError,
        "cannot be mapped as an npy file",
    ),
    "a negative size": ("v.npy", npy_header((-4, -4)) + bytes(64), DataError, "cannot be mapped as an npy file"),
    "code for a header": ("v.npy", GOOD.replace(b"(7, 3)", b"f(7,3)"), DataError, "cannot be mapped as an npy file"),
    "one dimension": ("v.npy", npy(VECTORS[0]), DataError, "has shape (3,), expected (rows, dimension)"),
    "three dimensions": ("v.npy", npy(VECTORS[None]), DataError, "has shape (1, 7, 3)"),
    "no dimension": ("v.npy", npy(VECTORS[0, 0]), DataError, "has shape ()"),
    "no rows": ("v.npy", npy(VECTORS[:0]), DataError, "has shape (0, 3)"),
    "no components": ("v.npy", npy(VECTORS[:, :0]), DataError, "has shape (7, 0)"),
    "whole numbers": ("v.npy", npy(VECTORS.astype(np.int8)), DtypeError, "holds int8, expected float16, float32"),
    "complex numbers": ("v.npy", npy(VECTORS.astype(np.complex64)), DtypeError, "holds complex64"),
    "fields": ("v.npy", npy(np.zeros((2, 2), "f4,f4")), DtypeError, "expected float16"),
    "not Parquet": ("v.parquet", GOOD, DataError, "cannot be read"),
}
SAFE = safetensors({"x": VECTORS.astype(np.float32)})
BROKEN_TENSORS: dict[str, tuple[bytes, type[Exception], str]] = {
    "empty": (b"", DataError, "cannot be read as safetensors"),
    "cut short": (SAFE[:-1], DataError, "cannot be read as safetensors"),
    "too long": (SAFE + b"\0", DataError, "cannot be read as safetensors"),
    "a header beyond the file": ((2**60).to_bytes(8, "little") + SAFE[8:], DataError, "cannot be read"),
    "a size beyond the file": (SAFE.replace(b"[7, 3]", b"[9, 9]"), DataError, "cannot be read"),
    "not JSON": (SAFE.replace(b'{"x"', b'{{"x'), DataError, "cannot be read"),
    "no tensors": (safetensors({}), DataError, "the tensors are: none"),
    "two tensors": (safetensors({"x": VECTORS, "y": VECTORS}, "F64"), DataError, "the tensors are: 'x', 'y'"),
    "no rows": (safetensors({"x": VECTORS[:0]}, "F64"), DataError, "has shape (0, 3)"),
    "no dimension": (safetensors({"x": VECTORS[0, 0]}, "F64"), DataError, "has shape ()"),
    "whole numbers": (safetensors({"x": VECTORS.astype(np.int8)}, "I8"), DtypeError, "holds I8, expected one of F16"),
}


@pytest.mark.parametrize(("name", "content", "kind", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_refused(
    name: str, content: bytes | None, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(kind) as caught:
        open_vectors(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert message in str(caught.value)


@pytest.mark.parametrize(("content", "kind", "message"), BROKEN_TENSORS.values(), ids=BROKEN_TENSORS)
def test_broken_safetensors_are_refused(content: bytes, kind: type[Exception], message: str, tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    test_broken_files_are_refused("v.safetensors", content, kind, message, tmp_path)


Frame = Callable[[], pl.DataFrame]
LISTS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
BROKEN_FRAMES: dict[str, tuple[Frame, type[Exception], str]] = {
    "no rows": (lambda: pl.DataFrame({"v": LISTS}).head(0), DataError, ": holds no vectors"),
    "no first vector": (lambda: pl.DataFrame({"v": [None, [1.0]]}), DataError, ": holds no vectors"),
    "empty lists": (lambda: pl.DataFrame({"v": [[], []]}, {"v": pl.List(pl.Float32)}), DataError, "holds no vectors"),
    "a null vector": (lambda: pl.DataFrame({"v": [*LISTS, None]}), DataError, "row 3: null, expected 2 numbers"),
    "a null in a vector": (
        lambda: pl.DataFrame({"v": [*LISTS, [7.0, None]]}),
        DataError,
        "row 3: one of the numbers is null",
    ),
    "a null array": (
        lambda: pl.DataFrame({"v": [[1.0], None]}, {"v": pl.Array(pl.Float64, 1)}),
        DataError,
        "row 1: null, expected 1 numbers",
    ),
    "a short vector": (
        lambda: pl.DataFrame({"v": [*LISTS, [7.0]]}),
        DataError,
        "row 3: a list of 1, expected 2 numbers as in row 0",
    ),
    "as many numbers in all": (lambda: pl.DataFrame({"v": [*LISTS, [1.0], [2.0] * 3]}), DataError, "row 3: a list of"),
    "no lists": (lambda: pl.DataFrame({"v": [1.0]}), DataError, "one column of lists of floats; the columns are: 'v'"),
    "whole numbers": (lambda: pl.DataFrame({"v": [[1, 2]]}), DataError, "'v' (List(Int64))"),
    "lists of lists": (lambda: pl.DataFrame({"v": [LISTS]}), DataError, "one column of lists of floats"),
    "two columns": (
        lambda: pl.DataFrame({"v": LISTS, "w": LISTS}),
        DataError,
        "the columns are: 'v' (List(Float64)), 'w'",
    ),
    "a repeated id": (
        lambda: pl.DataFrame({"v": LISTS, "_id": ["a", "b", "a"]}),
        DataError,
        "column '_id', row 2: id 'a' was already used",
    ),
    "a null id": (lambda: pl.DataFrame({"v": LISTS, "id": [1, None, 2]}), DataError, "'id', row 1: the id is null"),
    "ids of another type": (
        lambda: pl.DataFrame({"v": LISTS, "qid": [1.0, 2.0, 3.0]}),
        DtypeError,
        "holds Float64, expected ids (whole numbers or String)",
    ),
}


@pytest.mark.parametrize(("frame", "kind", "message"), BROKEN_FRAMES.values(), ids=BROKEN_FRAMES)
def test_broken_parquet_files_are_refused(
    frame: Frame, kind: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_files, "_BATCH", 30)
    frame().write_parquet(tmp_path / "v.parquet")
    with pytest.raises(kind) as caught:
        open_vectors(tmp_path / "v.parquet")
    assert str(caught.value).startswith(str(tmp_path / "v.parquet"))
    assert message in str(caught.value)


@pytest.mark.parametrize("place", [0, 0.3, 0.6, 1])
def test_damaged_parquet_files_are_refused(place: float, tmp_path: Path) -> None:
    pl.DataFrame({"v": np.random.default_rng(0).standard_normal((500, 8))}).write_parquet(tmp_path / "v.parquet")
    content = bytearray((tmp_path / "v.parquet").read_bytes())
    start = int(place * (len(content) - 64))
    content[start : start + 64] = bytes(64)
    (tmp_path / "v.parquet").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        open_vectors(tmp_path / "v.parquet")


class Full(io.BytesIO):
    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_names_the_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pl.DataFrame({"v": VECTORS}).write_parquet(tmp_path / "v.parquet")
    monkeypatch.setattr(vector_files.tempfile, "TemporaryFile", Full)
    with pytest.raises(DataError, match=r"v.parquet: cannot be unpacked into .*No space left.* set TMPDIR"):
        open_vectors(tmp_path / "v.parquet")


def test_a_missing_extra_names_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "v.safetensors").write_bytes(SAFE)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nvmine\[dense\]'"):
        open_vectors(tmp_path / "v.safetensors")

"""Files of vectors that were computed elsewhere: ``.npy``, ``.safetensors`` and ``.parquet``, one row per text.

The vectors of every format become one memory-mapped array, of which only the requested rows are brought into memory.
npy and safetensors files are mapped directly. Parquet is compressed, so its column is unpacked once, batch by batch,
into an unnamed file in the folder for temporary files (``TMPDIR``). That folder needs room for the vectors; the file
is gone when the process ends. Prefer npy for large collections, and Parquet if rows should be found by id.

Nothing is unpickled here, and a size in a header is not trusted before it has been compared with the file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from nvmine.data.dataset import Taken
from nvmine.data.formats import columns
from nvmine.data.formats.scan import scan, unreadable
from nvmine.data.formats.suffixes import VECTORS
from nvmine.errors import DataError, DtypeError, quote
from nvmine.extras import require
from nvmine.inputs.foreign import Array, Bfloat16

Int64Array = npt.NDArray[np.int64]

# A column `query` beside vectors holds texts, not ids.
_IDS = ("_id", "id", *(name for name in (*columns.QUERY, *columns.PASSAGE) if name != "query"))
_BATCH = 64 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class VectorFile:
    """An opened file of vectors.

    Parameters
    ----------
    path
        The file.
    vectors
        ``(rows, dimension)``, memory-mapped: float16, bfloat16 (as its bits, see :mod:`nvmine.inputs.foreign`), float32
        or, from npy and safetensors, float64. The values have not been checked; they may be NaN.
    ids
        Unique ids of the rows, as text; None if the file has no ids.
    """

    path: Path
    vectors: Array
    ids: pl.Series | None

    def rows_of(self, wanted: Sequence[str], what: str, taken: Taken | None = None) -> Int64Array:
        """Returns the row numbers of some ids: by id if the file has ids, else by position.

        Parameters
        ----------
        wanted
            All query ids or all passage ids of a dataset, in its order.
        what
            What the ids name, for messages: ``"queries"`` or ``"passages"``.
        taken
            Which rows of a longer file of texts the dataset took, if it took some. A file without ids may then have
            one row for each text of that file.

        Returns
        -------
        int64 of shape (len(wanted),).

        Raises
        ------
        DataError
            An id is not in the file; or the file has no ids and the wrong number of rows.
        """
        if self.ids is not None:
            return self._found(wanted, what)
        if len(self.vectors) == len(wanted):
            return np.arange(len(wanted))
        if taken is not None and len(self.vectors) == taken.of:
            return taken.rows
        among = "" if taken is None else f", or for each of the {taken.of} in their file"
        raise DataError(
            f"holds {len(self.vectors)} vectors, expected one for each of {len(wanted)} {what}{among}, in their order;"
            f" or use Parquet with a column of ids ({', '.join(_IDS[:3])}, …), so that rows are found by id",
            path=self.path,
        )

    def _found(self, wanted: Sequence[str], what: str) -> Int64Array:
        rows = pl.DataFrame({"id": self.ids, "row": np.arange(len(self.vectors))})
        found = pl.DataFrame({"id": wanted}, {"id": pl.String}).join(rows, on="id", how="left", maintain_order="left")
        missing = found["row"].is_null().arg_true()
        if len(missing):
            message = f"no vector for {len(missing)} of {len(wanted)} {what}, first {quote(wanted[missing[0]])}"
            raise DataError(f"{message}; add the rows, or remove the ids to match rows by order", path=self.path)
        return found["row"].to_numpy()


def open_vectors(path: Path) -> VectorFile:
    """Opens a file of vectors according to its suffix.

    Parameters
    ----------
    path
        ``.npy`` with two dimensions; ``.safetensors`` with one two-dimensional tensor, or one named ``embeddings``; or
        ``.parquet`` with one column of lists of floats, all of the same length, and optionally a column of ids. Other
        columns are not read.

    Raises
    ------
    DataError
        The file is missing, damaged, empty or ambiguous, or it holds a null, lists of different lengths, or a repeated
        id.
    DtypeError
        The file does not hold vectors of floats.
    MissingExtraError
        safetensors is needed but not installed.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(f"unknown kind of file; expected vectors in one of {', '.join(VECTORS)}", path=path)
    if not path.is_file():
        raise DataError("no such file", path=path)
    return read(path)


def _open_npy(path: Path) -> VectorFile:
    try:
        vectors = np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except Exception as error:  # an untrusted header can fail in any way, from its parser to the mapping
        reason = f"cannot be mapped as an npy file ({error}); write it with numpy.save, from an array of numbers"
        raise DataError(reason, path=path) from error
    _check_shape(vectors.shape, path)
    if vectors.dtype.kind != "f" or vectors.dtype.itemsize > 8:
        raise DtypeError(f"holds {vectors.dtype}, expected float16, float32 or float64; convert it", path=path)
    return VectorFile(path, vectors, None)


def _open_safetensors(path: Path) -> VectorFile:
    library = require("safetensors", extra="dense")
    try:
        # Opening reads the header and checks it against the size of the file.
        with library.safe_open(path, framework="numpy") as file:
            names = list(file.keys())
    except (library.SafetensorError, OSError) as error:
        raise DataError(f"cannot be read as safetensors: {error}", path=path) from error
    if len(names) != 1 and "embeddings" not in names:
        listed = ", ".join(map(quote, names)) or "none"
        raise DataError(f"expected one tensor, or one named 'embeddings'; the tensors are: {listed}", path=path)
    # The library cannot give bfloat16 to numpy, so the tensor is mapped here, at the offset that the header names.
    with path.open("rb") as raw:
        length = int.from_bytes(raw.read(8), "little")
        tensor = json.loads(raw.read(length))[names[0] if len(names) == 1 else "embeddings"]
    shape, kind = tuple(tensor["shape"]), tensor["dtype"]
    _check_shape(shape, path)
    if kind not in _TENSOR_TYPES:
        raise DtypeError(f"holds {kind}, expected one of {', '.join(_TENSOR_TYPES)}; convert it", path=path)
    place = 8 + length + tensor["data_offsets"][0]
    vectors = np.asarray(np.memmap(path, _TENSOR_TYPES[kind], "r", offset=place, shape=shape))
    return VectorFile(path, Bfloat16.mark(vectors) if kind == "BF16" else vectors, None)


def _check_shape(shape: tuple[int, ...], path: Path) -> None:
    if len(shape) != 2 or 0 in shape:
        raise DataError(f"has shape {shape}, expected (rows, dimension), both at least 1", path=path)


def _open_parquet(path: Path) -> VectorFile:
    plan = scan(path, ".parquet")
    schema = plan.collect_schema()
    inner = {name: kind.inner for name, kind in schema.items() if isinstance(kind, pl.List | pl.Array)}
    names = [name for name, kind in inner.items() if kind.is_float()]
    if len(names) != 1:
        listed = ", ".join(f"{quote(name)} ({kind})" for name, kind in schema.items())
        raise DataError(f"expected one column of lists of floats; the columns are: {listed}", path=path)
    kind = pl.Float32 if inner[names[0]] == pl.Float64 else inner[names[0]]
    id_column = next((name for name in _IDS if name in schema), None)
    try:
        ids = None if id_column is None else _ids(plan.select(id_column).collect().to_series(), path)
        vectors = _unpacked(plan.select(pl.col(names[0]).cast(pl.List(kind))), path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise unreadable(path, error) from error
    return VectorFile(path, vectors, ids)


def _ids(column: pl.Series, path: Path) -> pl.Series:
    if not (column.dtype.is_integer() or column.dtype == pl.String):
        message = f"holds {column.dtype}, expected ids (whole numbers or String); cast or rename the column"
        raise DtypeError(message, path=path, column=column.name)
    if column.null_count():
        row = column.is_null().arg_true()[0]
        raise DataError("the id is null", path=path, column=column.name, row=row)
    again = (~column.is_first_distinct()).arg_true()
    if len(again):
        message = f"id {quote(str(column[again[0]]))} was already used; keep one vector for each id"
        raise DataError(message, path=path, column=column.name, row=again[0])
    return column.cast(pl.String)


def _unpacked(plan: pl.LazyFrame, path: Path) -> Array:
    """Returns a column of lists of floats as an array, mapped from an unnamed file."""
    first = plan.head(1).collect().to_series()
    dimension = first.list.len()[0] if len(first) else 0
    if not dimension:
        raise DataError("holds no vectors: there are no rows, or the first is null or empty", path=path)
    kind = first.explode().to_numpy().dtype
    rows, wrong = 0, list[Exception]()

    def take(lists: pl.DataFrame) -> bool:
        nonlocal rows
        try:
            file.write(_values(lists.to_series(), dimension, rows, path).data)
        except (DataError, OSError) as error:
            # Kept, because Polars before 2.0 passes on only the text of an exception.
            wrong.append(error)
        rows += len(lists)
        return bool(wrong)

    try:
        with tempfile.TemporaryFile() as file:
            size = max(1, _BATCH // (dimension * kind.itemsize))
            plan.sink_batches(take, chunk_size=size, maintain_order=True, engine="streaming")
            if wrong:
                raise wrong[0]
            file.flush()
            return np.asarray(np.memmap(file, kind, "r", shape=(rows, dimension)))
    except OSError as error:
        message = f"cannot be unpacked into {tempfile.gettempdir()} ({error}); set TMPDIR to a folder with room"
        raise DataError(message, path=path) from error


def _values(lists: pl.Series, dimension: int, row: int, path: Path) -> Array:
    """Returns the numbers of some lists, the first of which is row `row` of the file."""
    lengths = lists.list.len()
    odd = (lengths.fill_null(0) != dimension).arg_true()
    if len(odd):
        length = lengths[odd[0]]
        found = "null" if length is None else f"a list of {length}"
        raise DataError(f"{found}, expected {dimension} numbers as in row 0", path=path, row=row + odd[0])
    values = lists.explode()
    if values.null_count():
        place = values.is_null().arg_true()[0] // dimension
        raise DataError("one of the numbers is null", path=path, row=row + place)
    return values.to_numpy()


_TENSOR_TYPES = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}

_READERS: dict[str, Callable[[Path], VectorFile]] = dict(
    zip(VECTORS, (_open_npy, _open_safetensors, _open_parquet), strict=True)
)

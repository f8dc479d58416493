"""Opens any source of data as a :class:`~nvmine.data.dataset.Dataset` by choosing the reader.

The choice never depends on trying readers: a file is recognised by its suffix, a folder by the files in it, a value by
its type. A string is a path if that path exists, and otherwise a name on the Hugging Face hub.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from nvmine.data import huggingface
from nvmine.data.beir import read_beir
from nvmine.data.dataset import Dataset, OnMissing
from nvmine.data.formats.suffixes import TABLES, suffix_of
from nvmine.data.formats.tables import Table, frame_table, list_table, open_table
from nvmine.data.pairs import read_pairs
from nvmine.errors import DataError, PolicyError, quote

if TYPE_CHECKING:
    import polars as pl

_BEIR_MARKS = ("corpus.jsonl", "corpus.jsonl.gz", "queries.jsonl", "queries.jsonl.gz", "qrels")
_HUGGING_FACE_MARKS = ("dataset_dict.json", "dataset_info.json", "state.json")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", re.ASCII)


def open_dataset(
    data: str | Path | Dataset | pl.DataFrame | Sequence[tuple[str, str | Sequence[str]]] | object,
    *,
    split: str = "train",
    query_column: str | None = None,
    positive_column: str | None = None,
    corpus: str | Path | None = None,
    on_missing: OnMissing = "raise",
) -> Dataset:
    """Reads a collection: queries, passages, and which passages are positives of which query.

    Parameters
    ----------
    data
        A :class:`Dataset`, which is returned unchanged · a BEIR folder · a folder written by Hugging Face's
        ``save_to_disk`` · a pairs file (Parquet, JSONL, CSV, TSV) · a Polars DataFrame or a Hugging Face dataset of
        pairs · a sequence of (query, positive) tuples · the name of a dataset on the Hugging Face hub, ``owner/name``
        or ``owner/name:configuration``.
    split
        The split of a BEIR folder or a Hugging Face dataset. Other sources have no splits.
    query_column, positive_column
        Columns of pairs; see :func:`nvmine.data.pairs.read_pairs`.
    corpus
        A file of further passages, for pairs.
    on_missing
        ``"skip"`` leaves out queries without a positive; ``"raise"`` refuses them.

    Raises
    ------
    DataError
        There is nothing to read, or the data are malformed; the message names the place.
    PolicyError
        `on_missing` has another value.
    MissingExtraError
        ``datasets`` is needed but not installed.

    Examples
    --------
    >>> open_dataset([("who?", "she"), ("where?", "here")]).passage_texts
    ['she', 'here']
    """
    if on_missing not in get_args(OnMissing):
        expected = " or ".join(map(quote, get_args(OnMissing)))
        raise PolicyError(f"expected {expected}, found {on_missing!r}", argument="on_missing")
    pair_options = {"query_column": query_column, "positive_column": positive_column, "corpus": corpus}
    if isinstance(data, Dataset):
        _refuse(pair_options, "a Dataset", data.name)
        return data
    if isinstance(data, str | Path) and _has(Path(data), _BEIR_MARKS):
        _refuse(pair_options, "a BEIR folder", data)
        return read_beir(Path(data), split=split, on_missing=on_missing)
    return read_pairs(
        _table_at(data, split) if isinstance(data, str | Path) else _table_of(data, split),
        query_column=query_column,
        positive_column=positive_column,
        corpus=None if corpus is None else open_table(Path(corpus)),
        on_missing=on_missing,
    )


def _has(folder: Path, marks: Sequence[str]) -> bool:
    return any((folder / mark).exists() for mark in marks)


def _refuse(options: Mapping[str, object], kind: str, name: str | Path) -> None:
    for option, value in options.items():
        if value is not None:
            raise DataError(f"can only be used with pairs, and this is {kind}", path=name, argument=option)


def _table_at(data: str | Path, split: str) -> Table:
    """Opens the pairs at a path, or those with this name on the hub if there is nothing at the path."""
    path = Path(data)
    if path.is_dir():
        if _has(path, _HUGGING_FACE_MARKS):
            return huggingface.open_folder(path, split=split)
        message = f"no dataset: looked for {', '.join((*_BEIR_MARKS[:1], *_HUGGING_FACE_MARKS))}"
        raise DataError(f"{message}; to read a pairs file, pass the path of the file", path=path)
    if path.exists() or suffix_of(path, TABLES) is not None:
        return open_table(path)
    if isinstance(data, str) and _HUB_NAME.fullmatch(data):
        return huggingface.open_hub(data, split=split)
    message = "nothing here: looked for a BEIR folder, a Hugging Face folder or hub name (owner/name), or a pairs file"
    raise DataError(f"{message} ({', '.join(TABLES)})", path=data)


def _table_of(data: object, split: str) -> Table:
    import polars as pl

    if isinstance(data, pl.DataFrame):
        return frame_table(data, "a Polars DataFrame")
    if type(data).__module__.partition(".")[0] == "datasets":
        return huggingface.open_object(data, split=split)
    if isinstance(data, Sequence) and not isinstance(data, bytes | bytearray):
        return list_table(data, ["query", "positive"], "a list of pairs")
    expected = "a path, a Dataset, a Polars DataFrame, a Hugging Face dataset or a sequence of (query, positive) tuples"
    raise DataError(f"cannot read a {type(data).__name__}; expected {expected}")

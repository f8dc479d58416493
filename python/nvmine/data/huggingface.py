"""Hugging Face ``datasets``: a folder written by ``save_to_disk``, a name on the hub, or a dataset in memory.

Rows are read with the library itself. It honours selections, filters and sorts, which a dataset keeps as an index; the
Arrow files of the folder hold the rows from before. This module needs the extra ``datasets``. Prefer Parquet
(:mod:`nvmine.data.formats.tables`) if you can choose, because it needs no extra.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from nvmine.data.formats.tables import Row, Table
from nvmine.errors import DataError, MissingExtraError, quote

_BATCH = 1000


def open_folder(folder: Path, *, split: str = "train") -> Table:
    """Opens a dataset saved by ``save_to_disk``; `split` selects one from a saved ``DatasetDict``.

    Raises
    ------
    MissingExtraError
        ``datasets`` is not installed.
    DataError
        The folder cannot be loaded, or does not have the split.

    Examples
    --------
    >>> open_folder(Path("saved"), split="train").columns
    ['anchor', 'positive']
    """
    datasets = _datasets()
    try:
        data = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot be loaded as a Hugging Face dataset: {error}", path=folder) from error
    return open_object(data, split=split, name=str(folder))


def open_hub(name: str, *, split: str = "train") -> Table:
    """Opens a dataset of the hub, ``owner/name`` or ``owner/name:configuration``, downloaded or cached.

    Raises
    ------
    MissingExtraError
        ``datasets`` is not installed.
    DataError
        The dataset, configuration or split does not exist, or the hub cannot be reached.

    Examples
    --------
    >>> open_hub("sentence-transformers/all-nli:pair").columns
    ['anchor', 'positive']
    """
    datasets = _datasets()
    repository, _, configuration = name.partition(":")
    try:
        data = datasets.load_dataset(repository, configuration or None, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        message = f"there is no such path, and no such dataset can be loaded from the Hugging Face hub: {error}"
        raise DataError(message, path=name) from error
    return open_object(data, split=split, name=name)


def open_object(data: object, *, split: str = "train", name: str = "a Hugging Face dataset") -> Table:
    """Returns a ``Dataset``, or one split of a ``DatasetDict``, as a table.

    Raises
    ------
    MissingExtraError
        ``datasets`` is not installed.
    DataError
        The ``DatasetDict`` does not have the split, or `data` is neither of the two.
    """
    datasets = _datasets()
    if isinstance(data, datasets.DatasetDict):
        if split not in data:
            found = ", ".join(map(quote, data)) or "none"
            raise DataError(f"no split {quote(split)}: the splits are {found}; choose one with split=", path=name)
        data = data[split]
    if not isinstance(data, datasets.Dataset):
        raise DataError(f"expected a Dataset or a DatasetDict, found {type(data).__name__}", path=name)
    # A dataset may be saved with a format for training (torch, numpy); without it, texts are Python strings.
    rows = data.with_format(None)

    def read(columns: Sequence[str]) -> Iterator[Row]:
        batches = rows.select_columns(list(columns)).iter(batch_size=_BATCH)
        return enumerate(row for batch in batches for row in zip(*(batch[name] for name in columns), strict=True))

    return Table(name, list(data.column_names), "row", read)


def _datasets() -> ModuleType:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        message = "Hugging Face datasets need the package `datasets`: pip install 'nvmine[datasets]'"
        raise MissingExtraError(message) from error

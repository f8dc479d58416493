"""FAISS indexes that were built before, mapped from their files: one, or one for each of several shards of the corpus.

Only what a search touches is read. FAISS merges what the shards find, in the order of their files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nvmine.errors import SearchError
from nvmine.files import sha256_of

if TYPE_CHECKING:
    import faiss


def saved_indexes(name: str) -> list[Path]:
    """The files that a name stands for: a file; or the ``*.faiss`` of a folder, by name. Else none.

    Raises
    ------
    SearchError
        It is a folder without any.
    """
    path = Path(name)
    if path.is_file():
        return [path]
    if not path.is_dir():
        return []
    found = sorted(path.glob("*.faiss"))
    if not found:
        raise SearchError("holds no *.faiss, the shards of an index", path=path)
    return found


def digests_of(paths: Sequence[Path]) -> list[str]:
    """The SHA-256 of each file."""
    return [sha256_of(path) for path in paths]


def read_saved(library: ModuleType, paths: Sequence[Path], dimension: int, passages: int) -> list[faiss.Index]:
    """The indexes in some files, which together hold all passages.

    Raises
    ------
    SearchError
        A file is no index, or one of other vectors than these.
    """
    indexes = []
    for path in paths:
        try:
            index = library.read_index(str(path), library.IO_FLAG_MMAP_IFC | library.IO_FLAG_READ_ONLY)
        except RuntimeError as error:
            raise SearchError(f"is no FAISS index that can be read: {str(error).splitlines()[-1]}", path=path) from None
        if index.d != dimension:
            raise SearchError(f"is an index of dimension {index.d}, the vectors have {dimension}", path=path)
        if index.metric_type != library.METRIC_INNER_PRODUCT:
            raise SearchError("compares by another measure than the inner product", path=path)
        indexes.append(index)
    held = sum(index.ntotal for index in indexes)
    if held != passages:
        raise SearchError(f"{held} vectors are indexed, the corpus has {passages} passages", path=paths[0])
    return indexes


def joined(library: ModuleType, indexes: Sequence[faiss.Index]) -> faiss.Index:
    """One index of them all, whose ids go on from each to the next. It does not own them."""
    if len(indexes) == 1:
        return indexes[0]
    # With a thread a shard, and ids that go on.
    shards = library.IndexShards(indexes[0].d, True, True)  # noqa: FBT003
    for index in indexes:
        shards.add_shard(index)
    together: faiss.Index = shards
    return together

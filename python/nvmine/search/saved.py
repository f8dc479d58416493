"""Which FAISS index a search uses: one to build, or saved files of one index or of several shards of the corpus.

Saved indexes are mapped from their files, so only the parts that a search touches are read. FAISS merges what it finds
in the shards, in the order of their files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nvmine.errors import SearchError
from nvmine.files import sha256_of

if TYPE_CHECKING:
    import faiss


@dataclass(frozen=True, slots=True)
class FaissOptions:
    """The FAISS index of a search that is not exact, and how broadly to search it.

    Parameters
    ----------
    factory
        What the user asked for: a short name or factory string, see :class:`nvmine.search.FaissSearch`, or the path of
        a saved index.
    saved
        Files of a saved index. Empty: the index is built.
    nprobe, ef_search
        See :class:`nvmine.search.FaissSearch`.
    """

    factory: str
    saved: Sequence[Path] = ()
    nprobe: int | None = None
    ef_search: int | None = None

    @classmethod
    def of(cls, index: str, *, nprobe: int | None, ef_search: int | None) -> FaissOptions | None:
        """Returns the options of an index, given its name; None for "exact".

        Raises
        ------
        SearchError
            `nprobe` or `ef_search` is given, but the search is exact.
        """
        if index != "exact":
            return cls(index, saved_indexes(index), nprobe, ef_search)
        for name, value in {"nprobe": nprobe, "ef_search": ef_search}.items():
            if value is not None:
                raise SearchError("is for a FAISS index, and the search is exact", argument=name)
        return None

    def describe(self) -> dict[str, Any]:
        """Returns everything that decides which passages are found, ready for JSON.

        Saved files are described by their digests, so they may be moved.
        """
        known = {"index": "saved", "index_digests": digests_of(self.saved)} if self.saved else {"index": self.factory}
        given = {"nprobe": self.nprobe, "ef_search": self.ef_search}
        return known | {name: value for name, value in given.items() if value is not None}


def saved_indexes(name: str) -> list[Path]:
    """Returns the files of a saved index: `name` itself if it is a file, or the ``*.faiss`` in a folder, sorted.

    The list is empty if `name` is neither a file nor a folder.

    Raises
    ------
    SearchError
        The folder contains no such file.
    """
    path = Path(name)
    if path.is_file():
        return [path]
    if not path.is_dir():
        return []
    found = sorted(path.glob("*.faiss"))
    if not found:
        raise SearchError("contains no *.faiss files; expected the shards of an index", path=path)
    return found


def digests_of(paths: Sequence[Path]) -> list[str]:
    """Returns the SHA-256 of each file."""
    return [sha256_of(path) for path in paths]


def read_saved(library: ModuleType, paths: Sequence[Path], dimension: int, passages: int) -> list[faiss.Index]:
    """Opens the indexes in some files, which together contain all passages.

    Raises
    ------
    SearchError
        A file is not a FAISS index, or its vectors cannot be those of the passages.
    """
    indexes = []
    for path in paths:
        try:
            index = library.read_index(str(path), library.IO_FLAG_MMAP_IFC | library.IO_FLAG_READ_ONLY)
        except RuntimeError as error:
            message = f"cannot be read as a FAISS index: {str(error).splitlines()[-1]}"
            raise SearchError(message, path=path) from None
        if index.d != dimension:
            raise SearchError(f"is an index of dimension {index.d}, but the vectors have {dimension}", path=path)
        if index.metric_type != library.METRIC_INNER_PRODUCT:
            raise SearchError("uses another metric than the inner product", path=path)
        indexes.append(index)
    held = sum(index.ntotal for index in indexes)
    if held != passages:
        raise SearchError(f"the index has {held} vectors, but the corpus has {passages} passages", path=paths[0])
    return indexes


def joined(library: ModuleType, indexes: Sequence[faiss.Index]) -> faiss.Index:
    """Returns one index over all of them, numbering ids consecutively. It does not own the indexes."""
    if len(indexes) == 1:
        return indexes[0]
    # The flags: search each shard in its own thread, and number the ids of shards consecutively.
    shards = library.IndexShards(indexes[0].d, True, True)  # noqa: FBT003
    for index in indexes:
        shards.add_shard(index)
    together: faiss.Index = shards
    return together

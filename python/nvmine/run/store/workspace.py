"""A run folder while it is filled: a file is committed, then recorded, and no recorded file is made twice."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from nvmine.errors import RunError
from nvmine.files import link
from nvmine.run.store.manifest import NAME, Manifest
from nvmine.run.store.storage import Shard, Storage, inside, verify

# Rows of one shard of vectors or queries: a killed run repeats at most so many.
SHARD_ROWS = 4096
QUERIES, PASSAGES = "queries.parquet", "passages.parquet"
TEXTS = (QUERIES, PASSAGES)


class Workspace:
    """A run folder and its manifest while this process works on them, made by :func:`open_workspace`."""

    def __init__(self, storage: Storage, manifest: Manifest) -> None:
        self.root = storage.root
        self.manifest = manifest
        self._storage = storage
        self._recording = threading.Lock()

    def has(self, name: str) -> bool:
        """Whether the file is recorded. Its bytes were checked when the workspace was opened."""
        return name in self.manifest.shards

    def commit(self, name: str, rows: int, write: Callable[[Path], None]) -> None:
        """Lets `write` write a file, and records it. Several threads may call this at once."""
        shard = self._storage.commit(name, rows, write)
        with self._recording:
            self.manifest.shards[name] = shard
            self.manifest.save(self._storage)

    def discard(self, folder: str) -> None:
        """Removes the files of a folder and their records: they were only kept in case the process is killed."""
        inside_it = [name for name in self.manifest.shards if name.startswith(f"{folder}/")]
        for name in inside_it:
            del self.manifest.shards[name]
        if inside_it:
            self.manifest.save(self._storage)
        shutil.rmtree(inside(self.root, folder), ignore_errors=True)

    def take_over(self, source: Path, shards: Iterable[Shard]) -> None:
        """Makes files of a finished run in the folder `source` files of this run too.

        Raises
        ------
        RunError
            A file is not the recorded one.
        """
        for shard in shards:
            if not self.has(shard.path):
                verify(source, shard)
                self.commit(shard.path, shard.rows, partial(link, inside(source, shard.path)))

    def finish(self, audit: Mapping[str, int]) -> None:
        """Records the totals, which completes the run."""
        self.manifest.audit = dict(audit)
        self.manifest.save(self._storage)


@contextmanager
def open_workspace(
    root: Path, wanted: Manifest, *, supersedes: Callable[[Manifest, Manifest], bool] | None = None
) -> Iterator[Workspace]:
    """Opens a run folder to work in: a new one, or one that an earlier process left unfinished or finished.

    Parameters
    ----------
    root
        The folder.
    wanted
        The manifest of the work to do, without files.
    supersedes
        Tells whether the wanted run may replace the one that is there; its results are then made anew.

    Raises
    ------
    RunError
        The folder holds another run or other files, or a recorded file has changed.
    """
    storage = Storage(root)
    try:
        if (root / NAME).exists():
            manifest = Manifest.load(root)
            differences = manifest.differences(wanted)
            if differences and supersedes is not None and supersedes(wanted, manifest):
                texts = (name for name in manifest.shards if name in TEXTS)
                manifest = replace(wanted, shards={name: manifest.shards[name] for name in texts})
                manifest.save(storage)
            elif differences:
                raise RunError(
                    f"holds another run; it differs in {'; '.join(differences)}. Choose another folder, or delete it",
                    path=root,
                )
            for shard in manifest.shards.values():
                verify(root, shard)
        else:
            foreign = next((path.name for path in sorted(root.iterdir())), None)
            if foreign is not None:
                raise RunError(f"is not empty and holds no run: there is {foreign!r}; choose another folder", path=root)
            manifest = wanted
            manifest.save(storage)
        yield Workspace(storage, manifest)
    finally:
        storage.close()


def shard_ranges(rows: int) -> Iterator[tuple[int, range]]:
    """Yields the number and the range of rows of each shard of a table."""
    for number, start in enumerate(range(0, rows, SHARD_ROWS)):
        yield number, range(start, min(start + SHARD_ROWS, rows))

"""The one way in which files come into a run folder: whole, or not at all.

A file is written under ``tmp/``, synced, renamed to its place, and its folder synced; only then is it recorded. So a
kill at any moment leaves files that are complete or not there, and at most one temporary file, which the next start
removes.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nvmine.errors import RunError
from nvmine.files import sha256_of, write_whole

_TEMPORARY = "tmp"


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of a run, as the manifest records it: path relative to the run, rows, bytes, SHA-256."""

    path: str
    rows: int
    bytes: int
    sha256: str


class Storage:
    """A run folder that one process writes to.

    Parameters
    ----------
    root
        The folder; made if it is not there.

    Raises
    ------
    RunError
        The folder cannot be made, or another process is writing to it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(root, os.O_RDONLY)
        except OSError as error:
            raise RunError(f"cannot be used as a run folder: {error.strerror}", path=root) from error
        try:
            _lock(self._lock)
        except OSError:
            os.close(self._lock)
            raise RunError(
                "another process is mining into this folder; wait for it, or choose another", path=root
            ) from None
        shutil.rmtree(root / _TEMPORARY, ignore_errors=True)

    def close(self) -> None:
        """Removes what is temporary and lets other processes in."""
        shutil.rmtree(self.root / _TEMPORARY, ignore_errors=True)
        os.close(self._lock)

    def commit(self, name: str, rows: int, write: Callable[[Path], None]) -> Shard:
        """Has `write` write a file under a temporary name, and moves it to `name`, relative to the run.

        Raises
        ------
        RunError
            The file cannot be written, the disk is full; nothing is left of it.
        """
        target = self.root / name
        size, digest = write_whole(target, self.root / _TEMPORARY / uuid.uuid4().hex, write)
        return Shard(name, rows, size, digest)


def verify(root: Path, shard: Shard) -> None:
    """Checks that a recorded file is there with the recorded bytes.

    Raises
    ------
    RunError
        It is missing, or another file.
    """
    path = inside(root, shard.path)
    if not path.is_file():
        raise RunError("is recorded in the manifest but missing; delete the run folder to start over", path=path)
    if sha256_of(path) != shard.sha256:
        raise RunError(
            "is not the file that was recorded, by its SHA-256; delete the run folder to start over",
            path=path,
        )


def mapped(root: Path, name: str) -> npt.NDArray[Any]:
    """An array of the run, mapped from its file."""
    array: npt.NDArray[Any] = np.load(inside(root, name), mmap_mode="r", allow_pickle=False)
    return array


def inside(root: Path, name: str) -> Path:
    """The path of a file of the run.

    Raises
    ------
    RunError
        The name leads outside: a manifest is data, and data must not choose what is opened.
    """
    path = root / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not path.resolve().is_relative_to(root.resolve()):
        raise RunError(f"names a file outside the run: {name!r}", path=root / "manifest.json")
    return path


def _lock(descriptor: int) -> None:
    # On the folder itself: no lock file is left behind, and the system lets go when the process dies.
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

"""How every file enters a run folder: whole, or not at all.

A file is written under ``tmp/``, synced and renamed to its place, and its folder is synced; only then is it recorded. A
process that is killed at any moment leaves only complete files and at most one temporary file, which the next start
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
    """A file of a run as the manifest records it: its path relative to the run, rows, bytes and SHA-256."""

    path: str
    rows: int
    bytes: int
    sha256: str


class Storage:
    """A run folder that one process writes to.

    Parameters
    ----------
    root
        The folder; it is made if it does not exist.

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
        """Removes temporary files and lets other processes in."""
        shutil.rmtree(self.root / _TEMPORARY, ignore_errors=True)
        os.close(self._lock)

    def commit(self, name: str, rows: int, write: Callable[[Path], None]) -> Shard:
        """Lets `write` write a file under a temporary name, and moves it to `name` in the run.

        Raises
        ------
        RunError
            The file cannot be written, for instance because the disk is full; nothing of it remains.
        """
        target = self.root / name
        size, digest = write_whole(target, self.root / _TEMPORARY / uuid.uuid4().hex, write)
        return Shard(name, rows, size, digest)


def verify(root: Path, shard: Shard) -> None:
    """Checks that a recorded file is there with the recorded bytes.

    Raises
    ------
    RunError
        The file is missing, or it is another one.
    """
    path = inside(root, shard.path)
    if not path.is_file():
        raise RunError("is recorded in the manifest but missing; delete the run folder to start over", path=path)
    if sha256_of(path) != shard.sha256:
        raise RunError(
            "is not the recorded file: its SHA-256 differs; delete the run folder to start over",
            path=path,
        )


def mapped(root: Path, name: str) -> npt.NDArray[Any]:
    """Maps an array of the run from its file."""
    array: npt.NDArray[Any] = np.load(inside(root, name), mmap_mode="r", allow_pickle=False)
    return array


def inside(root: Path, name: str) -> Path:
    """Returns the path of a file of the run.

    Raises
    ------
    RunError
        The name leads outside the run: the manifest is data, and data must not choose what is opened.
    """
    path = root / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not path.resolve().is_relative_to(root.resolve()):
        raise RunError(f"names a file outside the run: {name!r}", path=root / "manifest.json")
    return path


def _lock(descriptor: int) -> None:
    # A lock on the folder itself leaves no file behind, and the system releases it when the process dies.
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

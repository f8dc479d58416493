"""The one way in which files come into a run folder: whole, or not at all.

A file is written under ``tmp/``, synced, renamed to its place, and its folder synced; only then is it recorded. So a
kill at any moment leaves files that are complete or not there, and at most one temporary file, which the next start
removes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nvmine.errors import NvmineError, RunError

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


def link(source: Path, path: Path) -> None:
    """Gives a file, which nobody writes to again, a second name; a copy where the file systems do not allow that."""
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)


def write_text(path: Path, text: str) -> None:
    """Writes a text in UTF-8, with the same bytes on every system."""
    path.write_text(text, "utf-8", newline="\n")


def write_whole(target: Path, temporary: Path, write: Callable[[Path], None]) -> tuple[int, str]:
    """Has `write` write a file under a temporary name on the same disk, and moves it to its place; bytes and SHA-256.

    Raises
    ------
    RunError
        The file cannot be written, the disk is full; nothing is left of it.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.parent.mkdir(exist_ok=True)
        write(temporary)
        size, digest = _sync(temporary)
        temporary.replace(target)
        sync_folder(target.parent)
    except NvmineError:
        raise
    except Exception as error:
        # Writers of other libraries wrap a full disk in errors of their own.
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(
            f"cannot be written: {reason}; free the disk and start again to continue", path=target
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return size, digest


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
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != shard.sha256:
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


def _sync(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest


def sync_folder(path: Path) -> None:
    """Makes the names of new files in a folder as lasting as the files."""
    with _opened(path) as folder:
        os.fsync(folder)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    # On the folder itself: no lock file is left behind, and the system lets go when the process dies.
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

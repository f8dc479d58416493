"""Files that are written completely or not at all, what is written into them, and their digests.

A file appears under its name only after all its bytes are on the disk. If the process is killed, it leaves complete
files and temporary ones, but never half a file under its final name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nvmine.errors import NvmineError, RunError

if TYPE_CHECKING:
    import polars as pl


def write_whole(target: Path, temporary: Path, write: Callable[[Path], None]) -> tuple[int, str]:
    """Writes a file completely or not at all, and returns its size in bytes and its SHA-256.

    Parameters
    ----------
    target
        Path of the file. Its folder is created if it is missing.
    temporary
        Path to write to, on the same disk. The file is moved to `target` when it is complete.
    write
        Writes the file to the path that it is given.

    Raises
    ------
    RunError
        The file cannot be written, for example because the disk is full. Nothing is left of it.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.parent.mkdir(exist_ok=True)
        write(temporary)
        _sync(temporary)
        size, digest = temporary.stat().st_size, sha256_of(temporary)
        temporary.replace(target)
        sync_folder(target.parent)
    except NvmineError:
        raise
    except Exception as error:
        # Writers of other libraries raise their own errors when the disk is full.
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(
            f"cannot be written: {reason}; free the disk and start again to continue", path=target
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return size, digest


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Writes a folder's list of files to the disk, so that its new files survive a crash of the system."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def table_writer(table: pl.DataFrame) -> Callable[[Path], None]:
    """Returns a function that writes the table to a path as Parquet, for :func:`write_whole`."""
    return lambda path: table.write_parquet(path)


def array_writer(values: npt.NDArray[Any]) -> Callable[[Path], None]:
    """Returns a function that writes the array to a path as npy, for :func:`write_whole`."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, values, allow_pickle=False)

    return write


def write_text(path: Path, text: str) -> None:
    """Writes a text in UTF-8, with the same bytes on every operating system."""
    path.write_text(text, "utf-8", newline="\n")


def read_table(path: Path) -> pl.DataFrame:
    """Reads a Parquet file. Characters such as ``*`` in the path have no special meaning."""
    import polars as pl

    return pl.read_parquet(path, glob=False)


def link(source: Path, path: Path) -> None:
    """Gives a finished file a second name by a hard link, or by a copy if the file system cannot link."""
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

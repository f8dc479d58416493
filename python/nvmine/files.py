"""Files that are written whole or not at all, and their digests."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nvmine.errors import NvmineError, RunError

if TYPE_CHECKING:
    import polars as pl


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


def write_text(path: Path, text: str) -> None:
    """Writes a text in UTF-8, with the same bytes on every system."""
    path.write_text(text, "utf-8", newline="\n")


def table_writer(table: pl.DataFrame) -> Callable[[Path], None]:
    """What writes a table as Parquet to the path it is given."""
    return lambda path: table.write_parquet(path)


def array_writer(values: npt.NDArray[Any]) -> Callable[[Path], None]:
    """What writes an array, as npy, to the path it is given."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, values, allow_pickle=False)

    return write


def read_table(path: Path) -> pl.DataFrame:
    """A table of the run; its path is a path, whatever characters it holds."""
    import polars as pl

    return pl.read_parquet(path, glob=False)


def link(source: Path, path: Path) -> None:
    """Gives a file, which nobody writes to again, a second name; a copy where the file systems do not allow that."""
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Makes the names of new files in a folder as lasting as the files."""
    with _opened(path) as folder:
        os.fsync(folder)


def _sync(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path.stat().st_size, sha256_of(path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)

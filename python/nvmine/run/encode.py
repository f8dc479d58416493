"""Texts to vectors, shard by shard, into the run folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from nvmine.data import Vectors
from nvmine.run.progress import Progress
from nvmine.run.workspace import Workspace, shard_ranges
from nvmine.share import share_out

FloatArray = npt.NDArray[np.floating]
Side = Literal["queries", "corpus"]

# Texts handed to the model at once: enough to sort by length, few enough to show progress.
_CHUNK = 1024


def teacher_folder(workspace: Workspace) -> str:
    """A folder name for the teacher: its own, without what could lead elsewhere."""
    name = str(workspace.manifest.teacher.get("name") or workspace.manifest.teacher["kind"])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or "teacher"


def encode(
    workspace: Workspace,
    side: Side,
    texts: Sequence[str],
    encoders: Sequence[Callable[[Sequence[str]], FloatArray]],
    progress: Progress,
) -> Vectors:
    """The vectors of all texts; shards that are there already are not made again.

    Several encoders, each on a device of its own, share the shards; each shard is one's alone, so that its bytes do not
    depend on how many there are. A shard is a memory-mapped file while it is filled, so memory is that of a chunk of
    texts a device.
    """
    folder = f"embeddings/{teacher_folder(workspace)}"
    shards = {f"{folder}/{side}-{number:05d}.npy": rows for number, rows in shard_ranges(len(texts))}
    missing = [name for name in shards if not workspace.has(name)]
    with progress.bar(f"encoding {side}", len(texts)) as bar:
        bar.update(sum(len(rows) for name, rows in shards.items() if name not in missing))

        def make(name: str, encode_texts: Callable[[Sequence[str]], FloatArray]) -> None:
            workspace.commit(name, len(shards[name]), _writer(texts, shards[name], encode_texts, bar.update))

        share_out(missing, encoders, make)
    return Vectors([np.load(workspace.root / name, mmap_mode="r", allow_pickle=False) for name in shards])


def _writer(
    texts: Sequence[str],
    rows: range,
    encode_texts: Callable[[Sequence[str]], FloatArray],
    done: Callable[[int], object],
) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        file: np.memmap[tuple[int, ...], np.dtype[np.floating]] | None = None
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            vectors = encode_texts(texts[chunk.start : chunk.stop])
            if file is None:
                shape = (len(rows), vectors.shape[1])
                file = np.lib.format.open_memmap(path, mode="w+", dtype=vectors.dtype, shape=shape)
            file[start : start + len(chunk)] = vectors
            done(len(chunk))
        if file is not None:
            file.flush()

    return write

"""Vectors, shard by shard, into the run folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from nvmine.data import Vectors
from nvmine.devices import share_out
from nvmine.files import array_writer
from nvmine.run.progress import Progress
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.storage import mapped
from nvmine.run.store.workspace import Workspace, shard_ranges

FloatArray = npt.NDArray[np.floating]
Side = Literal["queries", "corpus"]
Encode = Callable[[range, Callable[[int], object]], FloatArray]
"""Gives the vectors of a range of rows, and tells how many more are done."""


def encode(workspace: Workspace, side: Side, rows: int, encoders: Sequence[Encode], progress: Progress) -> None:
    """Writes the vectors of all rows; shards that are there already are not made again.

    Several encoders, each on a device of its own, share the shards; each shard is one's alone, so that its bytes do not
    depend on how many there are. Memory is that of a shard a device.
    """
    folder = f"embeddings/{workspace.manifest.folder_name}"
    shards = {f"{folder}/{side}-{number:05d}.npy": shard for number, shard in shard_ranges(rows)}
    missing = [name for name in shards if not workspace.has(name)]
    with progress.bar(f"encoding {side}", rows) as bar:
        bar.update(sum(len(shard) for name, shard in shards.items() if name not in missing))

        def make(name: str, encoder: Encode) -> None:
            vectors = encoder(shards[name], bar.update)
            workspace.commit(name, len(vectors), array_writer(vectors))

        share_out(missing, encoders, make)


def stored_vectors(root: Path, manifest: Manifest, side: Side) -> Vectors:
    """The vectors of one side, mapped from the run folder."""
    of_side = re.compile(rf"embeddings/[^/]+/{side}-\d+\.npy")
    return Vectors([mapped(root, name) for name in sorted(filter(of_side.fullmatch, manifest.shards))])

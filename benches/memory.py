"""Peak memory of a whole run when the queries grow tenfold, on made-up text, with BM25 and with vectors.

python benches/memory.py

Each run is a process of its own; its peak is what the system recorded.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PASSAGES, DIMENSION = 20_000, 384
WORDS = 30_000


class MadeUpVectors:
    """A dense teacher that costs nothing: a text's vector follows from its hash."""

    def describe(self) -> dict[str, Any]:
        """What a manifest needs."""
        return {"kind": "dense", "name": "made-up"}

    def encode_queries(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Unit vectors; a query that begins like its positive has the same."""
        seeds = (zlib.crc32(text[:40].encode()) for text in texts)
        made = np.stack([np.random.default_rng(seed).standard_normal(DIMENSION) for seed in seeds])
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    encode_passages = encode_queries


def run(teacher: str, queries: int) -> None:
    """Mine, and print the peak and what the texts alone take."""
    import nvmine
    from nvmine.data import Dataset

    draw = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in draw.zipf(1.3, 60) % WORDS) for _ in range(PASSAGES)]
    positives = draw.integers(0, PASSAGES, queries)
    data = Dataset(
        name="made up",
        query_ids=[f"q{row}" for row in range(queries)],
        query_texts=[" ".join(texts[passage].split()[:8]) for passage in positives],
        passage_ids=[f"p{row}" for row in range(PASSAGES)],
        passage_texts=texts,
        positive_offsets=np.arange(queries + 1),
        positive_passages=positives,
    )
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tutor: Any = MadeUpVectors() if teacher == "vectors" else teacher
    with tempfile.TemporaryDirectory() as folder:
        nvmine.mine_dataset(data, out=Path(folder) / "run", teacher=tutor, memory="256M", progress=False)
    print(loaded / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Print a line a run."""
    if len(sys.argv) > 1:
        run(sys.argv[1], int(sys.argv[2]))
        return
    print(f"{PASSAGES:,} passages, memory='256M'; resident MiB: once the data is loaded, and at the peak")
    for teacher in ("bm25", "vectors"):
        for queries in (2_000, 20_000, 200_000):
            command = [sys.executable, __file__, teacher, str(queries)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            loaded, peak = map(float, done.stdout.split())
            print(f"{teacher:<8} {queries:>8,} queries   data {loaded:7.0f}   peak {peak:7.0f}", flush=True)


if __name__ == "__main__":
    main()

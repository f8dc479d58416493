"""Measures the peak memory of runs with ever more queries, on made-up text, with BM25 and with vectors.

python benches/memory.py

Each run has its own process, and its peak is the one that the operating system recorded.
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
    """A dense teacher without a model: a text's vector is drawn with the hash of the text as the seed."""

    def describe(self) -> dict[str, Any]:
        """Returns the description that the manifest stores."""
        return {"kind": "dense", "name": "made-up"}

    def encode_queries(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Returns unit vectors. Texts that start with the same 40 characters have the same vector."""
        seeds = (zlib.crc32(text[:40].encode()) for text in texts)
        made = np.stack([np.random.default_rng(seed).standard_normal(DIMENSION) for seed in seeds])
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    encode_passages = encode_queries


def run(teacher: str, queries: int) -> None:
    """Mines, and prints the resident MiB with the data loaded and at the peak."""
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
    scorer: Any = MadeUpVectors() if teacher == "vectors" else teacher
    with tempfile.TemporaryDirectory() as folder:
        nvmine.mine_dataset(data, out=Path(folder) / "run", teacher=scorer, memory="256M", progress=False)
    print(loaded / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Prints one line for each run."""
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

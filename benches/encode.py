"""Measures how fast a corpus is encoded, compared to ``encode`` of sentence-transformers with the same model.

python benches/encode.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from nvmine.data import open_dataset
from nvmine.teachers import DenseTeacher
from real import collections, minilm


def main() -> None:
    """Prints for each round the passages per second of both, and the lowest cosine between their vectors."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    rounds = options.parse_args().rounds
    texts = open_dataset(collections() / "squad-dev", split="train").passage_texts
    theirs = SentenceTransformer(minilm(), device="cpu")
    ours = DenseTeacher.load(minilm(), device="cpu")
    print(f"{len(texts)} passages of squad-dev, {torch.get_num_threads()} threads")
    theirs.encode(texts[:64], batch_size=64)
    ours.encode_passages(texts[:64])
    for _ in range(rounds):
        start = time.perf_counter()
        reference = theirs.encode(texts, batch_size=64)
        middle = time.perf_counter()
        vectors = ours.encode_passages(texts)
        end = time.perf_counter()
        reference /= np.linalg.norm(reference, axis=1, keepdims=True)
        cosine = np.einsum("ij,ij->i", vectors.astype(np.float64), reference.astype(np.float64)).min()
        print(
            f"sentence-transformers {len(texts) / (middle - start):6.1f}/s"
            f"   nvmine {len(texts) / (end - middle):6.1f}/s"
            f"   {(middle - start) / (end - middle):.2f} times   least cosine {cosine:.8f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

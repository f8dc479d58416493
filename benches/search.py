"""Measures mining vectors, compared to FAISS and sentence-transformers, and the memory that it takes.

python benches/search.py [queries] [passages] [dimension]
python benches/search.py --memory [queries] [passages] [dimension]

By default there are 10,000 x 100,000 x 384 float32 unit vectors, a query scores about 0.24 with its positive, the
margin is 0.05, and there are four negatives. The time is the best of three runs, which take turns. FAISS only searches,
for 64 candidates. The function of sentence-transformers searches and filters, with the embeddings already computed.
With ``--memory``, the script mines 10,000 x 1,000,000 x 384, and prints how much the peak of resident memory grows
after the vectors are made.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import nvmine

MARGIN, N, RUNS = 0.05, 4, 3
Matrix = npt.NDArray[np.float32]


def collection(queries: int, passages: int, dimension: int) -> tuple[Matrix, Matrix, npt.NDArray[np.int64]]:
    """Returns queries, passages and positives. A query is its positive with so much noise that others score as high."""
    draw = np.random.default_rng(0)
    corpus = units(draw.standard_normal((passages, dimension), dtype=np.float32))
    positives = draw.permutation(passages)[:queries]
    noise = units(draw.standard_normal((queries, dimension), dtype=np.float32))
    return units(corpus[positives] + np.float32(4) * noise), corpus, positives


def units(vectors: Matrix) -> Matrix:
    """Divides vectors by their norms in place, and returns them."""
    for start in range(0, len(vectors), 65536):
        part = vectors[start : start + 65536]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


class Cached:
    """A model with computed embeddings. A text is a row number: row i of the corpus is i, query i is -i - 1."""

    device = "cpu"

    def __init__(self, queries: Matrix, corpus: Matrix) -> None:
        self._queries, self._corpus = queries, corpus

    def get_embedding_dimension(self) -> int:
        """Returns the number of components of a vector."""
        return self._corpus.shape[1]

    def similarity_pairwise(self, left: Any, right: Any) -> Any:
        """Returns the scores of pairs."""
        import torch

        return (torch.as_tensor(left) * torch.as_tensor(right)).sum(dim=1)

    def similarity(self, left: Any, right: Any) -> Any:
        """Returns the scores of all pairs."""
        import torch

        return torch.as_tensor(left) @ torch.as_tensor(right).T

    def encode(self, texts: list[str], **_: Any) -> Matrix:
        """Returns the embeddings of texts."""
        rows = np.array([int(text) for text in texts])
        matrix = self._queries if rows[0] < 0 else self._corpus
        return matrix[-rows - 1 if rows[0] < 0 else rows]

    encode_query = encode_document = encode


def with_sentence_transformers(
    queries: Matrix, corpus: Matrix, positives: npt.NDArray[np.int64], *, use_faiss: bool
) -> Any:
    """Calls ``mine_hard_negatives``, with row numbers as texts, and with FAISS or with its own search (the default)."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    pairs = {"query": [str(-row - 1) for row in range(len(queries))], "passage": [str(row) for row in positives]}
    return mine_hard_negatives(
        Dataset.from_dict(pairs),
        Cached(queries, corpus),  # type: ignore[arg-type]
        corpus=[str(row) for row in range(len(corpus))],
        absolute_margin=MARGIN,
        num_negatives=N,
        range_max=64,
        use_faiss=use_faiss,
        output_format="n-tuple",
        verbose=False,
    )


def best_in_turn(works: dict[str, Callable[[], Any]]) -> tuple[dict[str, float], dict[str, Any]]:
    """Returns the seconds of the fastest run of each, and its last result. The works take turns."""
    seconds, results = dict.fromkeys(works, float("inf")), {}
    for _ in range(RUNS):
        for name, work in works.items():
            start = time.perf_counter()
            results[name] = work()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds, results


def exact_ids(queries: Matrix, corpus: Matrix, positives: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the ids from comparing all vectors in float64, by score descending and id ascending."""
    wide, ids = corpus.astype(np.float64), np.empty((len(queries), N), np.int64)
    for start in range(0, len(queries), 500):
        scores = queries[start : start + 500].astype(np.float64) @ wide.T
        own = positives[start : start + 500]
        ceilings = scores[np.arange(len(own)), own] - MARGIN
        scores[scores >= ceilings[:, None]] = -np.inf
        scores[np.arange(len(own)), own] = -np.inf
        ids[start : start + 500] = np.argsort(-scores, axis=1, kind="stable")[:, :N]
    return ids


def resident() -> int:
    """Returns the peak of the resident memory of the process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Prints seconds, ratios and differences, or memory."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    measure_memory = "--memory" in sys.argv
    sizes = [int(argument) for argument in arguments] or [10_000, 1_000_000 if measure_memory else 100_000, 384]
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    queries, corpus, positives = collection(*sizes)
    print(" x ".join(f"{size:,}" for size in sizes), f"float32, {threads} threads")

    def ours(**options: Any) -> nvmine.Negatives:
        return nvmine.mine_embeddings(queries, corpus, positives, method="margin", margin=MARGIN, n=N, **options)

    if measure_memory:
        before, start = resident(), time.perf_counter()
        found = ours()
        seconds = time.perf_counter() - start
        print(f"{seconds:.1f} s; {before} MiB with the vectors, {resident() - before} MiB more; {found}")
        return
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(corpus.shape[1])
    index.add(corpus)
    works: dict[str, Callable[[], Any]] = {
        "faiss.IndexFlatIP.search, k=64, alone": lambda: index.search(queries, 64),
        "nvmine.mine_embeddings, margin": ours,
        "  cosine": lambda: ours(similarity="cosine"),
        "  uniform, pool 10": lambda: ours(sampling="uniform"),
        "  the best 64 kept besides": lambda: ours(depth=64),
        "  torch multiplies, on the CPU": lambda: ours(device="cpu"),
    }
    for name, use_faiss in (("its own search", False), ("FAISS", True)):
        work = partial(with_sentence_transformers, queries, corpus, positives, use_faiss=use_faiss)
        works[f"sentence-transformers, {name}"] = work
    # Loading the library must not count.
    with_sentence_transformers(queries[:10], corpus, positives[:10], use_faiss=False)
    seconds, results = best_in_turn(works)
    theirs = results["sentence-transformers, FAISS"]
    base = seconds["faiss.IndexFlatIP.search, k=64, alone"]
    for name, took in seconds.items():
        print(f"{name:<40} {took:8.2f} s   {took / base:6.2f} x")
    found = results["nvmine.mine_embeddings, margin"]
    print(f"starved: {int((found.counts < N).sum())} of ours, {len(queries) - len(theirs)} of sentence-transformers'")
    count_differences(queries, corpus, positives, found)


def count_differences(
    queries: Matrix, corpus: Matrix, positives: npt.NDArray[np.int64], found: nvmine.Negatives
) -> None:
    """Prints for every type of vectors how many queries have other ids than in float64."""
    import torch

    wrong = (found.ids != exact_ids(queries, corpus, positives)).any(axis=1).sum()
    print(f"queries that differ from float64: {wrong} of {len(queries):,} in float32", end="", flush=True)
    for dtype in (torch.float16, torch.bfloat16):
        short = [torch.from_numpy(part).to(dtype) for part in (queries, corpus)]
        expected = exact_ids(*(part.float().numpy() for part in short), positives)
        for device in (None, "cpu"):
            ids = nvmine.mine_embeddings(*short, positives, method="margin", margin=MARGIN, n=N, device=device).ids
            wrong = (ids != expected).any(axis=1).sum()
            print(f", {wrong} in {str(dtype)[6:]}{' by torch' if device else ''}", end="", flush=True)
    print()


if __name__ == "__main__":
    main()

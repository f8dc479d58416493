"""Measures mining a score matrix with nvmine, vectorised torch and numpy, and the code of sentence-transformers.

python benches/mine.py [queries] [candidates]

By default there are 1,000,000 x 100 float32 scores with int64 ids, a margin of 0.05 and four negatives. Ratios are to
reading all scores once with as many threads.

All do the same work: exclude the query's positive by id, keep the candidates below the ceiling, and return the best
four with their scores. The time is the best of several runs. The code of sentence-transformers goes query by query, so
it runs once, on a part of the queries.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

import nvmine

MARGIN, N = 0.05, 4


def matrix(queries: int, candidates: int) -> tuple[npt.NDArray[Any], ...]:
    """Returns scores, ids, and ids and scores of the positives. Three in four positives are among the candidates."""
    draw = np.random.default_rng(0)
    scores = draw.normal(0.4, 0.15, (queries, candidates)).astype(np.float32)
    # The ids of a row are distinct, as those of every search are.
    ids = 37 * draw.permuted(np.tile(np.arange(candidates), (queries, 1)), axis=1)
    ids += draw.integers(0, 10_000_000, (queries, 1))
    pos_scores = draw.normal(0.7, 0.1, queries).astype(np.float32)
    pos_ids = np.where(draw.random(queries) < 0.75, ids[:, 0], 99_000_000)
    scores[:, 0] = np.where(pos_ids == ids[:, 0], pos_scores, scores[:, 0])
    return scores, ids, pos_ids, pos_scores


def with_numpy(scores: Any, ids: Any, pos_ids: Any, pos_scores: Any) -> Any:
    """Mines with masks, a partition and a gather."""
    masked = np.where((ids == pos_ids[:, None]) | (scores >= (pos_scores - MARGIN)[:, None]), -np.inf, scores)
    best = np.argpartition(-masked, N, axis=1)[:, :N]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(masked, best, axis=1), axis=1), axis=1)
    return np.take_along_axis(ids, best, axis=1), np.take_along_axis(masked, best, axis=1)


def with_torch(scores: Any, ids: Any, pos_ids: Any, pos_scores: Any) -> Any:
    """Mines with masks, topk and a gather."""
    masked = scores.masked_fill(ids == pos_ids[:, None], float("-inf"))
    masked = masked.masked_fill_(masked >= (pos_scores - MARGIN)[:, None], float("-inf"))
    best = masked.topk(N, dim=1)
    return ids.gather(1, best.indices), best.values


def with_lines_of_sentence_transformers(scores: Any, ids: Any, pos_ids: Any, pos_scores: Any) -> Any:
    """Does to a score matrix what ``mine_hard_negatives`` of sentence-transformers 6 does, step by step.

    A loop over queries sets positives to minus infinity. Then come a mask for the margin, topk, and a loop that builds
    rows.
    """
    import torch

    scores = scores.clone()
    for row in range(len(scores)):
        scores[row][torch.isin(ids[row], pos_ids[row : row + 1])] = -float("inf")
    removed = scores + MARGIN > pos_scores.repeat(scores.size(1), 1).T
    scores[removed] = -float("inf")
    values, places = scores.topk(k=scores.size(1), dim=1)
    sorted_ids = ids.gather(1, places)
    rows = []
    for row in range(len(scores)):
        kept = values[row] != -float("inf")
        chosen = sorted_ids[row][kept][:N].tolist()
        rows.extend((row, int(pos_ids[row]), negative) for negative in chosen)
    return rows


def best_of(runs: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """Returns the seconds of the fastest run, and the result of the last."""
    times = []
    result = None
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def bare_read(scores: npt.NDArray[Any], threads: int) -> Callable[[], Any]:
    """Returns a function that reads every score once and does nothing else."""
    parts = np.array_split(scores.reshape(-1), threads)
    pool = ThreadPoolExecutor(threads)
    return lambda: max(pool.map(np.max, parts))


def main() -> None:
    """Prints a table of seconds and ratios."""
    queries, candidates = (int(argument) for argument in (sys.argv[1:] or ["1000000", "100"]))
    arrays = matrix(queries, candidates)
    scores, ids, pos_ids, pos_scores = arrays
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"{queries:,} x {candidates} candidates, {threads} threads, {platform.machine()}, numpy {np.__version__}")

    def ours(scores: npt.NDArray[Any] = scores, **options: Any) -> Callable[[], nvmine.Negatives]:
        given = {"ids": ids, "pos_ids": pos_ids, "method": "margin", "margin": MARGIN, "n": N, "threads": threads}
        return lambda: nvmine.mine(scores, pos_scores, **(given | options))

    descending = -np.sort(-scores, axis=1)
    pooled = {"counts": "total", "pool": 10}
    works: list[tuple[str, int, Callable[[], Any]]] = [
        ("one bare read of the scores", 7, bare_read(scores, threads)),
        ("nvmine.mine, counts='total'", 7, ours(counts="total")),
        ("nvmine.mine, every reason for every query", 7, ours()),
        ("  no ids: column numbers, counts='total'", 7, ours(ids=None, pos_ids=None, counts="total")),
        ("  no ids, every reason", 7, ours(ids=None, pos_ids=None)),
        ("  rows descend, counts='total'", 7, ours(descending, counts="total")),
        ("  rows descend, every reason", 7, ours(descending)),
        ("  uniform, pool 10, counts='total'", 7, ours(sampling="uniform", **pooled)),
        ("  softmax, pool 10, counts='total'", 7, ours(sampling="softmax", temperature=0.1, **pooled)),
        ("  uniform, pool 10, every reason", 5, ours(sampling="uniform", pool=10)),
        ("  softmax, pool 10, every reason", 5, ours(sampling="softmax", temperature=0.1, pool=10)),
        ("numpy: where, argpartition", 2, lambda: with_numpy(*arrays)),
    ]
    parts = {}
    try:
        import torch
    except ImportError:
        print("torch is not installed: its rows are left out")
    else:
        torch.set_num_threads(threads)
        tensors = [torch.from_numpy(array) for array in arrays]
        works.append((f"torch {torch.__version__}: masked_fill, topk, gather", 3, lambda: with_torch(*tensors)))
        few = [tensor[: max(1, queries // 50)] for tensor in tensors]
        lines = "sentence-transformers' lines, query by query"
        works.append((lines, 1, lambda: with_lines_of_sentence_transformers(*few)))
        parts[lines] = queries / len(few[0])
    base = 0.0
    results = {}
    for name, runs, work in works:
        seconds, results[name] = best_of(runs, work)
        seconds *= parts.get(name, 1.0)
        base = base or seconds
        print(f"{name:<48} {seconds:9.3f} s   {seconds / base:8.1f} x", flush=True)
    mined = results["nvmine.mine, every reason for every query"]
    for name, other in results.items():
        if name.startswith(("numpy", "torch")):
            share = float((np.asarray(other[0]) == mined.ids)[mined.counts == N].mean())
            print(f"ids equal to those of {name.partition(':')[0]} in full rows: {share:.4%}")


if __name__ == "__main__":
    main()

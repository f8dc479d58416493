"""Measures how long it takes to combine four teachers, and to compute their agreement, for a million queries.

python benches/ensemble.py [queries] [teachers]

Each teacher has four negatives for each query, out of about twenty passages, so that teachers agree on some. The time
is the best of five runs. The first thousand queries are checked against Python sets.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import nvmine
from nvmine.audit import REASONS

N = 4


def teacher(queries: int, seed: int) -> nvmine.Negatives:
    """Returns made-up negatives of a teacher: four of about twenty passages, which each query has for itself."""
    draw = np.random.default_rng(seed)
    places = (draw.integers(0, 20, (queries, 1)) + draw.integers(1, 7, (queries, 1)) * np.arange(N)) % 23
    ids = 1000 * np.arange(queries)[:, None] + places
    scores = -np.sort(-draw.random((queries, N), np.float32), axis=1)
    counts = np.full(queries, N)
    audit = nvmine.Audit(counts, counts, np.zeros((queries, len(REASONS)), np.int64))
    rows = {"queries": np.arange(queries), "positives": np.full(queries, -1), "ceilings": np.ones(queries)}
    return nvmine.Negatives(ids=ids, scores=scores, counts=counts, audit=audit, **rows)


def best_of(runs: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """Returns the seconds of the fastest run, and the result of the last."""
    times, result = [], None
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def main() -> None:
    """Prints a table of seconds."""
    queries, count = (int(argument) for argument in (sys.argv[1:] or ["1000000", "4"]))
    teachers = [teacher(queries, seed) for seed in range(count)]
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{count} teachers x {queries:,} queries x {N}, {threads} threads, {platform.machine()}")
    replace, replaced = best_of(5, lambda: nvmine.ensemble(teachers, duplicates="replace", n=N, threads=threads))
    keep, _ = best_of(5, lambda: nvmine.ensemble(teachers, n=N, threads=threads))
    cross, _ = best_of(5, lambda: nvmine.ensemble(teachers, how="cross", n=N, threads=threads))
    agreement, matrix = best_of(5, lambda: nvmine.jaccard_matrix(teachers, threads=threads))
    table = {
        "intra, replace": replace,
        "intra, keep": keep,
        "cross": cross,
        "Jaccard matrix": agreement,
        "intra, replace + Jaccard matrix": replace + agreement,
    }
    for name, seconds in table.items():
        print(f"{name:<32}  {seconds:7.3f} s")
    passed_over = replaced.audit.total.get("duplicate", 0)
    print(f"{passed_over:,} copies passed over; the first two agree by {matrix[0, 1]:.3f}")
    agreements = nvmine.jaccard(*teachers[:2])
    for row in range(min(1000, queries)):
        a, b = (set(one.ids[row].tolist()) for one in teachers[:2])
        assert agreements[row] == len(a & b) / len(a | b)
        assert len(set(replaced.ids[row].tolist())) == N


if __name__ == "__main__":
    main()

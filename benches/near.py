"""Measures near-duplicate rejection: the time to hash a million short texts, and to mine with and without it.

python benches/near.py [queries] [candidates] [passages]

Texts have 12 to 30 words from a vocabulary with a few common words. A third of them copy the text before, with one word
changed. The candidates of a query are consecutive passages, so that copies occur together. The time is the best of
three runs. The first thousand queries are checked against Python sets.
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

NEAR = 0.5


def passages(count: int, draw: np.random.Generator) -> list[str]:
    """Returns texts, of which a third differ from the text before in one word."""
    words = [f"word{number}" for number in range(50_000)]
    lengths = draw.integers(12, 31, count)
    numbers = (50_000 * draw.random(int(lengths.sum())) ** 3).astype(int).tolist()
    texts: list[list[str]] = []
    start = 0
    for length, copied in zip(lengths.tolist(), (draw.random(count) < 1 / 3).tolist(), strict=True):
        text = [words[number] for number in numbers[start : start + length]]
        start += length
        if copied and texts:
            text = [*texts[-1][:-1], text[0]]
        texts.append(text)
    return [" ".join(text) for text in texts]


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
    queries, candidates, count = (int(argument) for argument in (sys.argv[1:] or ["100000", "100", "1000000"]))
    draw = np.random.default_rng(0)
    texts = passages(count, draw)
    scores = draw.random((queries, candidates), np.float32)
    ids = (
        draw.integers(0, count, (queries, 1)) + draw.permuted(np.tile(np.arange(candidates), (queries, 1)), axis=1)
    ) % count
    positives, pos_ids = np.ones(queries, np.float32), draw.integers(0, count, queries)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{queries:,} queries x {candidates} candidates, {count:,} texts, {threads} threads, {platform.machine()}")
    hashing, shingles = best_of(1, lambda: nvmine.Shingles.of(texts, threads=threads))
    own = shingles.take(draw.integers(0, count, queries))
    given = {"ids": ids, "pos_ids": pos_ids, "threads": threads, "passage_texts": shingles, "query_texts": own}
    table = {"hashing the texts": hashing}
    for name, fields in {
        "top 4": {},
        "4 of a pool of 10": {"sampling": "uniform"},
        "4 of all": {"sampling": "uniform", "pool": "all"},
    }.items():
        table[name], _ = best_of(3, lambda fields=fields: nvmine.mine(scores, positives, **given, **fields))
        guarded = {"near_duplicate": NEAR, **fields}
        table[f"{name}, guarded"], near = best_of(
            3, lambda guarded=guarded: nvmine.mine(scores, positives, **given, **guarded)
        )
        table[f"{name}, rejected"] = near.audit.total["near_duplicate"]
        check(texts, near)
    for name, value in table.items():
        print(f"{name:<32}  " + (f"{value:7.3f} s" if isinstance(value, float) else f"{value:,}"))


def check(texts: list[str], mined: nvmine.Negatives) -> None:
    """Checks that no two negatives of a query are near-duplicates."""
    for row in mined.ids[:1000].tolist():
        sets = [
            {tuple(words[at : at + 3]) for at in range(len(words) - 2)}
            for words in (texts[i].split() for i in row if i >= 0)
        ]
        for place, own in enumerate(sets):
            assert all(len(own & other) / len(own | other) < NEAR for other in sets[:place])


if __name__ == "__main__":
    main()

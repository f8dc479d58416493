"""Measures the search on a GPU, compared to its bare matrix product, and to matmul and topk of torch in blocks.

python benches/gpu/search.py [queries passages dimension] [--devices cuda:0,cuda:1]

Vectors are random bfloat16 unit vectors in host memory, with n = 4 and ceilings by margin. Every time is the best of
two runs, after one that does not count. The script prints a table for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import nvmine
from nvmine.search.torch import workers

QUERIES_AT_ONCE, PASSAGES_AT_ONCE = 16384, 65536
NEIGHBOURS = 50


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Returns the seconds of the faster of two runs, and the result of the last."""
    import torch

    seconds, given = [], None
    for _ in range(3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        given = work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:]), given


def blocks(matrix: Any, rows: int) -> Any:
    """Yields blocks of consecutive rows on the device."""
    return (matrix[start : start + rows].to("cuda", non_blocking=True) for start in range(0, len(matrix), rows))


def bare_product(queries: Any, corpus: Any) -> None:
    """Computes all scores and discards them."""
    held = list(blocks(queries, QUERIES_AT_ONCE))
    for passages in blocks(corpus, PASSAGES_AT_ONCE):
        for some in held:
            _ = some @ passages.T


def matmul_and_topk(queries: Any, corpus: Any) -> Any:
    """Finds the best of every query as one would in torch: topk of each block, merged with the best so far."""
    import torch

    held, best = list(blocks(queries, QUERIES_AT_ONCE)), {}
    for number, passages in enumerate(blocks(corpus, PASSAGES_AT_ONCE)):
        for place, some in enumerate(held):
            scores, ids = (some @ passages.T).topk(min(NEIGHBOURS, len(passages)), dim=1)
            ids += number * PASSAGES_AT_ONCE
            if place in best:
                scores, ids = torch.cat([best[place][0], scores], dim=1), torch.cat([best[place][1], ids], dim=1)
                scores, places = scores.topk(NEIGHBOURS, dim=1)
                ids = ids.gather(1, places)
            best[place] = (scores, ids)
    return torch.cat([ids for _, ids in best.values()]).cpu()


def main() -> None:
    """Prints the table."""
    import torch

    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, default=[200_000, 2_000_000, 1_024])
    parser.add_argument("--devices", default="cuda:0")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no GPU: nothing measured")
    queries_count, passages_count, dimension = options.sizes
    torch.manual_seed(0)
    corpus = torch.empty((passages_count, dimension), dtype=torch.bfloat16, pin_memory=True)
    for start in range(0, passages_count, PASSAGES_AT_ONCE):
        part = torch.randn((min(PASSAGES_AT_ONCE, passages_count - start), dimension), device="cuda")
        corpus[start : start + len(part)] = torch.nn.functional.normalize(part).bfloat16().cpu()
    positives = np.random.default_rng(0).permutation(passages_count)[:queries_count]
    noise = torch.randn((queries_count, dimension)) * 4 / dimension**0.5
    queries = torch.nn.functional.normalize(corpus[positives].float() + noise).bfloat16()

    def ours() -> nvmine.Negatives:
        names = options.devices.split(",")
        return nvmine.mine_embeddings(queries, corpus, positives, method="margin", device=names, memory="8G")

    product, _ = timed(lambda: bare_product(queries, corpus))
    rows = [("bare product", product)]
    found = {}
    for name, fused in (("nvmine, torch", False), ("nvmine, Triton", True)):
        workers.FUSED = fused
        seconds, found[name] = timed(ours)
        rows.append((name, seconds))
    rows.append((f"matmul + topk({NEIGHBOURS})", timed(lambda: matmul_and_topk(queries, corpus))[0]))
    first, second = found.values()
    assert first.ids.tobytes() == second.ids.tobytes()
    assert first.audit.total == second.audit.total
    assert (first.counts == 4).all()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.devices}")
    print(f"{queries_count:,} queries x {passages_count:,} passages x {dimension}, bfloat16\n")
    print("| | seconds | of the product |\n|---|---|---|")
    for name, seconds in rows:
        print(f"| {name} | {seconds:.2f} | {seconds / product:.2f} |")


if __name__ == "__main__":
    main()

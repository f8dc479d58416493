"""Checks that need a GPU: the same answers as on the CPU. docs/gpu-checks.md says which have been seen to pass.

python benches/gpu/checks.py
"""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import nvmine
from nvmine.data import Vectors
from nvmine.search import ExactSearch, FaissSearch
from nvmine.teachers import DenseTeacher

MEMORY = 2 << 30


def unit_vectors(rows: int, dimension: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Random directions."""
    made = np.random.default_rng(seed).standard_normal((rows, dimension), dtype=np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def check_mine() -> None:
    """Score matrices on the device."""
    import torch

    scores = torch.rand(20_000, 100, generator=torch.Generator().manual_seed(0))
    positives = torch.full((20_000,), 0.9)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        here = nvmine.mine(scores.to(dtype), positives, method="margin", margin=0.05)
        there = nvmine.mine(scores.to(dtype).cuda(), positives.cuda(), method="margin", margin=0.05)
        assert (here.ids == there.ids).all(), dtype
        print(f"mine, {dtype}: same ids")


def check_search() -> None:
    """Blocks multiplied on the device."""
    import torch

    queries, passages = Vectors([unit_vectors(5_000, 384, 0)]), Vectors([unit_vectors(200_000, 384, 1)])
    rows = np.arange(len(queries))
    start = time.perf_counter()
    here = ExactSearch(queries, passages, memory=MEMORY).search(rows, 100)
    between = time.perf_counter()
    for precision in ("highest", "high"):
        torch.set_float32_matmul_precision(precision)
        start_device = time.perf_counter()
        there = ExactSearch(queries, passages, memory=MEMORY, device="cuda").search(rows, 100)
        seconds = time.perf_counter() - start_device
        assert (here.ids == there.ids).all(), precision
        assert (here.scores == there.scores).all(), precision
        print(f"exact search, {precision}: same bits; CPU {between - start:.2f} s, GPU {seconds:.2f} s")
    torch.set_float32_matmul_precision("highest")


def check_embeddings() -> None:
    """The whole rule, from vectors on the device."""
    import torch

    queries, corpus = unit_vectors(5_000, 384, 2), unit_vectors(200_000, 384, 3)
    positives = np.arange(5_000)
    for similarity in ("dot", "cosine"):
        here = nvmine.mine_embeddings(queries, corpus, positives, similarity=similarity, method="margin")
        for precision in ("highest", "high"):
            torch.set_float32_matmul_precision(precision)
            start = time.perf_counter()
            there = nvmine.mine_embeddings(
                queries, corpus, positives, similarity=similarity, method="margin", device="cuda"
            )
            seconds = time.perf_counter() - start
            assert (here.ids == there.ids).all(), precision
            assert here.scores.tobytes() == there.scores.tobytes(), precision
            assert here.audit.total == there.audit.total, precision
            print(f"mine_embeddings, {similarity}, {precision}: same bits; GPU {seconds:.2f} s")
    torch.set_float32_matmul_precision("highest")


def check_encoding() -> None:
    """A real model on the device."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from real import minilm

    texts = [f"passage number {row} of a made-up collection" for row in range(500)]
    here = DenseTeacher.load(minilm(), device="cpu").encode_passages(texts).astype(np.float32)
    teacher = DenseTeacher.load(minilm(), device="cuda")
    there = teacher.encode_passages(texts)
    assert (there == teacher.encode_passages(texts)).all()
    cosines = (here * there.astype(np.float32)).sum(axis=1)
    assert cosines.min() > 0.9999, cosines.min()
    print(f"encoding: least cosine to the CPU {cosines.min():.6f}, equal from run to run")


def check_faiss() -> None:
    """Indexes on the device, where faiss has one."""
    if find_spec("faiss") is None:
        print("faiss is not installed")
        return
    queries, passages = Vectors([unit_vectors(500, 128, 0)]), Vectors([unit_vectors(50_000, 128, 1)])
    rows = np.arange(len(queries))
    exact = ExactSearch(queries, passages, memory=MEMORY).search(rows, 3_000)
    for depth in (100, 3_000):
        found = FaissSearch(queries, passages, factory="flat", memory=MEMORY).search(rows, depth)
        share = float((found.ids == exact.ids[:, :depth]).mean())
        assert share > 0.999, share
        print(f"faiss flat, depth {depth}: {share:.4%} of the ids in place")


def main() -> None:
    """Run all checks; the first that fails ends it."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("no GPU: nothing checked")
    print(torch.cuda.get_device_name(), "torch", torch.__version__, "nvmine", nvmine.__version__)
    check_mine()
    check_search()
    check_embeddings()
    check_encoding()
    check_faiss()


if __name__ == "__main__":
    main()

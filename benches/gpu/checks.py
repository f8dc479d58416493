"""Checks on a GPU that results equal those on the CPU. docs/gpu-checks.md lists the checks that have passed.

python benches/gpu/checks.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import nvmine
from nvmine.data import Vectors
from nvmine.search import ExactSearch, FaissSearch
from nvmine.search.torch import workers
from nvmine.teachers import CrossEncoderTeacher, DenseTeacher

MEMORY = 2 << 30


def unit_vectors(rows: int, dimension: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Returns random unit vectors."""
    made = np.random.default_rng(seed).standard_normal((rows, dimension), dtype=np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def check_mine() -> None:
    """Checks that score matrices on the device give the same negatives."""
    import torch

    scores = torch.rand(20_000, 100, generator=torch.Generator().manual_seed(0))
    positives = torch.full((20_000,), 0.9)
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        for options in ({}, {"sampling": "uniform"}, {"pos_ids": np.arange(20_000) % 100}, {"anchor": "each"}):
            here = nvmine.mine(scores.to(dtype), positives, method="margin", margin=0.05, **options)
            there = nvmine.mine(scores.to(dtype).cuda(), positives.cuda(), method="margin", margin=0.05, **options)
            assert (here.ids == there.ids).all(), (dtype, options)
            assert here.scores.tobytes() == there.scores.tobytes(), (dtype, options)
            assert here.audit.total == there.audit.total, (dtype, options)
        print(f"mine, {dtype}: same ids, scores and account")


def check_search() -> None:
    """Checks the exact search with torch and with the kernel, on one device and on all of them."""
    import torch

    queries, passages = Vectors([unit_vectors(5_000, 384, 0)]), Vectors([unit_vectors(200_000, 384, 1)])
    rows = np.arange(len(queries))
    start = time.perf_counter()
    here = ExactSearch(queries, passages, memory=MEMORY).search(rows, 100)
    between = time.perf_counter()
    for names in ([f"cuda:{number}" for number in range(count)] for count in {1, torch.cuda.device_count()}):
        for fused in (False, True):
            workers.FUSED = fused
            start_device = time.perf_counter()
            there = ExactSearch(queries, passages, memory=MEMORY, device=names).search(rows, 100)
            seconds = time.perf_counter() - start_device
            assert (here.ids == there.ids).all(), (names, fused)
            assert (here.scores == there.scores).all(), (names, fused)
            print(f"exact search, {names}, kernel {fused}: same bits; CPU {between - start:.2f} s, GPU {seconds:.2f} s")
    workers.FUSED = False


def check_embeddings() -> None:
    """Checks ``mine_embeddings`` with vectors of every type on the device."""
    import torch

    made = torch.from_numpy(unit_vectors(5_000, 384, 2)), torch.from_numpy(unit_vectors(200_000, 384, 3))
    positives = np.arange(5_000)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for similarity in ("dot", "cosine"):
            queries, corpus = (part.to(dtype) for part in made)
            options = {"similarity": similarity, "method": "margin", "min_score": -0.2, "depth": 20}
            here = nvmine.mine_embeddings(queries, corpus, positives, **options)
            for fused in (False, True):
                workers.FUSED = fused
                start = time.perf_counter()
                there = nvmine.mine_embeddings(queries, corpus.cuda(), positives, device="cuda", **options)
                seconds = time.perf_counter() - start
                assert (here.ids == there.ids).all(), (dtype, fused)
                assert here.scores.tobytes() == there.scores.tobytes(), (dtype, fused)
                assert here.audit.total == there.audit.total, (dtype, fused)
                assert (here.candidates.ids == there.candidates.ids).all(), (dtype, fused)
                print(f"mine_embeddings, {dtype}, {similarity}, kernel {fused}: same bits; GPU {seconds:.2f} s")
    workers.FUSED = False


def check_encoding() -> None:
    """Checks the encoding of a real model on the device."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from real import minilm

    texts = [f"passage number {row} of a made-up collection" for row in range(500)]
    here = DenseTeacher.load(minilm(), device="cpu").encode_passages(texts).astype(np.float32)
    teacher = DenseTeacher.load(minilm(), device="cuda")
    there = teacher.encode_passages(texts)
    assert (there == teacher.encode_passages(texts)).all()
    cosines = (here * there.astype(np.float32)).sum(axis=1)
    assert cosines.min() > 0.9999, cosines.min()
    several = DenseTeacher.load(minilm(), device="cuda:0").on(["cuda:0", "cuda:0"])
    assert all((each.encode_passages(texts) == there).all() for each in several)
    print(f"encoding: least cosine to the CPU {cosines.min():.6f}, equal from run to run")


def check_rescoring() -> None:
    """Checks that a cross-encoder with random weights scores as on the CPU."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from real import minilm

    pairs = [(f"query {row % 40}", f"passage number {row} of a made-up collection") for row in range(2_000)]
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = AutoTokenizer.from_pretrained(minilm())
        tokenizer.save_pretrained(folder)
        torch.manual_seed(0)
        config = BertConfig(vocab_size=len(tokenizer), hidden_size=256, num_attention_heads=4, num_labels=1)
        BertForSequenceClassification(config).save_pretrained(folder)
        here = CrossEncoderTeacher.load(folder, device="cpu").score(pairs)
        teacher = CrossEncoderTeacher.load(folder, device="cuda")
        there = teacher.score(pairs)
    assert (there == teacher.score(pairs)).all()
    assert np.abs(here - there).max() < 1e-3
    print(f"rescoring: within {np.abs(here - there).max():.1e} of the CPU, equal from run to run")


def check_faiss() -> None:
    """Checks the recall of faiss indexes on the device, if faiss is installed."""
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
    if hasattr(import_module("faiss"), "GpuIndexCagra"):
        found = FaissSearch(queries, passages, factory="cagra64", memory=MEMORY).search(rows, 100)
        share = float(np.mean([len(set(a) & set(b)) / 100 for a, b in zip(found.ids, exact.ids[:, :100], strict=True)]))
        assert share > 0.8, share
        print(f"faiss CAGRA: recall {share:.4f}")


def main() -> None:
    """Runs all checks, and stops at the first that fails."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("no GPU: nothing checked")
    print(torch.cuda.get_device_name(), "torch", torch.__version__, "nvmine", nvmine.__version__)
    check_mine()
    check_search()
    check_embeddings()
    check_encoding()
    check_rescoring()
    check_faiss()


if __name__ == "__main__":
    main()

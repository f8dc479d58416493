"""Inference: batches by tokens, workers, failures."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmine.teachers.models.inference import InferenceStats, infer, token_batches

torch = pytest.importorskip("torch")
CPU = SimpleNamespace(type="cpu")


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 100))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = token_batches(np.array(lengths, np.int64), budget)
    rows = [row for batch in batches for row in batch.tolist()]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(1, lengths[batch[0]]) <= budget
    for batch in batches[:-1]:
        # One more would not have fit.
        assert (len(batch) + 1) * max(1, lengths[batch[0]]) > budget


def run(
    lengths: np.ndarray, *, budget: int = 16, compute: Any = None, done: Any = None
) -> tuple[np.ndarray, InferenceStats]:
    stats = InferenceStats()
    result = infer(
        lengths,
        prepare=lambda rows: {"rows": torch.from_numpy(rows)},
        compute=compute or (lambda features: torch.stack([features["rows"], features["rows"] ** 2], dim=1)),
        device=CPU,
        stats=stats,
        batch_tokens=budget,
        done=done,
    )
    return result, stats


@pytest.mark.parametrize("texts", [1, 2, 300])
def test_results_come_in_the_order_of_the_texts(texts: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 30, texts)
    told: list[int] = []
    result, stats = run(lengths, done=told.append)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, np.stack([np.arange(texts), np.arange(texts) ** 2], axis=1))
    assert sum(told) == texts
    assert (stats.texts, stats.tokens) == (texts, lengths.sum())
    assert stats.computed >= stats.tokens


def test_an_exception_of_the_model_reaches_the_caller_and_stops_the_work() -> None:
    computed: list[int] = []

    def compute(features: Any) -> Any:
        computed.append(len(features["rows"]))
        if len(computed) == 3:
            raise RuntimeError("out of memory")
        return features["rows"]

    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="out of memory"):
        run(np.full(1000, 8), compute=compute)
    assert len(computed) < 20
    assert torch.get_num_threads() == before


def test_each_cpu_worker_computes_with_one_thread() -> None:
    seen: set[tuple[str, int]] = set()

    def compute(features: Any) -> Any:
        seen.add((threading.current_thread().name, torch.get_num_threads()))
        return features["rows"]

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(np.full(200, 8), compute=compute)
        assert {threads for _, threads in seen} == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_padding_is_reported() -> None:
    _, stats = run(np.array([8, 8, 4, 4]), budget=32)
    assert str(stats) == "4 texts of 24 tokens, 25.0% of what was computed was padding"

"""Runs texts through a torch model: batches texts of similar length and computes the batches in parallel.

The calling thread tokenises while worker threads compute, so neither waits for the other. A GPU gets two workers: one
launches the next batch while the other waits for its results, and inputs are copied from pinned memory. A CPU gets one
worker per thread, and each computes its batch with a single thread. Small models lose much time to synchronising the
threads of one multiplication, and this way the bits of a result do not depend on the number of threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nvmine.extras import require

if TYPE_CHECKING:
    import torch

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Features = Mapping[str, Any]

# Tokens in a batch: on a CPU few enough that the activations stay in the caches, on a GPU enough to keep it busy.
_CPU_TOKENS, _GPU_TOKENS = 1024, 32768
_GPU_WORKERS = 2


class InferenceStats:
    """Counts the texts and tokens that a model has processed, and how much of the computation was padding.

    Attributes
    ----------
    texts, tokens : int
        Texts processed, and their tokens.
    computed : int
        Tokens computed, padding included.
    """

    def __init__(self) -> None:
        self.texts = self.tokens = self.computed = 0
        self._lock = threading.Lock()

    def add(self, lengths: Int64Array, batches: Sequence[Int64Array]) -> None:
        """Adds texts with these numbers of tokens, processed in these batches of row numbers."""
        with self._lock:
            self.texts += len(lengths)
            self.tokens += int(lengths.sum())
            self.computed += sum(len(rows) * int(lengths[rows[0]]) for rows in batches)

    def __str__(self) -> str:
        padding = 1 - self.tokens / max(1, self.computed)
        return f"{self.texts:,} texts of {self.tokens:,} tokens, {padding:.1%} of what was computed was padding"


def infer(
    lengths: Int64Array,
    *,
    prepare: Callable[[Int64Array], Features],
    compute: Callable[[Features], torch.Tensor],
    device: torch.device,
    stats: InferenceStats,
    batch_tokens: int | None = None,
    done: Callable[[int], object] | None = None,
) -> Float32Array:
    """Computes a row of numbers for every text.

    Parameters
    ----------
    lengths
        int64 of shape (T,), T > 0: number of tokens of each text. They only decide which texts are batched together.
    prepare
        Returns the model's inputs for some texts, given their row numbers. Called in the caller's thread.
    compute
        The model: maps inputs to a tensor with one row per text. Called by several threads at the same time.
    device
        The device of the model.
    stats
        Counts what is processed.
    batch_tokens
        Number of tokens in a batch, padding included. Default: 1024 on a CPU, 32768 on other devices.
    done
        Called in the caller's thread with the number of texts computed since the last call.

    Returns
    -------
    float32 with one row per text.
    """
    torch = require("torch", extra="dense")
    on_cpu = device.type == "cpu"
    batches = token_batches(lengths, batch_tokens or (_CPU_TOKENS if on_cpu else _GPU_TOKENS))
    # A single batch uses all threads.
    workers = min(torch.get_num_threads(), len(batches)) if on_cpu else _GPU_WORKERS

    def work(features: Features) -> Float32Array:
        with torch.inference_mode():
            values: Float32Array = compute(features).float().cpu().numpy()
            return values

    result = np.empty((0, 0), np.float32)
    with _pool(workers, single=on_cpu and workers > 1) as pool:
        batch_results = _in_flight(
            batches, lambda rows: pool.submit(work, _to_device(prepare(rows), device)), 2 * workers
        )
        for rows, values in batch_results:
            if not len(result):
                result = np.empty((len(lengths), *values.shape[1:]), np.float32)
            result[rows] = values
            if done is not None:
                done(len(rows))
    stats.add(lengths, batches)
    return result


def token_batches(lengths: Int64Array, budget: int) -> list[Int64Array]:
    """Splits texts into batches of at most `budget` tokens, padding included, longest texts first.

    Parameters
    ----------
    lengths
        int64 of shape (T,): number of tokens of each text.
    budget
        Number of tokens in a batch, at least 1. A longer text is a batch of its own.

    Returns
    -------
    The row numbers of each batch. They depend only on the lengths; texts of equal length keep their order. O(T log T).

    Examples
    --------
    >>> [rows.tolist() for rows in token_batches(np.array([3, 9, 4, 4]), 12)]
    [[1], [2, 3, 0]]
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + rows])
        start += rows
    return batches


def _in_flight(
    batches: Sequence[Int64Array], start: Callable[[Int64Array], Future[Float32Array]], most: int
) -> Iterator[tuple[Int64Array, Float32Array]]:
    """Yields the rows and result of each batch in order, while at most `most` batches are submitted."""
    submitted: deque[tuple[Int64Array, Future[Float32Array]]] = deque()
    for rows in batches:
        if len(submitted) == most:
            first, future = submitted.popleft()
            yield first, future.result()
        submitted.append((rows, start(rows)))
    for first, future in submitted:
        yield first, future.result()


@contextmanager
def _pool(workers: int, *, single: bool) -> Iterator[ThreadPoolExecutor]:
    """Yields a thread pool. With `single`, each worker computes with one thread; torch's global setting is restored."""
    torch = require("torch", extra="dense")
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=(lambda: torch.set_num_threads(1)) if single else None)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if single:
            torch.set_num_threads(before)


def _to_device(features: Features, device: torch.device) -> Features:
    if device.type == "cpu":
        return features
    moved = dict(features)
    for name, value in features.items():
        if hasattr(value, "pin_memory"):
            pinned = value.pin_memory() if device.type == "cuda" else value
            moved[name] = pinned.to(device, non_blocking=True)
    return moved

"""Texts through a torch model: batches of like length, prepared ahead, computed by as many workers as pay.

The calling thread tokenises while workers compute, so that neither waits for the other. A GPU has two workers: one
launches the next batch while the other waits for its results, and inputs go over from pinned memory. On a CPU there is
a worker a thread, each of which computes a batch by itself: small models lose much in bringing the threads of one
multiplication together, and this way the bits do not depend on how many threads there are.
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

# Tokens of a batch. On a CPU the activations of so many stay in the caches; a GPU is kept busy by so many.
_CPU_TOKENS, _GPU_TOKENS = 1024, 32768
_GPU_WORKERS = 2


class Reading:
    """How much a model has read, and how much of that was padding."""

    def __init__(self) -> None:
        self.texts = self.tokens = self.computed = 0
        self._lock = threading.Lock()

    def add(self, lengths: Int64Array, batches: Sequence[Int64Array]) -> None:
        """Adds texts of so many tokens, read in these batches."""
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
    reading: Reading,
    batch_tokens: int | None = None,
    done: Callable[[int], object] | None = None,
) -> Float32Array:
    """Compute a row of numbers for every text.

    Parameters
    ----------
    lengths
        int64 of shape (T,), T > 0: tokens of each text. They decide what is read together, and nothing else.
    prepare
        Gives the model's inputs for some texts, by row numbers; called in the thread of the caller.
    compute
        The model: inputs to a tensor with a row a text; called by several threads at once.
    device
        Where the model is.
    reading
        Where what is read is counted.
    batch_tokens
        Tokens of a batch, padding included. Default: 1024 on a CPU, 32768 elsewhere.
    done
        Told how many more texts are computed, in the thread of the caller.

    Returns
    -------
    float32 with a row a text.
    """
    torch = require("torch", extra="dense")
    on_cpu = device.type == "cpu"
    batches = token_batches(lengths, batch_tokens or (_CPU_TOKENS if on_cpu else _GPU_TOKENS))
    # The only batch may have all threads.
    workers = min(torch.get_num_threads(), len(batches)) if on_cpu else _GPU_WORKERS

    def work(features: Features) -> Float32Array:
        with torch.inference_mode():
            values: Float32Array = compute(features).float().cpu().numpy()
            return values

    result = np.empty((0, 0), np.float32)
    with _pool(workers, single=on_cpu and workers > 1) as pool:
        for rows, values in _ahead(batches, lambda rows: pool.submit(work, _moved(prepare(rows), device)), 2 * workers):
            if not len(result):
                result = np.empty((len(lengths), *values.shape[1:]), np.float32)
            result[rows] = values
            if done is not None:
                done(len(rows))
    reading.add(lengths, batches)
    return result


def token_batches(lengths: Int64Array, budget: int) -> list[Int64Array]:
    """Cut texts into batches of at most `budget` tokens, padding included, the longest first.

    Parameters
    ----------
    lengths
        int64 of shape (T,): tokens of each text.
    budget
        Tokens of a batch, at least 1; a longer text is a batch by itself.

    Returns
    -------
    Row numbers of each batch. They follow from the lengths alone; texts of one length keep their order. O(T log T).

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


def _ahead(
    batches: Sequence[Int64Array], start: Callable[[Int64Array], Future[Float32Array]], most: int
) -> Iterator[tuple[Int64Array, Float32Array]]:
    """The results in order, while at most so many batches are under way."""
    under_way: deque[tuple[Int64Array, Future[Float32Array]]] = deque()
    for rows in batches:
        if len(under_way) == most:
            first, future = under_way.popleft()
            yield first, future.result()
        under_way.append((rows, start(rows)))
    for first, future in under_way:
        yield first, future.result()


@contextmanager
def _pool(workers: int, *, single: bool) -> Iterator[ThreadPoolExecutor]:
    """Threads that may each compute with one thread only; torch's setting, which is the process's, is put back."""
    torch = require("torch", extra="dense")
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=(lambda: torch.set_num_threads(1)) if single else None)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if single:
            torch.set_num_threads(before)


def _moved(features: Features, device: torch.device) -> Features:
    if device.type == "cpu":
        return features
    moved = dict(features)
    for name, value in features.items():
        if hasattr(value, "pin_memory"):
            pinned = value.pin_memory() if device.type == "cuda" else value
            moved[name] = pinned.to(device, non_blocking=True)
    return moved

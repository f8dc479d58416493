"""Search on one or several of torch's devices, which share the passages.

A device is worked for by two threads on a GPU: while one has the core score a shortlist, the other multiplies, so
neither waits. Both take the next block of passages where the last one ended, and put what they find into the same
lists. Those only ever improve, and what a thread knows of them may be old: it then lists a little too much. So the
outcome is that of one thread, of one device, and of the core alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.devices import share_out
from nvmine.errors import SearchError
from nvmine.inputs.foreign import Array, to_torch
from nvmine.inputs.rows import offsets_of
from nvmine.search.torch.doubtful import Doubtful, Zones, doubtful, read_zones
from nvmine.search.torch.product import Factor, Product

if TYPE_CHECKING:
    import torch

Float32Array = npt.NDArray[np.float32]

# Threads of a GPU.
WORKERS = 2
# Whether GPUs use the Triton kernel: not before it has been measured on one, see docs/gpu-checks.md.
FUSED = False


class Devices(NamedTuple):
    """What is searched for, and where."""

    products: Sequence[Product]
    bests: Sequence[_core.Best]
    # Vectors of the queries of each; may be gone through many times.
    queries: Callable[[], Iterator[Float32Array]]
    kept: bool
    has_floor: bool
    cosine: bool
    rounded: bool
    # Bytes on each device for queries.
    room: int
    threads: int | None


def search_on_devices(search: Devices, passages: Iterator[tuple[int, Array]]) -> None:
    """Brings blocks of passages before all queries.

    Raises
    ------
    SearchError
        A passage vector has a component that is NaN or infinite; the message names it.
    """
    workers = [
        _Worker(search, product, held)
        for product, held in ((product, _HeldQueries(product, search)) for product in search.products)
        for _ in range(WORKERS if product.device.type == "cuda" else 1)
    ]
    share_out(passages, workers, lambda block, worker: worker.block(*block))


class _HeldQueries:
    """The queries on one device, put there once if there is room."""

    def __init__(self, product: Product, search: Devices) -> None:
        self._product, self._room, self._lock = product, search.room, threading.Lock()
        self._factors: list[Factor | None] = [None] * len(search.bests)

    def factor(self, number: int, vectors: Float32Array) -> Factor:
        with self._lock:
            factor = self._factors[number]
            if factor is None:
                factor = self._product.factor(to_torch(vectors), together=False)
                # Other threads have streams of their own.
                self._product.finish()
                if factor.vectors.nbytes * len(self._factors) <= self._room:
                    self._factors[number] = factor
        return factor


class _Worker:
    """A thread that multiplies on one device."""

    def __init__(self, search: Devices, product: Product, held: _HeldQueries) -> None:
        self._search, self._product, self._held = search, product, held
        self._stream = product.stream()

    def block(self, first: int, vectors: Array) -> None:
        """Brings passages before all queries."""
        with self._stream:
            self._block(first, to_torch(vectors, pinned=self._product.device.type == "cuda"))

    def _block(self, first: int, vectors: torch.Tensor) -> None:
        search, product = self._search, self._product
        right = product.factor(vectors, together=True)
        wrong = np.flatnonzero(~np.isfinite(right.norms))
        if wrong.size:
            row = first + int(wrong[0])
            raise SearchError("passage vector has a component that is NaN or infinite", row=row)
        passages: Float32Array = vectors.float().numpy()
        for number, (best, queries) in enumerate(zip(search.bests, search.queries(), strict=True)):
            left = self._held.factor(number, queries)
            reach, exponents = product.reach(left, right), left.exponents + right.exponents
            scores: torch.Tensor | None = None
            for kept in (False, True) if search.kept else (False,):
                zones = read_zones(best, reach, exponents, product.device, kept=kept, has_floor=search.has_floor)
                found = self._fused(left, right, zones)
                if found is None:
                    scores = product.scores(left, right) if scores is None else scores
                    found = doubtful(scores, zones)
                counts, places, too_high, too_low = (part.cpu().numpy() for part in found)
                offsets = offsets_of(counts)
                best.update_listed(
                    queries,
                    passages,
                    first,
                    offsets,
                    places,
                    too_high,
                    too_low,
                    kept=kept,
                    cosine=search.cosine,
                    rounded=search.rounded,
                    threads=search.threads,
                )

    def _fused(self, left: Factor, right: Factor, zones: Zones) -> Doubtful | None:
        """What the kernel finds, where it is asked for and of use."""
        if not FUSED or zones.is_filling or not self._product.in_halves or self._product.device.type != "cuda":
            return None
        from nvmine.search.torch.fused import doubtful_product

        return doubtful_product(left, right, zones)

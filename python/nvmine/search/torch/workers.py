"""Searches on one or several torch devices, which share the passages.

Two threads work for each GPU: while one has the core score what is in doubt, the other multiplies, so that neither GPU
nor CPU waits. Each thread takes the next block of passages as soon as it is free, and all of them add to the same
lists. A list only ever improves, so a thread that has seen an older state of it lists a few pairs too many, and never
one too few. The result is therefore the same for any number of threads and devices, and for the core alone.
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

# Threads per GPU.
WORKERS = 2
# Whether GPUs use the Triton kernel. It stays off until it has been measured on a GPU, see docs/gpu-checks.md.
FUSED = False


class DeviceSearch(NamedTuple):
    """A search on devices.

    Parameters
    ----------
    products
        The matrix product, one for each device.
    bests
        The lists of the best passages so far, one for each block of queries.
    queries
        Returns the vectors of each block of queries, in order; called once for each block of passages.
    kept
        Whether to keep the best passages whatever the bounds, too.
    has_floor
        Whether there is a floor.
    cosine, rounded, threads
        See :func:`nvmine.search.search_blocks`.
    room
        Bytes on each device for query vectors.
    """

    products: Sequence[Product]
    bests: Sequence[_core.Best]
    queries: Callable[[], Iterator[Float32Array]]
    kept: bool
    has_floor: bool
    cosine: bool
    rounded: bool
    room: int
    threads: int | None


def search_on_devices(search: DeviceSearch, passages: Iterator[tuple[int, Array]]) -> None:
    """Compares blocks of passages, each with the row number of its first, with all queries.

    Raises
    ------
    SearchError
        A passage vector has a component that is NaN or infinite; the error has its row number.
    """
    workers = [
        _Worker(search, product, held)
        for product, held in ((product, _HeldQueries(product, search)) for product in search.products)
        for _ in range(WORKERS if product.device.type == "cuda" else 1)
    ]
    share_out(passages, workers, lambda block, worker: worker.block(*block))


class _HeldQueries:
    """The query vectors on one device. They are copied there once if they fit, and else for each block."""

    def __init__(self, product: Product, search: DeviceSearch) -> None:
        self._product, self._room, self._lock = product, search.room, threading.Lock()
        self._factors: list[Factor | None] = [None] * len(search.bests)

    def factor(self, number: int, vectors: Float32Array) -> Factor:
        with self._lock:
            factor = self._factors[number]
            if factor is None:
                factor = self._product.factor(to_torch(vectors), together=False)
                # Other threads use other streams, so the vectors must be complete before they are shared.
                self._product.finish()
                if factor.vectors.nbytes * len(self._factors) <= self._room:
                    self._factors[number] = factor
        return factor


class _Worker:
    """Multiplies on one device, on a stream of its own."""

    def __init__(self, search: DeviceSearch, product: Product, held: _HeldQueries) -> None:
        self._search, self._product, self._held = search, product, held
        self._stream = product.stream()

    def block(self, first: int, vectors: Array) -> None:
        """Compares a block of passages with all queries; `first` is the row number of its first passage."""
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
            score_error, exponents = product.score_error(left, right), left.exponents + right.exponents
            scores: torch.Tensor | None = None
            for kept in (False, True) if search.kept else (False,):
                zones = read_zones(best, score_error, exponents, product.device, kept=kept, has_floor=search.has_floor)
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
        """Returns what the Triton kernel finds; None where it is off or does not apply."""
        if not FUSED or zones.is_filling or not self._product.in_halves or self._product.device.type != "cuda":
            return None
        from nvmine.search.torch.fused import doubtful_product

        return doubtful_product(left, right, zones)

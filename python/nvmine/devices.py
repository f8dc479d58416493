"""Work on processors and GPUs: sharing it out, and what depends on how they compute.

Some devices multiply bfloat16 in hardware. All compute in float32, so a bound in float64 must be rounded the right way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Piece = TypeVar("Piece")
Worker = TypeVar("Worker")


def share_out(pieces: Iterable[Piece], workers: Sequence[Worker], do: Callable[[Piece, Worker], object]) -> None:
    """Lets the workers do all pieces, each worker in its own thread and one piece at a time.

    Pieces are started in order. A single worker runs in the calling thread.

    Raises
    ------
    Exception
        A piece failed; this is the error of the first that did. Pieces that have started are finished, others are not
        started.
    """
    if len(workers) == 1:
        for piece in pieces:
            do(piece, workers[0])
        return
    numbered, lock, failures, stop = enumerate(pieces), threading.Lock(), dict[int, BaseException](), threading.Event()

    def work(worker: Worker) -> None:
        while not stop.is_set():
            with lock:
                number, piece = next(numbered, (-1, None))
            if piece is None:
                return
            try:
                do(piece, worker)
            except BaseException as error:
                failures[number] = error
                stop.set()

    with ThreadPoolExecutor(len(workers)) as pool:
        try:
            for future in [pool.submit(work, worker) for worker in workers]:
                future.result()
        finally:
            stop.set()
    if failures:
        # Pieces start in order, so every piece before this one has run: no earlier one can fail.
        raise failures[min(failures)]


def has_bfloat16_units(device: torch.device) -> bool:
    """Returns whether a torch device multiplies bfloat16 in hardware.

    NVIDIA GPUs do from Ampere on, and CPUs with AMX or AVX-512 BF16.
    """
    import torch

    if device.type == "cuda":
        return torch.version.cuda is not None and torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu":
        return False
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    found: list[Any] = [getattr(torch.cpu, check, None) for check in checks]
    return any(check is not None and check() for check in found)


def rounded_up(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Returns, for each value, the smallest float32 that is not below it.

    A float32 number is below the result exactly if it is below the value.

    Examples
    --------
    >>> bool(rounded_up(np.array([0.1]))[0] >= 0.1), rounded_up(np.array([0.5, np.inf])).tolist()
    (True, [0.5, inf])
    """
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return np.where(narrow < values, np.nextafter(narrow, np.float32(np.inf)), narrow)

"""Pieces of work for several workers, each of which takes the next when it has done one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Piece = TypeVar("Piece")
Worker = TypeVar("Worker")


def share_out(pieces: Iterable[Piece], workers: Sequence[Worker], do: Callable[[Piece, Worker], object]) -> None:
    """Has every piece done by one of the workers, each in a thread; a single worker needs none.

    Raises
    ------
    Exception
        What the first piece raised that failed. Those under way are finished, and no others begun.
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
        # Pieces are begun in order, so all before the first that fails were begun.
        raise failures[min(failures)]

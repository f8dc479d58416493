"""Frames that are made one after the other as a LazyFrame, and a LazyFrame as frames one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Queue
from threading import Event, Thread

import polars as pl
from polars.io.plugins import register_io_source


def batches(plan: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Frames of so many rows, in order, while Polars works on the next.

    Not ``collect_batches``, which in Polars 1.36 loses errors: what was read until then would pass for the whole.
    """
    queue: Queue[pl.DataFrame | BaseException | None] = Queue(maxsize=1)
    unwanted = Event()

    def hand_over(frame: pl.DataFrame) -> bool:
        if not unwanted.is_set():
            queue.put(frame)
        return unwanted.is_set()

    def work() -> None:
        try:
            plan.sink_batches(hand_over, chunk_size=rows, maintain_order=True, engine="streaming")
        # A panic of Polars is no Exception.
        except BaseException as error:
            queue.put(error)
        finally:
            queue.put(None)

    Thread(target=work, daemon=True).start()
    ended = False
    try:
        while (given := queue.get()) is not None:
            if isinstance(given, BaseException):
                raise given
            yield given
        ended = True
    finally:
        unwanted.set()
        # Whoever waits to hand over must be let go.
        while not ended:
            ended = queue.get() is None


def streamed(tables: Callable[[], Iterator[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
    """The rows of the tables, which are made anew for each collection and only as far as they are asked for."""

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for table in tables():
            frame = table
            if left is not None:
                frame = frame.head(left)
                left -= len(frame)
            if predicate is not None:
                frame = frame.filter(predicate)
            yield frame if columns is None else frame.select(columns)
            if left == 0:
                return

    return register_io_source(source, schema=schema)

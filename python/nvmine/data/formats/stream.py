"""Frames that are made one after the other as a LazyFrame, and a LazyFrame as frames one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread

import polars as pl
from polars.io.plugins import register_io_source


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that are read a batch at a time, their columns made of those of a plan.

    The columns are made in each batch and not by a select in the plan, before which Polars would hold as much again.

    Parameters
    ----------
    plan
        What is read.
    columns
        Names, and what each is made of: one column of the plan.
    """

    plan: pl.LazyFrame
    columns: dict[str, pl.Expr]

    @property
    def schema(self) -> pl.Schema:
        """The columns and their types."""
        return self._made(pl.DataFrame(schema=self.plan.collect_schema())).schema

    def only(self, *names: str) -> Source:
        """The same rows with these columns."""
        return Source(self.plan, {name: self.columns[name] for name in names})

    def sort(self, name: str) -> Source:
        """The same rows in the order of a column."""
        return Source(self._read().sort(self.columns[name].meta.root_names()), self.columns)

    def batches(self, rows: int) -> Iterator[pl.DataFrame]:
        """Frames of so many rows, in order."""
        return map(self._made, batches(self._read(), rows))

    def _read(self) -> pl.LazyFrame:
        return self.plan.select(column.meta.root_names()[0] for column in self.columns.values())

    def _made(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(column.alias(name) for name, column in self.columns.items())


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

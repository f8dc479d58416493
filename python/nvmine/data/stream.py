"""Streaming with Polars: a LazyFrame read batch by batch, and batches that Python makes served as a LazyFrame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread

import polars as pl
from polars.io.plugins import register_io_source


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of a plan, read a batch at a time, with columns computed from those of the plan.

    The columns are computed in each batch. A select in the plan would make Polars hold as much memory again.

    Parameters
    ----------
    plan
        The rows to read.
    columns
        The expression of each column, by its name; each expression reads one column of the plan.
    """

    plan: pl.LazyFrame
    columns: dict[str, pl.Expr]

    @property
    def schema(self) -> pl.Schema:
        """Names and types of the columns."""
        return self._compute(pl.DataFrame(schema=self.plan.collect_schema())).schema

    def only(self, *names: str) -> Source:
        """Returns the same rows with these columns alone."""
        return Source(self.plan, {name: self.columns[name] for name in names})

    def sort(self, name: str) -> Source:
        """Returns the same rows sorted by a column."""
        return Source(self._columns_read().sort(self.columns[name].meta.root_names()), self.columns)

    def batches(self, rows: int) -> Iterator[pl.DataFrame]:
        """Iterates over frames of at most `rows` rows, in order."""
        return map(self._compute, batches(self._columns_read(), rows))

    def _columns_read(self) -> pl.LazyFrame:
        return self.plan.select(column.meta.root_names()[0] for column in self.columns.values())

    def _compute(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(column.alias(name) for name, column in self.columns.items())


def batches(plan: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Iterates over frames of at most `rows` rows, in order, while Polars prepares the next one.

    ``collect_batches`` would do the same, but in Polars 1.36 it loses errors: the rows before an error would pass for
    all of them.
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
        # A panic in Polars is a BaseException.
        except BaseException as error:
            queue.put(error)
        finally:
            queue.put(None)

    Thread(target=work, daemon=True).start()
    ended = False
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
        ended = True
    finally:
        unwanted.set()
        # The thread may be waiting for room in the queue, and would wait forever.
        while not ended:
            ended = queue.get() is None


def streamed(tables: Callable[[], Iterator[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
    """Returns a lazy frame of the rows of some tables.

    Parameters
    ----------
    tables
        Makes the tables. It is called once for each collection, and iterated over only as far as rows are needed.
    schema
        Names and types of the columns.
    """

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

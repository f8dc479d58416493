"""Frames that are made one after the other as a LazyFrame, and a LazyFrame as frames one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl
from polars.io.plugins import register_io_source


def batches(plan: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Frames of so many rows, in order, while Polars works on the next."""
    yield from plan.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming")


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

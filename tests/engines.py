"""The ways in which Polars carries a plan out: in memory, streamed, and streamed into a file."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def in_memory(lazy: pl.LazyFrame, _: Path) -> pl.DataFrame:
    return lazy.collect(engine="in-memory")


def streaming(lazy: pl.LazyFrame, _: Path) -> pl.DataFrame:
    return lazy.collect(engine="streaming")


def sunk(lazy: pl.LazyFrame, folder: Path) -> pl.DataFrame:
    lazy.sink_parquet(folder / "sunk.parquet")
    return pl.read_parquet(folder / "sunk.parquet")


ENGINES = [in_memory, streaming, sunk]

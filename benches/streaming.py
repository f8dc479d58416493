"""Mining files of candidates with Polars, out of core, beside reading them and writing nothing; a process each.

python benches/streaming.py [candidates in millions] [--long MILLIONS] [--folder FOLDER] [--group QUERIES]

By default 300 million candidates in lists, a row a query with 100 of them, and 30 million in the long form, in a
temporary folder (or in FOLDER, where files that are there are used again). QUERIES is how many the file's row groups
hold, 16384 by default; --long 0 leaves the long form out.

The base is what Polars cannot do without: reading and decoding the same columns, batch by batch, into a function that
does nothing. A select of lengths or sums would not do: it may skip pages, or add work of its own. Every measurement is
a process of its own, so that its peak of memory is its own; the operating system's cache of the file is warm for all.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

import nvmine
import nvmine.polars

DEPTH = 100
MARGIN, N = 0.05, 4
# Queries that are made at once: some tens of megabytes.
PIECE = 2**15
LISTS = ("query_id", "ids", "scores", "pos_ids", "pos_scores")
LONG = ("query_id", "passage_id", "score")


def pieces(queries: int) -> Iterator[pl.DataFrame]:
    """Queries with their candidates, as in benches/mine.py: three in four have their positive among them."""
    for start in range(0, queries, PIECE):
        rows = min(PIECE, queries - start)
        draw = np.random.default_rng(start)
        scores = draw.normal(0.4, 0.15, (rows, DEPTH)).astype(np.float32)
        ids = draw.integers(0, 10_000_000, (rows, 1)) + 37 * draw.permuted(np.tile(np.arange(DEPTH), (rows, 1)), axis=1)
        pos_scores = draw.normal(0.7, 0.1, rows).astype(np.float32)
        pos_ids = np.where(draw.random(rows) < 0.75, ids[:, 0], 99_000_000)
        scores[:, 0] = np.where(pos_ids == ids[:, 0], pos_scores, scores[:, 0])
        lists = {"ids": pl.Series(ids, dtype=pl.Array(pl.Int64, DEPTH)).cast(pl.List(pl.Int64))}
        lists["scores"] = pl.Series(scores, dtype=pl.Array(pl.Float32, DEPTH)).cast(pl.List(pl.Float32))
        yield pl.DataFrame(
            {"query_id": np.arange(start, start + rows), **lists, "pos_ids": pos_ids, "pos_scores": pos_scores}
        )


def write(path: Path, queries: int, group: int, form: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """The file, if it is not there."""
    if path.exists():
        return
    schema = form(next(pieces(1))).schema
    rows = register_io_source(lambda *_: map(form, pieces(queries)), schema=schema)
    rows.sink_parquet(path, row_group_size=group, engine="streaming")


def long_form(lists: pl.DataFrame) -> pl.DataFrame:
    """A row a candidate; those whose positive is not among them get it as a candidate more."""
    ids = lists.with_columns(pl.concat_list("pos_ids", pl.col("ids").list.tail(DEPTH - 1)).alias("ids"))
    scores = ids.with_columns(pl.concat_list("pos_scores", pl.col("scores").list.tail(DEPTH - 1)).alias("scores"))
    rows = scores.select("query_id", "ids", "scores").explode("ids", "scores", empty_as_null=False)
    return rows.rename({"ids": "passage_id", "scores": "score"})


def judgements(lists: pl.DataFrame) -> pl.DataFrame:
    """A row a positive."""
    return lists.select("query_id", passage_id="pos_ids")


def read(path: Path, columns: tuple[str, ...]) -> None:
    """The base: every value decoded, and nothing done with it."""
    pl.scan_parquet(path).select(columns).sink_batches(lambda _: None, maintain_order=False, engine="streaming")


def mine_lists(folder: Path) -> None:
    """The expression."""
    mined = nvmine.polars.mine(
        "scores", "pos_scores", ids="ids", pos_ids="pos_ids", method="margin", margin=MARGIN, n=N
    )
    rows = pl.scan_parquet(folder / "lists.parquet").select("query_id", mined.struct.field("negative_ids"))
    rows.sink_parquet(folder / "out.parquet", engine="streaming")


def mine_rows(folder: Path, *, grouped: bool) -> None:
    """The long form."""
    rows, qrels = (pl.scan_parquet(folder / name) for name in ("long.parquet", "qrels.parquet"))
    mined = nvmine.polars.mine_long(rows, qrels, grouped=grouped, method="margin", margin=MARGIN, n=N)
    mined.select("query_id", "negative_ids").sink_parquet(folder / "out.parquet", engine="streaming")


def mine_file(folder: Path, candidates: str, qrels: str | None) -> None:
    """The command line's way: with scores and counts, synced."""
    labels = None if qrels is None else folder / qrels
    nvmine.mine_ranked(folder / candidates, labels, out=folder / "out.parquet", method="margin", margin=MARGIN, n=N)


WORK: dict[str, Callable[[Path], None]] = {
    "lists: read, nothing written": lambda folder: read(folder / "lists.parquet", LISTS),
    "lists: nvmine.polars.mine, sink_parquet": mine_lists,
    "lists: nvmine.mine_ranked": lambda folder: mine_file(folder, "lists.parquet", None),
    "long: read, nothing written": lambda folder: read(folder / "long.parquet", LONG),
    "long: nvmine.polars.mine_long, grouped=True": lambda folder: mine_rows(folder, grouped=True),
    "long: nvmine.polars.mine_long": lambda folder: mine_rows(folder, grouped=False),
    "long: nvmine.mine_ranked": lambda folder: mine_file(folder, "long.parquet", "qrels.parquet"),
}


def measure(name: str, folder: Path) -> tuple[float, float, float]:
    """Seconds, and resident MiB before and at the peak, of the better of two processes."""
    runs = []
    for _ in range(2):
        command = [sys.executable, __file__, "--work", name, "--folder", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, before, peak = map(float, done.stdout.split())
        runs.append((seconds, before, peak))
    return min(runs)


def resident() -> float:
    """Peak of resident MiB of this process until now."""
    # What getrusage gives a process on Linux starts with the peak of the one that started it.
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM"):
            return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print a line a measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("millions", nargs="?", type=float, default=300)
    parser.add_argument("--long", type=float, default=30)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--group", type=int, default=2**14)
    parser.add_argument("--work")
    options = parser.parse_args()
    if options.work:
        before, start = resident(), time.perf_counter()
        WORK[options.work](options.folder)
        print(time.perf_counter() - start, before, resident())
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        queries, few = (max(1, int(millions * 1e6) // DEPTH) for millions in (options.millions, options.long))
        write(folder / "lists.parquet", queries, options.group, lambda lists: lists)
        forms = ["lists"]
        if options.long:
            write(folder / "long.parquet", few, options.group * DEPTH, long_form)
            write(folder / "qrels.parquet", few, options.group * DEPTH, judgements)
            forms.append("long")
        shown = f"polars {pl.__version__}, {pl.thread_pool_size()} threads, {platform.machine()}"
        print(f"{queries:,} queries in lists, {few:,} in the long form, x {DEPTH} candidates; {shown}")
        for form in forms:
            size = (folder / f"{form}.parquet").stat().st_size / 2**20
            print(f"{form}.parquet has {size:,.0f} MiB", flush=True)
            base = None
            for name in WORK:
                if name.startswith(form):
                    seconds, before, peak = measure(name, folder)
                    base = base or seconds
                    line = f"{name:<48} {seconds:8.2f} s {seconds / base:6.2f} x"
                    print(f"{line}   peak {peak:7,.0f} MiB, {before:,.0f} of them at the start", flush=True)


if __name__ == "__main__":
    main()

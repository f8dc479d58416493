"""Measures mining files of candidates with Polars, out of core, compared to only reading them.

python benches/streaming.py [candidates in millions] [--long MILLIONS] [--folder FOLDER] [--group QUERIES]

By default there are 300 million candidates in lists, 100 in the row of each query, and 30 million in the long form.
Files are written to a temporary folder, or to FOLDER, where existing files are used again. QUERIES is the number of
queries in a row group, 16384 by default. --long 0 leaves out the long form.

Ratios are to what any Polars query must do: read and decode the same columns, batch by batch, into a function that does
nothing. A select of lengths or sums is no such base, because it may skip pages, or add work. Every measurement has its
own process, and so its own peak of memory. The operating system has the file in its cache for all of them.
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
# Number of queries that are generated at a time, which take some tens of megabytes.
PIECE = 2**15
LISTS = ("query_id", "ids", "scores", "pos_ids", "pos_scores")
LONG = ("query_id", "passage_id", "score")


def pieces(queries: int) -> Iterator[pl.DataFrame]:
    """Yields queries with their candidates, as in benches/mine.py. Three in four positives are among the candidates."""
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
    """Writes the file if it does not exist."""
    if path.exists():
        return
    schema = form(next(pieces(1))).schema
    rows = register_io_source(lambda *_: map(form, pieces(queries)), schema=schema)
    rows.sink_parquet(path, row_group_size=group, engine="streaming")


def long_form(lists: pl.DataFrame) -> pl.DataFrame:
    """Returns one row for each candidate. The positive takes the place of the first candidate of its query."""
    ids = lists.with_columns(pl.concat_list("pos_ids", pl.col("ids").list.tail(DEPTH - 1)).alias("ids"))
    scores = ids.with_columns(pl.concat_list("pos_scores", pl.col("scores").list.tail(DEPTH - 1)).alias("scores"))
    rows = scores.select("query_id", "ids", "scores").explode("ids", "scores", empty_as_null=False)
    return rows.rename({"ids": "passage_id", "scores": "score"})


def judgements(lists: pl.DataFrame) -> pl.DataFrame:
    """Returns one row for each positive."""
    return lists.select("query_id", passage_id="pos_ids")


def read(path: Path, columns: tuple[str, ...]) -> None:
    """Decodes every value and does nothing with it."""
    pl.scan_parquet(path).select(columns).sink_batches(lambda _: None, maintain_order=False, engine="streaming")


def mine_lists(folder: Path) -> None:
    """Mines with the expression."""
    mined = nvmine.polars.mine(
        "scores", "pos_scores", ids="ids", pos_ids="pos_ids", method="margin", margin=MARGIN, n=N
    )
    rows = pl.scan_parquet(folder / "lists.parquet").select("query_id", mined.struct.field("negative_ids"))
    rows.sink_parquet(folder / "out.parquet", engine="streaming")


def mine_rows(folder: Path, *, grouped: bool) -> None:
    """Mines the long form."""
    rows, qrels = (pl.scan_parquet(folder / name) for name in ("long.parquet", "qrels.parquet"))
    mined = nvmine.polars.mine_long(rows, qrels, grouped=grouped, method="margin", margin=MARGIN, n=N)
    mined.select("query_id", "negative_ids").sink_parquet(folder / "out.parquet", engine="streaming")


def mine_file(folder: Path, candidates: str, qrels: str | None) -> None:
    """Mines as the command line does: writes scores and counts too, and syncs the file."""
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
    """Returns the seconds, and the resident MiB at the start and at the peak, of the faster of two processes."""
    runs = []
    for _ in range(2):
        command = [sys.executable, __file__, "--work", name, "--folder", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, before, peak = map(float, done.stdout.split())
        runs.append((seconds, before, peak))
    return min(runs)


def resident() -> float:
    """Returns the peak of resident MiB of this process so far."""
    # On Linux, getrusage includes the peak of the process that started this one.
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM"):
            return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Prints one line for each measurement."""
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

"""The one loop over the shards of a run, and the stages that are written shard by shard: candidates, then results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from nvmine.audit import REASONS
from nvmine.files import read_table, table_writer
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.run.candidates.block import CandidateBlock
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.search import CandidateSearch
from nvmine.run.progress import Progress
from nvmine.run.results import results_table
from nvmine.run.store.workspace import PASSAGES, Workspace, shard_ranges

Int64Array = npt.NDArray[np.int64]


class Results(NamedTuple):
    """The results of a shard: how many of its queries have one, their negatives, and what makes the table of them."""

    queries: int
    negatives: Negatives
    table: Callable[[], pl.DataFrame]


def each_shard(queries: int, bars: Progress, task: str) -> Iterator[tuple[int, Int64Array, Callable[[int], object]]]:
    """Yields the number of each shard of queries, its rows, and a function that reports how many of them are done.

    Rows that were not reported count as done when the next shard is asked for.
    """
    with bars.bar(task, queries) as bar:
        for number, rows in shard_ranges(queries):
            before = bar.n
            yield number, np.arange(rows.start, rows.stop), bar.update
            bar.update(len(rows) - (bar.n - before))


def candidates_name(workspace: Workspace, number: int) -> str:
    """Returns the name of a shard of candidates in the run."""
    return f"candidates/{workspace.manifest.folder_name}-{number:05d}.parquet"


def write_candidates(workspace: Workspace, number: int, block: CandidateBlock, labels: Labels) -> None:
    """Writes a shard of candidates."""
    workspace.commit(candidates_name(workspace, number), len(block), table_writer(block.to_table(labels)))


def search_all(workspace: Workspace, labels: Labels, make: Callable[[], CandidateSearch], bars: Progress) -> None:
    """Writes all shards of candidates that are missing; the search is made only if one is."""
    numbers = [number for number, _ in shard_ranges(labels.queries)]
    missing = {number for number in numbers if not workspace.has(candidates_name(workspace, number))}
    if not missing:
        return
    search = make()
    for number, rows, done in each_shard(labels.queries, bars, "searching"):
        if number in missing:
            write_candidates(workspace, number, search.block(rows, done), labels)


def mine_all(workspace: Workspace, labels: Labels, policy: Policy, bars: Progress, threads: int | None) -> None:
    """Writes the results of every query from its stored candidates, and finishes the run."""
    passage_ids = read_table(workspace.root / PASSAGES)["passage_id"]
    teacher = workspace.manifest.teacher.name

    def mine(number: int, rows: Int64Array) -> Results:
        block = CandidateBlock.of_table(read_table(workspace.root / candidates_name(workspace, number)), rows)
        # A query that has lost all its positives has no result.
        block = block.take(np.flatnonzero(block.has_positive))
        negatives = block.mine(labels, policy, threads)
        return Results(len(block), negatives, lambda: results_table(block, labels, negatives, passage_ids, teacher))

    workspace.finish(write_results(workspace, labels, mine, bars, "mining"))


def write_results(
    workspace: Workspace, labels: Labels, mine: Callable[[int, Int64Array], Results], bars: Progress, task: str
) -> dict[str, int]:
    """Writes all shards of results, and returns the totals over all of them.

    Every shard is mined, since the totals need it, but one that is written already is not written again.
    """
    totals = dict.fromkeys(("queries", "results", "candidates", "survivors", "emitted", "short", *REASONS), 0)
    for number, rows, _ in each_shard(labels.queries, bars, task):
        queries, negatives, table = mine(number, rows)
        # Nothing is added, or written, unless every candidate is accounted for.
        negatives.audit.check()
        name = f"negatives-{number:05d}.parquet"
        if not workspace.has(name):
            results = table()
            workspace.commit(name, results.height, table_writer(results))
        totals["queries"] += queries
        totals["results"] += len(negatives)
        totals["survivors"] += int(negatives.audit.survivors.sum())
        totals["short"] += int((negatives.counts < workspace.manifest.n).sum())
        for key, count in negatives.audit.total.items():
            totals[key] += count
    return totals

"""From a search to the finished run: candidates, negatives, totals. For all who make a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from nvmine.audit import REASONS
from nvmine.data import Dataset
from nvmine.policy import Policy
from nvmine.run.candidates import CandidateSearch, candidate_name, search_candidates
from nvmine.run.labels import Labels
from nvmine.run.progress import Progress
from nvmine.run.results import mine_candidates, negatives_name, results_table, writer
from nvmine.run.workspace import Workspace, shard_ranges
from nvmine.search import ExhaustiveSearcher, ScoredSearch, Searcher
from nvmine.teachers import Bm25Teacher


def lexical_search(
    tutor: Bm25Teacher, dataset: Dataset, memory: int, threads: int | None
) -> Callable[[], ScoredSearch]:
    """What makes the search by BM25, once, when it is first needed."""

    @cache
    def make() -> ScoredSearch:
        index = tutor.index(dataset.passage_texts)

        def score_rows(rows: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.float32]]:
            return index.scores([dataset.query_texts[row] for row in rows])

        return ScoredSearch(score_rows, len(dataset.passage_ids), memory=memory, threads=threads)

    return make


def mine_all(
    workspace: Workspace,
    labels: Labels,
    searcher: Callable[[], Searcher],
    exact: Callable[[], ExhaustiveSearcher],
    policy: Policy,
    depth: int,
    bars: Progress,
    threads: int | None,
) -> None:
    """Writes candidates and results of every query; an index is only built if a shard is missing."""
    names = [candidate_name(workspace, number) for number, _ in shard_ranges(labels.queries)]
    if not all(workspace.has(name) for name in names):
        search = CandidateSearch(labels, searcher(), exact, policy, depth)
        search_candidates(workspace, labels, search, bars)
    passage_ids = pl.read_parquet(workspace.root / "passages.parquet", columns=["passage_id"]).to_series()
    teacher = str(workspace.manifest.teacher.get("name") or workspace.manifest.teacher["kind"])
    totals = dict.fromkeys(("queries", "results", "candidates", "survivors", "emitted", "short", *REASONS), 0)
    with bars.bar("mining", labels.queries) as bar:
        for number, rows in shard_ranges(labels.queries):
            candidates = pl.read_parquet(workspace.root / candidate_name(workspace, number))
            negatives = mine_candidates(candidates, labels, policy, threads)
            negatives.audit.check()
            name = negatives_name(number)
            if not workspace.has(name):
                table = results_table(candidates, negatives, passage_ids, teacher)
                workspace.commit(name, table.height, writer(table))
            totals["queries"] += len(rows)
            totals["results"] += len(negatives)
            totals["survivors"] += int(negatives.audit.survivors.sum())
            totals["short"] += int((negatives.counts < policy.n).sum())
            for key, count in negatives.audit.total.items():
                totals[key] += count
            bar.update(len(rows))
    workspace.finish(totals)

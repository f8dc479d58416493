"""From a search to the finished run: candidates, negatives, totals. For all who make a run of one teacher."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nvmine.audit import REASONS
from nvmine.files import read_table, table_writer
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.positives import with_positives
from nvmine.run.candidates.search import CandidateSearch
from nvmine.run.progress import Progress
from nvmine.run.results import mine_candidates, negatives_name, results_table
from nvmine.run.store.workspace import PASSAGES, Workspace, shard_ranges


def candidate_name(workspace: Workspace, number: int) -> str:
    """Where a shard of candidates lies in the run."""
    return f"candidates/{workspace.manifest.folder_name}-{number:05d}.parquet"


def search_all(workspace: Workspace, labels: Labels, make: Callable[[], CandidateSearch], bars: Progress) -> None:
    """Writes all shards of candidates that are not there yet; a search is only made if one is missing."""
    names = {number: candidate_name(workspace, number) for number, _ in shard_ranges(labels.queries)}
    if all(workspace.has(name) for name in names.values()):
        return
    search = make()
    with bars.bar("searching", labels.queries) as bar:
        for number, rows in shard_ranges(labels.queries):
            if not workspace.has(names[number]):
                table = search.table(np.arange(rows.start, rows.stop), bar.update)
                workspace.commit(names[number], len(rows), table_writer(table))
            else:
                bar.update(len(rows))


def mine_all(workspace: Workspace, labels: Labels, policy: Policy, bars: Progress, threads: int | None) -> None:
    """Writes the results of every query from its candidates, and the totals, with which the run is finished."""
    passage_ids = read_table(workspace.root / PASSAGES)["passage_id"]
    totals = Totals(policy.n)
    with bars.bar("mining", labels.queries) as bar:
        for number, rows in shard_ranges(labels.queries):
            candidates = read_table(workspace.root / candidate_name(workspace, number))
            # A query that has lost all its positives has no result.
            (candidates,) = with_positives([candidates])
            negatives = mine_candidates(candidates, labels, policy, threads)
            name = negatives_name(number)
            if not workspace.has(name):
                table = results_table(candidates, negatives, passage_ids, workspace.manifest.teacher_name)
                workspace.commit(name, table.height, table_writer(table))
            totals.add(candidates.height, negatives)
            bar.update(len(rows))
    workspace.finish(totals.counts)


class Totals:
    """What a run's results amount to.

    Parameters
    ----------
    n
        Negatives wanted for each result.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self.counts = dict.fromkeys(("queries", "results", "candidates", "survivors", "emitted", "short", *REASONS), 0)

    def add(self, queries: int, negatives: Negatives) -> None:
        """Adds the results of some queries, when they are proven to account for every candidate."""
        negatives.audit.check()
        self.counts["queries"] += queries
        self.counts["results"] += len(negatives)
        self.counts["survivors"] += int(negatives.audit.survivors.sum())
        self.counts["short"] += int((negatives.counts < self._n).sum())
        for key, count in negatives.audit.total.items():
            self.counts[key] += count

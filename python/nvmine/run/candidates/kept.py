"""What a finished run still knows: its data, and the best passages of every query, as a search that is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial

import numpy as np
import numpy.typing as npt

import polars as pl
from nvmine.data import Dataset
from nvmine.errors import RunError
from nvmine.files import link
from nvmine.inputs.rows import offsets_of
from nvmine.policy import Policy
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.search import CandidateSearch, Doubts
from nvmine.run.searching import exhaustive_search
from nvmine.run.store.folder import Run
from nvmine.run.store.storage import inside, verify
from nvmine.run.store.workspace import Workspace
from nvmine.search import Candidates

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

_CANDIDATES_AT_ONCE = 1 << 22


def search_again(
    source: Run,
    dataset: Dataset,
    labels: Labels,
    policy: Policy,
    *,
    relevant: Mapping[str, Sequence[int]] | None = None,
    memory: int,
    device: str | Sequence[str] | None,
    threads: int | None,
) -> CandidateSearch:
    """The search of a finished run, under another policy or with passages that were found relevant.

    The stored vectors or index are only opened if a query needs more than is kept. Of rescored candidates there are no
    others.
    """
    search = source.manifest.search
    exact = partial(
        exhaustive_search, source.path, source.manifest, dataset, memory=memory, device=device, threads=threads
    )
    more = None if "rescorer" in search else cache(exact)
    # An empty mapping may be filled while the search goes on.
    known = {} if relevant is None else relevant
    doubts = Doubts(search.get("consistency"), search.get("promote_above"), known)
    return CandidateSearch(labels, KeptCandidates(source), more, policy, search["depth"], doubts)


def prepared(source: Run) -> list[str]:
    """The files of a run that do not depend on its policy: texts, vectors, an index."""
    return [name for name in source.manifest.shards if not name.startswith(("candidates/", "negatives-"))]


def take_over(workspace: Workspace, source: Run, names: Iterable[str]) -> None:
    """Makes files of a finished run, which must be what is recorded there, files of another one too."""
    for name in names:
        if not workspace.has(name):
            shard = source.manifest.shards[name]
            verify(source.path, shard)
            workspace.commit(name, shard.rows, partial(link, inside(source.path, name)))


def stored_dataset(source: Run) -> Dataset:
    """The data, as they are stored in the run."""
    queries, passages = source.queries().collect(), source.passages().collect()
    positives = source.scan_candidates().select("pos_ids").collect()["pos_ids"]
    return Dataset(
        name=source.manifest.data["name"],
        query_ids=queries["query_id"].to_list(),
        query_texts=queries["text"].to_list(),
        passage_ids=passages["passage_id"].to_list(),
        passage_texts=passages["text"].to_list(),
        positive_offsets=offsets_of(positives.list.len().to_numpy().astype(np.int64)),
        positive_passages=positives.explode(empty_as_null=False).to_numpy().astype(np.int64),
    )


class KeptCandidates:
    """The search that a run has done already: the best passages of every query, without what its policy added."""

    def __init__(self, source: Run) -> None:
        self._source, self._table = source, source.scan_candidates()

    def rows_at_once(self, depth: int) -> int:
        """How many queries' lists are held at once."""
        return max(1, _CANDIDATES_AT_ONCE // depth)

    def search(self, rows: Int64Array, depth: int) -> Candidates:
        """The best passages that were found."""
        table = self._consecutive(rows)
        held = np.arange(depth) < table["complete"].to_numpy()[:, None]
        ids, scores = np.full(held.shape, -1, np.int64), np.full(held.shape, np.nan, np.float32)
        for column, target in (("ids", ids), ("scores", scores)):
            best = table.select(pl.col(column).list.head("complete")).to_series()
            target[held] = best.explode(empty_as_null=False).to_numpy()
        return Candidates(ids, scores)

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """The scores of the positives `ids`, which are all those of each query."""
        table = self._consecutive(np.unique(rows))
        known, scores = (table[name].explode(empty_as_null=False).to_numpy() for name in ("pos_ids", "pos_scores"))
        if not np.array_equal(known, ids):
            raise RunError("holds other positives than its candidates", path=self._source.path)
        return scores.astype(np.float32)

    def _consecutive(self, rows: Int64Array) -> pl.DataFrame:
        return self._table.slice(int(rows[0]) if len(rows) else 0, len(rows)).collect()

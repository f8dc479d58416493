"""``filter_run``: another policy for a finished run, from the candidates and vectors that it keeps.

No text is encoded again. Queries whose kept candidates do not feed the new policy, and only those, are searched again
below their ceilings. The outcome is the run that :func:`nvmine.mine_dataset` would make with that policy, byte for
byte; files that both hold are one on the disk. Prefer :func:`nvmine.mine` for trying policies without keeping what
they give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
import polars as pl

from nvmine.data import Dataset, Vectors
from nvmine.errors import RunError
from nvmine.policy import Policy, PolicyFields
from nvmine.ragged import offsets_of
from nvmine.run.folder import Run
from nvmine.run.labels import Labels
from nvmine.run.manifest import Manifest
from nvmine.run.progress import Progress
from nvmine.run.stages import lexical_search, mine_all
from nvmine.run.storage import inside, link, verify
from nvmine.run.workspace import Workspace, open_workspace
from nvmine.search import Candidates, ExactSearch, ExhaustiveSearcher, parse_memory
from nvmine.teachers import Bm25Teacher
from nvmine.whole_numbers import thread_count

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

_CANDIDATES_AT_ONCE = 1 << 22


def filter_run(
    run: Run | str | Path,
    *,
    out: str | Path,
    memory: str | int = "1G",
    device: str | Sequence[str] | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    policy: Policy | None = None,
    **fields: Unpack[PolicyFields],
) -> Run:
    """Mines a finished run once more, under another policy.

    Parameters
    ----------
    run
        The run, or its folder. It is not changed.
    out
        The folder of the new run: new, empty, or of the same work, which is then continued.
    memory, device, threads, progress
        As in :func:`nvmine.mine_dataset`, for queries that are searched again.
    policy
        The whole new rule; or give fields as keywords, and the others stay as they are in the run.
    **fields
        Fields of the policy.

    Returns
    -------
    Run
        The new run, whole: it does not need the old one.

    Raises
    ------
    RunError
        `run` is no finished run, or a file of it has changed; `out` holds something else. Or the installed BM25 is
        another than that of the run, and queries have to be searched again.
    PolicyError, SearchError
        An option is wrong.

    Examples
    --------
    >>> import nvmine, tempfile
    >>> pairs = [("capital of France?", "Paris is the capital of France."),
    ...          ("capital of Italy?", "Rome is the capital of Italy."),
    ...          ("longest river?", "The Nile is the longest river of all.")]
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     run = nvmine.mine_dataset(pairs, out=folder + "/run", n=1)
    ...     nvmine.filter_run(run, out=folder + "/stricter", percentage=0.5).negatives()["negative_ids"].to_list()
    [['p2'], ['p2'], ['p0']]
    """
    source = run if isinstance(run, Run) else Run.open(run)
    if policy is None:
        # What is not given stays as it is.
        fields = {**asdict(source.policy), **fields}  # type: ignore[typeddict-item]
    chosen = Policy.of(policy, fields)
    budget, threads = parse_memory(memory), thread_count(threads)
    old = source.manifest
    wanted = Manifest(data=old.data, teacher=old.teacher, search=old.search, policy=asdict(chosen))
    with open_workspace(Path(out), wanted) as workspace:
        if not workspace.manifest.finished:
            _take_over(workspace, source)
            kept = _KeptCandidates(source)
            dataset = kept.dataset()
            labels = Labels.of(dataset, shingles=chosen.near_duplicate is not None, threads=threads)
            exact: Callable[[], ExhaustiveSearcher]
            if old.teacher["kind"] == "bm25":
                exact = _lexical(source, dataset, budget, threads)
            else:
                sides = [partial(_vectors, source, side) for side in ("queries", "corpus")]
                exact = cache(
                    lambda: ExactSearch(*(side() for side in sides), memory=budget, device=device, threads=threads)
                )
            mine_all(workspace, labels, lambda: kept, exact, chosen, old.search["depth"], Progress(progress), threads)
    return Run.open(out)


def _take_over(workspace: Workspace, source: Run) -> None:
    """Texts and vectors, which do not depend on the policy."""
    for name, shard in source.manifest.shards.items():
        if name.startswith(("candidates/", "negatives-")) or workspace.has(name):
            continue
        verify(source.path, shard)
        workspace.commit(name, shard.rows, partial(link, inside(source.path, name)))


def _vectors(source: Run, side: str) -> Vectors:
    files = [path for path in source.files("embeddings/") if path.name.startswith(f"{side}-")]
    return Vectors([np.load(path, mmap_mode="r", allow_pickle=False) for path in files])


def _lexical(source: Run, dataset: Dataset, memory: int, threads: int | None) -> Callable[[], ExhaustiveSearcher]:
    @cache
    def make() -> ExhaustiveSearcher:
        recorded = source.manifest.teacher
        settings: dict[str, Any] = {name: recorded[name] for name in ("method", "k1", "b", "stemmer", "stopwords")}
        teacher = Bm25Teacher(**settings)
        now = teacher.describe()
        if now != recorded:
            changed = ", ".join(
                f"{name} {recorded.get(name)} → {now[name]}" for name in now if now[name] != recorded.get(name)
            )
            raise RunError(
                f"needs another search, and BM25 is not what it was: {changed}; install that, or mine again",
                path=source.path,
            )
        return lexical_search(teacher, dataset, memory, threads)()

    return make


class _KeptCandidates:
    """The search that a run has done already: the best passages of every query, without what its policy added."""

    def __init__(self, source: Run) -> None:
        self._source, self._table = source, source.scan_candidates()

    def dataset(self) -> Dataset:
        """The data, as they are stored in the run."""
        queries, passages = self._source.queries().collect(), self._source.passages().collect()
        positives = self._table.select("pos_ids").collect()["pos_ids"]
        return Dataset(
            name=self._source.manifest.data["name"],
            query_ids=queries["query_id"].to_list(),
            query_texts=queries["text"].to_list(),
            passage_ids=passages["passage_id"].to_list(),
            passage_texts=passages["text"].to_list(),
            positive_offsets=offsets_of(positives.list.len().to_numpy().astype(np.int64)),
            positive_passages=positives.explode(empty_as_null=False).to_numpy().astype(np.int64),
        )

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

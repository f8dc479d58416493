"""``filter_run``: another policy for a finished run, from the candidates and vectors that it keeps.

No text is encoded again. Only queries whose kept candidates are not enough for the new policy are searched again, below
their ceilings. The new run is the one that :func:`nvmine.mine_dataset` would make with that policy, byte for byte, and
files that both runs hold take up disk space once. To try policies without keeping the results, use :func:`nvmine.mine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Unpack

from nvmine.errors import RunError
from nvmine.inputs.numbers import thread_count
from nvmine.policy import Policy, PolicyFields
from nvmine.run.backends import SearchOptions
from nvmine.run.candidates.kept import search_again
from nvmine.run.candidates.labels import Labels
from nvmine.run.progress import Progress
from nvmine.run.shards import mine_all, search_all
from nvmine.run.single import refuse_ceiling
from nvmine.run.store.folder import Run
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.texts import stored_dataset
from nvmine.run.store.workspace import open_workspace
from nvmine.search import parse_memory


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
    """Mines a finished run again under another policy.

    Parameters
    ----------
    run
        The run, or its folder. It is not changed.
    out
        The folder of the new run: new, empty, or of the same work, which is then continued.
    memory, device, threads, progress
        As in :func:`nvmine.mine_dataset`, for queries that are searched again.
    policy
        The whole new policy; or give fields as keywords, and the others stay as they are in the run.
    **fields
        Fields of the policy.

    Returns
    -------
    Run
        The new run, complete in itself: it does not need the old one.

    Raises
    ------
    RunError
        `run` is not a finished run, or one of its files has changed; it is an ensemble or was judged: filter the runs
        that it was made from. Or `out` holds something else. Or a query has to be searched again, and the installed
        BM25 is not that of the run.
    PolicyError, SearchError
        An option is wrong.

    Examples
    --------
    >>> import nvmine, tempfile
    >>> pairs = [("capital of France?", "Paris is the capital of France."),
    ...          ("capital of Italy?", "Rome is the capital of Italy."),
    ...          ("longest river of Italy?", "The Po is the longest river of Italy.")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = nvmine.mine_dataset(pairs, out=folder + "/run", n=1)
    ...     nvmine.filter_run(run, out=folder + "/stricter", percentage=0.5).negatives()["negative_ids"].to_list()
    [['p1'], ['p2'], ['p1']]
    """
    source = Run.of(run)
    if source.is_ensemble:
        raise RunError(
            "is an ensemble; filter its members, the runs in its folder teachers/, and combine them again",
            path=source.path,
        )
    if source.is_judged:
        message = "was judged; filter the run that it was made from, and judge the new run with known= this one"
        raise RunError(message, path=source.path)
    if policy is None:
        # Fields that are not given stay as they are.
        fields = {**asdict(source.policy), **fields}  # type: ignore[typeddict-item]
    chosen = Policy.of(policy, fields)
    options = SearchOptions(parse_memory(memory), device, thread_count(threads))
    old = source.manifest
    wanted = Manifest(data=old.data, teacher=old.teacher, search=old.search, policy=asdict(chosen))
    refuse_ceiling(wanted)
    with open_workspace(Path(out), wanted) as workspace:
        if not workspace.manifest.finished:
            workspace.take_over(source.path, source.reusable())
            dataset = stored_dataset(source)
            labels = Labels.of(dataset, shingles=chosen.near_duplicate is not None, threads=options.threads)
            search = search_again(source, dataset, labels, chosen, options)
            bars = Progress(progress)
            search_all(workspace, labels, lambda: search, bars)
            mine_all(workspace, labels, chosen, bars, options.threads)
    return Run.open(out)

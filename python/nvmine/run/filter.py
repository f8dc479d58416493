"""``filter_run``: another policy for a finished run, from the candidates and vectors that it keeps.

No text is encoded again. Queries whose kept candidates do not feed the new policy, and only those, are searched again
below their ceilings. The outcome is the run that :func:`nvmine.mine_dataset` would make with that policy, byte for
byte; files that both hold are one on the disk. Prefer :func:`nvmine.mine` for trying policies without keeping what
they give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Unpack

from nvmine.errors import RunError
from nvmine.inputs.numbers import thread_count
from nvmine.policy import Policy, PolicyFields
from nvmine.run.candidates.kept import prepared, search_again, stored_dataset, take_over
from nvmine.run.candidates.labels import Labels
from nvmine.run.progress import Progress
from nvmine.run.shards import mine_all, search_all
from nvmine.run.single import refuse_ceiling
from nvmine.run.store.folder import Run
from nvmine.run.store.manifest import Manifest
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
        `run` is no finished run, or a file of it has changed; it is an ensemble, or was judged: filter what it was made
        from. `out` holds something else. Or the installed BM25 is another than that of the run, and queries have to be
        searched again.
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
    if source.is_ensemble:
        raise RunError("is an ensemble; filter its members(), and put them together again", path=source.path)
    if "judge" in source.manifest.search:
        message = "was judged; filter the run that it was made from, and judge the outcome with known= this one"
        raise RunError(message, path=source.path)
    if policy is None:
        # What is not given stays as it is.
        fields = {**asdict(source.policy), **fields}  # type: ignore[typeddict-item]
    chosen = Policy.of(policy, fields)
    budget, threads = parse_memory(memory), thread_count(threads)
    old = source.manifest
    wanted = Manifest(data=old.data, teacher=old.teacher, search=old.search, policy=asdict(chosen))
    refuse_ceiling(wanted)
    with open_workspace(Path(out), wanted) as workspace:
        if not workspace.manifest.finished:
            take_over(workspace, source, prepared(source))
            dataset = stored_dataset(source)
            labels = Labels.of(dataset, shingles=chosen.near_duplicate is not None, threads=threads)
            search = search_again(source, dataset, labels, chosen, memory=budget, device=device, threads=threads)
            bars = Progress(progress)
            search_all(workspace, labels, lambda: search, bars)
            mine_all(workspace, labels, chosen, bars, threads)
    return Run.open(out)

"""``judge_run``: the negatives of a finished run, read by a judge, without those that answer their query after all.

A false negative is taken out and the next survivor takes its place, which is judged as well, until all that are left
are found to be negatives. Verdicts are written down one by one as they come, so that none is ever paid for twice.

Dropping or relabelling what a language model finds relevant is RLHN (arXiv 2505.16967): retrievers trained on such data
are better, and more so with the passages as positives than without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

import polars as pl
from nvmine.errors import PolicyError, RunError
from nvmine.files import read_table, table_writer
from nvmine.inputs.numbers import thread_count
from nvmine.negatives import Negatives
from nvmine.run.candidates.kept import prepared, search_again, stored_dataset, take_over
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.positives import with_positives
from nvmine.run.candidates.search import CandidateSearch
from nvmine.run.ensemble import ensemble_table, mine_members, take_over_members
from nvmine.run.progress import Progress
from nvmine.run.questions import Hearing
from nvmine.run.results import mine_candidates, negatives_name, results_table
from nvmine.run.shards import Totals, candidate_name
from nvmine.run.store.folder import VERDICTS, Run
from nvmine.run.store.manifest import Manifest, unnamed
from nvmine.run.store.workspace import Workspace, open_workspace, shard_ranges
from nvmine.search import parse_memory
from nvmine.teachers import Judge, OnRelevant

Int64Array = npt.NDArray[np.int64]


def judge_run(
    run: Run | str | Path,
    judge: Judge,
    *,
    out: str | Path,
    on_relevant: OnRelevant = "drop",
    known: Sequence[Run | str | Path] = (),
    memory: str | int = "1G",
    device: str | Sequence[str] | None = None,
    threads: int | None = None,
    progress: bool | None = None,
) -> Run:
    """Has the negatives of a finished run judged, and replaces those that are none.

    Parameters
    ----------
    run
        The run, or its folder; an ensemble too. It is not changed.
    judge
        Who is asked: a :class:`nvmine.teachers.ChatJudge`, a :class:`nvmine.teachers.CallableJudge`, or what has their
        ``ask`` and ``describe``.
    out
        The folder of the new run: new, empty, or of the same work, which is then continued; nothing that was answered
        is asked again.
    on_relevant
        What becomes of passages that are found relevant, beside never being a negative. ``drop``: nothing.
        ``relabel``: they are positives in :meth:`Run.qrels` and :meth:`Run.dataset`.
    known
        Judged runs of the same data by the same judge, whose verdicts count here.
    memory, device, threads, progress
        As in :func:`nvmine.mine_dataset`, for queries that are searched again. Those of an ensemble are not: what its
        members have kept has to do.

    Returns
    -------
    Run
        The new run, whole, every negative of which was judged. Its verdicts are :meth:`Run.verdicts`.

    Raises
    ------
    RunError
        A run is not finished, has changed, or was judged by another judge; `out` holds something else.
    TeacherError
        The judge failed, or its cap is reached; the same call continues.
    PolicyError
        An option is wrong.

    Examples
    --------
    >>> from nvmine.teachers import ChatJudge
    >>> judge = ChatJudge("gpt-4.1-mini", base_url="https://api.openai.com/v1")  # doctest: +SKIP
    >>> nvmine.judge_run("run", judge, out="judged", on_relevant="relabel")  # doctest: +SKIP
    """
    if on_relevant not in get_args(OnRelevant):
        raise PolicyError(f"must be drop or relabel, not {on_relevant!r}", argument="on_relevant")
    source = run if isinstance(run, Run) else Run.open(run)
    budget, threads = parse_memory(memory), thread_count(threads)
    if "judge" in source.manifest.search:
        message = "was judged already; judge the run that it was made from, with known= this one"
        raise RunError(message, path=source.path)
    described = judge.describe()
    earlier = _known(known, source, described)
    old = source.manifest
    how = {"judge": described, "on_relevant": on_relevant}
    wanted = Manifest(data=old.data, teacher=old.teacher, search=old.search | how, policy=old.policy)
    with open_workspace(Path(out), wanted) as workspace:
        if not workspace.manifest.finished:
            members = source.members()
            dataset = stored_dataset(source.teachers()[0])
            hearing = Hearing(judge, dataset, workspace, earlier)
            near = [each.policy.near_duplicate for each in source.teachers()]
            labels = Labels.of(dataset, shingles=near.count(None) < len(near), threads=threads)
            if members:
                take_over_members(workspace, members)
                mine = _mine_ensemble(source, labels, hearing.relevant, threads)
            else:
                take_over(workspace, source, prepared(source))
                search = search_again(
                    source,
                    dataset,
                    labels,
                    source.policy,
                    relevant=hearing.relevant,
                    memory=budget,
                    device=device,
                    threads=threads,
                )
                mine = _mine_single(source, labels, search, threads)
            with hearing.opened():
                _judge_all(workspace, source, labels, mine, hearing, Progress(progress))
    return Run.open(out)


def _known(runs: Sequence[Run | str | Path], source: Run, judge: Mapping[str, Any]) -> list[pl.DataFrame]:
    """The verdicts of other runs."""
    tables = []
    for each in runs:
        run = each if isinstance(each, Run) else Run.open(each)
        if unnamed(run.manifest.search.get("judge", {})) != unnamed(judge):
            raise RunError("has no verdicts by this judge, with this prompt", path=run.path)
        if run.manifest.data["digests"] != source.manifest.data["digests"]:
            raise RunError(f"was mined from other data than {source.path}", path=run.path)
        tables.append(run.verdicts())
    return tables


Mine = Callable[[int, Int64Array], tuple[list[pl.DataFrame], Negatives]]
"""The candidates of a shard of queries, a table a teacher, and their negatives, by what is known to be relevant."""


def _judge_all(workspace: Workspace, source: Run, labels: Labels, mine: Mine, hearing: Hearing, bars: Progress) -> None:
    """Writes the results of every query when all its negatives are judged, then the verdicts and the totals."""
    passage_ids = pl.Series(hearing.dataset.passage_ids, dtype=pl.String)
    names = [member.path.name for member in source.members()]
    totals = Totals(source.n)
    with bars.bar("judging", labels.queries) as bar, bars.bar("questions", 0) as questions:
        for number, rows in shard_ranges(labels.queries):
            tables, negatives = _settled(number, rows, labels, mine, hearing, questions.update)
            candidates, results = candidate_name(workspace, number), negatives_name(number)
            if not (source.is_ensemble or workspace.has(candidates)):
                workspace.commit(candidates, len(rows), table_writer(tables[0]))
            tables = with_positives(tables)
            if not workspace.has(results):
                if source.is_ensemble:
                    table = ensemble_table(tables, negatives, passage_ids, names)
                else:
                    table = results_table(tables[0], negatives, passage_ids, source.manifest.teacher_name)
                workspace.commit(results, table.height, table_writer(table))
            totals.add(tables[0].height, negatives)
            bar.update(len(rows))
    if not workspace.has(VERDICTS):
        verdicts = hearing.table()
        workspace.commit(VERDICTS, verdicts.height, table_writer(verdicts))
    hearing.close()
    workspace.finish(totals.counts)


def _settled(
    number: int, rows: range, labels: Labels, mine: Mine, hearing: Hearing, done: Callable[[int], object]
) -> tuple[list[pl.DataFrame], Negatives]:
    """The negatives of a shard of queries, none of which is found relevant."""
    while True:
        tables, negatives = mine(number, np.arange(rows.start, rows.stop))
        query_ids = with_positives(tables)[0]["query_id"]
        queries = np.array([labels.places[name] for name in query_ids], np.int64)[negatives.queries]
        held = negatives.held
        pairs = zip(np.repeat(queries, negatives.counts).tolist(), negatives.ids[held].tolist(), strict=True)
        if not hearing.ask(list(pairs), done):
            return tables, negatives


def _mine_single(source: Run, labels: Labels, search: CandidateSearch, threads: int | None) -> Mine:
    def mine(_: int, rows: Int64Array) -> tuple[list[pl.DataFrame], Negatives]:
        table = search.table(rows, lambda _: None)
        (told,) = with_positives([table])
        return [table], mine_candidates(told, labels, source.policy, threads)

    return mine


def _mine_ensemble(source: Run, labels: Labels, relevant: Mapping[str, Sequence[int]], threads: int | None) -> Mine:
    members = source.members()

    def mine(number: int, _: Int64Array) -> tuple[list[pl.DataFrame], Negatives]:
        tables = []
        for member in members:
            table = read_table(member.files("candidates/")[number])
            more = pl.Series("more", [relevant.get(name, []) for name in table["query_id"]], pl.List(pl.Int64))
            tables.append(table.with_columns(pl.concat_list("excluded", more).alias("excluded")))
        return tables, mine_members(with_positives(tables), members, labels, source.manifest.policy, threads)

    return mine

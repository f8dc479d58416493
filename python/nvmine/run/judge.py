"""``judge_run``: a judge reads the negatives of a finished run, and those that answer their query are replaced.

A false negative is taken out, and the next survivor takes its place and is judged as well, until every negative that is
left was found to be one. Verdicts are written down one by one as they come, so that none is ever paid for twice.

Dropping or relabelling what a language model finds relevant is RLHN (arXiv 2505.16967): retrievers that train on such
data are better, more so if the passages become positives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from nvmine.errors import PolicyError, RunError
from nvmine.files import read_table, table_writer
from nvmine.inputs.numbers import thread_count
from nvmine.inputs.rows import Rows, offsets_of
from nvmine.judges import Judge, OnRelevant
from nvmine.negatives import Negatives
from nvmine.run.backends import SearchOptions
from nvmine.run.candidates.block import CandidateBlock, joined
from nvmine.run.candidates.kept import search_again
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.search import CandidateSearch
from nvmine.run.ensemble import mine_members, read_blocks, take_over_members, with_positives
from nvmine.run.progress import Progress
from nvmine.run.questions import JudgeSession
from nvmine.run.results import ensemble_table, results_table
from nvmine.run.shards import Results, candidates_name, write_candidates, write_results
from nvmine.run.store.folder import VERDICTS, Run
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.records import unnamed
from nvmine.run.store.texts import stored_dataset
from nvmine.run.store.workspace import PASSAGES, Workspace, open_workspace
from nvmine.search import parse_memory

Int64Array = npt.NDArray[np.int64]
Mine = Callable[[int, Int64Array], tuple[list[CandidateBlock], Negatives]]
"""Returns the candidates of a shard of queries, a block a teacher, and the negatives given what is known relevant."""


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
    """Has the negatives of a finished run judged, and replaces the ones that turn out to be relevant.

    Parameters
    ----------
    run
        The run, or its folder; it may be an ensemble. It is not changed.
    judge
        A :class:`nvmine.judges.ChatJudge`, a :class:`nvmine.judges.CallableJudge`, or an object with their ``ask`` and
        ``describe``.
    out
        The folder of the new run: new, empty, or of the same work, which is then continued; no question that was
        answered is asked again.
    on_relevant
        What happens to passages that are found relevant, which never stay negatives: ``drop`` leaves it at that,
        ``relabel`` makes them positives in :meth:`Run.qrels` and :meth:`Run.dataset`.
    known
        Runs of the same data that the same judge has judged, whose verdicts are used.
    memory, device, threads, progress
        As in :func:`nvmine.mine_dataset`, for queries that are searched again. An ensemble is not searched again: only
        the candidates that its members have kept can replace a negative.

    Returns
    -------
    Run
        The new run, complete in itself, all of whose negatives were judged. :meth:`Run.verdicts` lists the verdicts.

    Raises
    ------
    RunError
        A run is not finished, has changed, or was judged by another judge; or `out` holds something else.
    TeacherError
        The judge failed, or its cap is reached; the same call continues.
    PolicyError
        An option is wrong.

    Examples
    --------
    >>> import nvmine
    >>> from nvmine.judges import CallableJudge
    >>> judge = CallableJudge("repeats the query", lambda asked: asked.query in asked.passage)
    >>> judged = nvmine.judge_run("run", judge, out="judged", on_relevant="relabel")
    >>> int(judged.verdicts()["relevant"].sum())
    0
    """
    if on_relevant not in get_args(OnRelevant):
        raise PolicyError(f"must be drop or relabel, not {on_relevant!r}", argument="on_relevant")
    source = Run.of(run)
    options = SearchOptions(parse_memory(memory), device, thread_count(threads))
    if source.is_judged:
        message = "was judged already; judge the run that it was made from, with known= this one"
        raise RunError(message, path=source.path)
    described = judge.describe()
    earlier = _verdicts(known, source, described)
    old = source.manifest
    search = replace(old.search, judge=described, on_relevant=on_relevant)
    wanted = Manifest(data=old.data, teacher=old.teacher, search=search, policy=old.policy)
    with open_workspace(Path(out), wanted) as workspace:
        if not workspace.manifest.finished:
            dataset = stored_dataset(source.teachers()[0])
            session = JudgeSession(judge, dataset, workspace, earlier)
            compares_texts = any(each.policy.near_duplicate is not None for each in source.teachers())
            labels = Labels.of(dataset, shingles=compares_texts, threads=options.threads)
            if source.is_ensemble:
                take_over_members(workspace, source.members())
                mine = _mine_ensemble(source, labels, session.relevant, options.threads)
            else:
                workspace.take_over(source.path, source.reusable())
                again = search_again(source, dataset, labels, source.policy, options, relevant=session.relevant)
                mine = _mine_single(source, labels, again, options.threads)
            with session.opened():
                _judge_all(workspace, source, labels, mine, session, Progress(progress))
    return Run.open(out)


def _verdicts(runs: Sequence[Run | str | Path], source: Run, judge: Mapping[str, Any]) -> list[pl.DataFrame]:
    """Reads the verdicts of other runs by the same judge."""
    tables = []
    for run in map(Run.of, runs):
        if unnamed(run.manifest.search.judge or {}) != unnamed(judge):
            raise RunError("has no verdicts by this judge, with this prompt", path=run.path)
        source.require_same_data(run)
        tables.append(run.verdicts())
    return tables


def _judge_all(
    workspace: Workspace, source: Run, labels: Labels, mine: Mine, session: JudgeSession, bars: Progress
) -> None:
    """Writes the results of every query once all its negatives are judged, then the verdicts and the totals."""
    passage_ids = read_table(workspace.root / PASSAGES)["passage_id"]
    names = [member.path.name for member in source.members()]

    def mine_shard(number: int, rows: Int64Array) -> Results:
        blocks, negatives = _judged(number, rows, mine, session, questions.update)
        if not (source.is_ensemble or workspace.has(candidates_name(workspace, number))):
            write_candidates(workspace, number, blocks[0], labels)
        kept = with_positives(blocks)

        def table() -> pl.DataFrame:
            if source.is_ensemble:
                return ensemble_table(kept, labels, negatives, passage_ids, names)
            return results_table(kept[0], labels, negatives, passage_ids, source.manifest.teacher.name)

        return Results(len(kept[0]), negatives, table)

    with bars.bar("questions", 0) as questions:
        totals = write_results(workspace, labels, mine_shard, bars, "judging")
    if not workspace.has(VERDICTS):
        verdicts = session.table()
        workspace.commit(VERDICTS, verdicts.height, table_writer(verdicts))
    session.close()
    workspace.finish(totals)


def _judged(
    number: int, rows: Int64Array, mine: Mine, session: JudgeSession, done: Callable[[int], object]
) -> tuple[list[CandidateBlock], Negatives]:
    """Mines a shard of queries again and again, until none of the negatives is found relevant."""
    while True:
        blocks, negatives = mine(number, rows)
        queries = with_positives(blocks)[0].rows[negatives.queries]
        passages = negatives.ids[negatives.held]
        pairs = zip(np.repeat(queries, negatives.counts).tolist(), passages.tolist(), strict=True)
        if not session.ask(list(pairs), done):
            return blocks, negatives


def _mine_single(source: Run, labels: Labels, search: CandidateSearch, threads: int | None) -> Mine:
    def mine(_: int, rows: Int64Array) -> tuple[list[CandidateBlock], Negatives]:
        block = search.block(rows)
        (kept,) = with_positives([block])
        return [block], kept.mine(labels, source.policy, threads)

    return mine


def _mine_ensemble(source: Run, labels: Labels, relevant: Mapping[int, Sequence[int]], threads: int | None) -> Mine:
    members = source.members()

    def mine(number: int, rows: Int64Array) -> tuple[list[CandidateBlock], Negatives]:
        found = [relevant.get(row, []) for row in rows.tolist()]
        lengths = np.array([len(passages) for passages in found], np.int64)
        more = Rows(np.array([one for passages in found for one in passages], np.int64), None, offsets_of(lengths))
        blocks = [
            replace(block, excluded=joined([block.excluded, more])) for block in read_blocks(members, number, rows)
        ]
        return blocks, mine_members(with_positives(blocks), members, labels, source.manifest.policy, threads)

    return mine

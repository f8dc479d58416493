"""Ensembles: a whole run for each teacher in a folder of its own, and their negatives combined.

A member is an ordinary run, with its vectors and candidates, under ``teachers/``. Its folder is named by what the
teacher is. Another teacher can therefore be added, or the order changed, without touching the members: they are found
again, and only the ensemble's own files are made anew.

After NV-Retriever (arXiv 2407.15831v2, Table 2); :func:`nvmine.ensemble` is the rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nvmine.ensemble import Duplicates, How, ensemble
from nvmine.errors import PolicyError, ScoreError
from nvmine.files import read_table
from nvmine.inputs.numbers import thread_count, whole_number
from nvmine.mining import mine
from nvmine.negatives import Negatives
from nvmine.run.candidates.block import CandidateBlock, joined
from nvmine.run.candidates.labels import Labels
from nvmine.run.progress import Progress
from nvmine.run.results import ensemble_table, teachers_of
from nvmine.run.shards import Results, write_results
from nvmine.run.single import Work
from nvmine.run.store.folder import MEMBERS, Run
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.records import SearchRecord, TeacherRecord
from nvmine.run.store.storage import inside
from nvmine.run.store.texts import store_texts, stored_dataset
from nvmine.run.store.workspace import PASSAGES, TEXTS, Workspace, open_workspace
from nvmine.teachers import Teacher

Int64Array = npt.NDArray[np.int64]


def mine_ensemble(work: Work, teachers: Sequence[Teacher], out: Path, *, how: How, duplicates: Duplicates) -> Run:
    """Mines with each of the teachers, best first, into one folder, and combines their negatives."""
    manifests = [work.manifest(teacher) for teacher in teachers]
    wanted = _manifest(manifests, how, duplicates, work.policy.n, work.policy.seed)
    with open_workspace(out, wanted, supersedes=_extends) as workspace:
        members = [work.mine(teacher, folder) for teacher, folder in zip(teachers, _folders(workspace), strict=True)]
        store_texts(workspace, work.dataset)
        if not workspace.manifest.finished:
            _combine(workspace, members, work.labels, work.bars, work.options.threads)
    return Run.open(out)


def ensemble_runs(
    runs: Sequence[Run | str | Path],
    *,
    out: str | Path,
    how: How = "intra",
    duplicates: Duplicates = "keep",
    n: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | None = None,
) -> Run:
    """Combines the negatives of finished runs of the same data in a new run.

    Parameters
    ----------
    runs
        Runs or their folders, that of the most accurate teacher first. An ensemble takes part by its members. The runs
        are not changed, and files that they share with the new run take up disk space once.
    out
        The folder of the new run: new, empty, of the same work, or of an ensemble of some of these teachers, which is
        then extended.
    how, duplicates, seed
        As in :func:`nvmine.ensemble`.
    n
        Negatives per query. Default: those of the first run.
    threads, progress
        As in :func:`nvmine.mine_dataset`.

    Returns
    -------
    Run
        The ensemble, complete in itself. Instead of `teacher` and `positive_score` its results have the columns
        `negative_teachers`, the teacher of each negative, and `positive_scores`, the positive's score by that teacher.

    Raises
    ------
    RunError
        A run is not finished, was mined from other data, or has changed; or `out` holds something else.
    PolicyError
        There are fewer than two teachers, two are the same, or an option is wrong.

    Examples
    --------
    >>> import nvmine
    >>> both = nvmine.ensemble_runs(["e5", "bm25"], out="both", how="intra", duplicates="replace")
    >>> [member.manifest.teacher.name for member in both.members()]
    ['e5', 'bm25']
    """
    sources = [member for run in runs for member in Run.of(run).taking_part()]
    if len(sources) < 2:
        raise PolicyError(f"an ensemble needs at least two teachers, not {len(sources)}", argument="runs")
    first, out = sources[0], Path(out)
    for source in sources[1:]:
        first.require_same_data(source)
    wanted_n = first.n if n is None else whole_number("n", n, np.iinfo(np.int32).max)
    wanted = _manifest([source.manifest.unmined() for source in sources], how, duplicates, wanted_n, seed)
    threads = thread_count(threads)
    with open_workspace(out, wanted, supersedes=_extends) as workspace:
        members = take_over_members(workspace, sources)
        if not workspace.manifest.finished:
            shingles = any(member.policy.near_duplicate is not None for member in members)
            labels = Labels.of(stored_dataset(first), shingles=shingles, threads=threads)
            _combine(workspace, members, labels, Progress(progress), threads)
    return Run.open(out)


def member_folder(manifest: Manifest) -> str:
    """Returns the name of a teacher's folder: its name, and the start of a digest of the teacher and its rescorer."""
    identity = manifest.identity()
    told = json.dumps([identity["teacher"], *filter(None, [identity["search"].get("rescorer")])], sort_keys=True)
    return f"{manifest.folder_name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def _manifest(members: Sequence[Manifest], how: How, duplicates: Duplicates, n: int, seed: int) -> Manifest:
    """Returns the manifest of an ensemble, without files.

    Raises
    ------
    PolicyError
        Two members are the same teacher, or each keeps pairs of its own.
    """
    # A wrong rule is refused before any work is done, by combining nothing.
    nothing = mine(np.zeros((0, 1), np.float32), np.zeros(0, np.float32), n=1)
    ensemble([nothing], how=how, duplicates=duplicates, n=n, seed=seed)
    folders = [member_folder(member) for member in members]
    if len(set(folders)) < len(folders):
        twice = next(name for name in folders if folders.count(name) > 1)
        raise PolicyError(f"{twice!r} is given twice; an ensemble has different teachers", argument="teacher")
    anchors = {member.policy["anchor"] == "each" for member in members}
    drops_pairs = any(member.search.consistency is not None for member in members)
    if len(anchors) > 1 or (True in anchors and drops_pairs):
        message = "with anchor='each' every teacher must have it, and none may drop pairs by consistency"
        raise PolicyError(message, argument="anchor")
    return Manifest(
        data=members[0].data,
        teacher=TeacherRecord.of_ensemble(dict(zip(folders, (member.teacher for member in members), strict=True))),
        search=SearchRecord(members=tuple(member.search for member in members)),
        policy={
            "how": how,
            "duplicates": duplicates,
            "n": n,
            "seed": seed,
            "members": [member.policy for member in members],
        },
    )


def _folders(workspace: Workspace) -> list[Path]:
    return [inside(workspace.root, f"{MEMBERS}/{name}") for name in workspace.manifest.teacher.folders]


def _extends(wanted: Manifest, present: Manifest) -> bool:
    """Tells whether the wanted ensemble has all members of the present one, with the same data."""
    new, old = wanted.identity(), present.identity()
    if not present.teacher.is_ensemble or present.search.judge is not None or new["data"] != old["data"]:
        return False
    members = [
        list(zip(each["teacher"]["members"], each["search"]["members"], each["policy"]["members"], strict=True))
        for each in (new, old)
    ]
    return new["nvmine_version"] == old["nvmine_version"] and all(member in members[0] for member in members[1])


def take_over_members(workspace: Workspace, sources: Sequence[Run]) -> list[Run]:
    """Makes finished runs the members of an ensemble, which takes over their texts too."""
    members = [_take_over(source, folder) for source, folder in zip(sources, _folders(workspace), strict=True)]
    workspace.take_over(members[0].path, (members[0].manifest.shards[name] for name in TEXTS))
    return members


def _take_over(source: Run, folder: Path) -> Run:
    """Makes a finished run a member: its files get a second name."""
    with open_workspace(folder, source.manifest.unmined()) as workspace:
        if not workspace.manifest.finished:
            workspace.take_over(source.path, source.manifest.shards.values())
            workspace.finish(source.manifest.audit or {})
    return Run.open(folder)


def _combine(workspace: Workspace, members: Sequence[Run], labels: Labels, bars: Progress, threads: int | None) -> None:
    """Writes the ensemble's own files."""
    passage_ids = read_table(workspace.root / PASSAGES)["passage_id"]
    names = [member.path.name for member in members]

    def mine_shard(number: int, rows: Int64Array) -> Results:
        blocks = with_positives(read_blocks(members, number, rows))
        if members[0].policy.anchor == "each":
            _check_pairs(blocks, labels, names)
        both = mine_members(blocks, members, labels, workspace.manifest.policy, threads)
        return Results(len(blocks[0]), both, lambda: ensemble_table(blocks, labels, both, passage_ids, names))

    workspace.finish(write_results(workspace, labels, mine_shard, bars, "ensemble"))


def read_blocks(members: Sequence[Run], number: int, rows: Int64Array) -> list[CandidateBlock]:
    """Reads each member's candidates of a shard of queries."""
    return [CandidateBlock.of_table(read_table(member.files("candidates/")[number]), rows) for member in members]


def with_positives(blocks: Sequence[CandidateBlock]) -> list[CandidateBlock]:
    """Keeps the queries with a positive: the most accurate teacher decides which pairs stay."""
    places = np.flatnonzero(blocks[0].has_positive)
    return [block.take(places) for block in blocks]


def _check_pairs(blocks: Sequence[CandidateBlock], labels: Labels, names: Sequence[str]) -> None:
    """Refuses teachers with results for other positives, where each positive has its own."""
    for block, name in zip(blocks, names, strict=True):
        other = np.flatnonzero(block.pos_kept != blocks[0].pos_kept)
        if other.size:
            row = block.rows[block.positives.row_of()[other[0]]]
            message = f"{name} has scores for other positives than {names[0]}; use another anchor than 'each'"
            raise ScoreError(message, query=labels.query_ids[row])


def mine_members(
    blocks: Sequence[CandidateBlock],
    members: Sequence[Run],
    labels: Labels,
    rule: Mapping[str, Any],
    threads: int | None,
) -> Negatives:
    """Combines the negatives of several teachers, given their candidates; passages with the same text are one passage.

    A passage that counts as a positive for one teacher is not a negative of any.
    """
    excluded = joined([block.excluded for block in blocks])
    mined = [
        replace(block, excluded=excluded).mine(labels, member.policy, threads)
        for block, member in zip(blocks, members, strict=True)
    ]
    classes = labels.classes
    of_class = [replace(each, ids=np.where(each.ids >= 0, classes[each.ids], -1)) for each in mined]
    options = {name: rule[name] for name in ("how", "duplicates", "n", "seed")}
    both = ensemble(of_class, query_ids=labels.keys[blocks[0].rows], threads=threads, **options)
    ids, teachers = np.full_like(both.ids, -1), teachers_of(both)
    for place, (each, its) in enumerate(zip(mined, of_class, strict=True)):
        # The place in the teacher's own row of the passage that it gave.
        found = (its.ids[:, None, :] == both.ids[:, :, None]).argmax(axis=2)
        ids = np.where(teachers == place, np.take_along_axis(each.ids, found, axis=1), ids)
    return replace(both, ids=ids)

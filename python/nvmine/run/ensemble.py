"""Several teachers' runs as one: each whole in a folder of its own, and their negatives put together.

A member is an ordinary run, with its vectors and candidates, under ``teachers/``. Its folder is named by what the
teacher is, so that another teacher can be added, or the order changed, without touching what is there: the same members
are found again, and only the ensemble's own files are made anew.

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

import polars as pl
from nvmine.ensemble import Duplicates, How, ensemble
from nvmine.errors import InternalError, PolicyError, RunError, ScoreError
from nvmine.files import read_table, table_writer
from nvmine.inputs.numbers import thread_count, whole_number
from nvmine.mining import mine
from nvmine.negatives import Negatives
from nvmine.run.backends import Teacher
from nvmine.run.candidates.kept import stored_dataset, take_over
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.positives import with_positives
from nvmine.run.progress import Progress
from nvmine.run.results import Pairs, mine_candidates, negatives_name
from nvmine.run.shards import Totals
from nvmine.run.single import Work
from nvmine.run.store.folder import MEMBERS, Run
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.storage import inside
from nvmine.run.store.texts import store_texts
from nvmine.run.store.workspace import TEXTS, Workspace, open_workspace, shard_ranges

_NOTHING = mine(np.zeros((0, 1), np.float32), np.zeros(0, np.float32), n=1)


def mine_ensemble(work: Work, tutors: Sequence[Teacher], out: Path, *, how: How, duplicates: Duplicates) -> Run:
    """Mines with each of the teachers, best first, into one folder, and puts their negatives together."""
    manifests = [work.manifest(tutor) for tutor in tutors]
    wanted = _manifest(manifests, how, duplicates, work.policy.n, work.policy.seed)
    with open_workspace(out, wanted, supersedes=_adds_to) as workspace:
        members = [work.mine(tutor, folder) for tutor, folder in zip(tutors, _folders(workspace), strict=True)]
        store_texts(workspace, work.dataset)
        if not workspace.manifest.finished:
            _combine(workspace, members, work.labels, work.bars, work.threads)
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
    """Puts the negatives of finished runs of the same data together, in a run of their own.

    Parameters
    ----------
    runs
        Runs or their folders, the most accurate teacher's first. Of an ensemble, its members take part. They are not
        changed; files that both hold take their place on the disk once.
    out
        The folder of the new run: new, empty, of the same work, or of an ensemble of fewer of these teachers, which is
        then made anew from what is there.
    how, duplicates, seed
        As in :func:`nvmine.ensemble`.
    n
        Negatives per query. Default: those of the first run.
    threads, progress
        As in :func:`nvmine.mine_dataset`.

    Returns
    -------
    Run
        The ensemble, whole. Beside the columns of other runs it has `negative_teachers`, who gave each negative, and
        `positive_scores`, the positive's score by that teacher, instead of `teacher` and `positive_score`.

    Raises
    ------
    RunError
        A run is not finished, was mined from other data, or has changed; `out` holds something else.
    PolicyError
        There are fewer than two teachers, two are the same, or an option is wrong.

    Examples
    --------
    >>> nvmine.ensemble_runs(["e5", "bm25"], out="both", how="intra", duplicates="replace")  # doctest: +SKIP
    """
    opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
    sources = [member for run in opened for member in run.taking_part()]
    if len(sources) < 2:
        raise PolicyError(f"an ensemble needs at least two teachers, not {len(sources)}", argument="runs")
    first, out = sources[0], Path(out)
    for source in sources[1:]:
        if source.manifest.data["digests"] != first.manifest.data["digests"]:
            message = f"was mined from other data than {first.path}; an ensemble is of one data set"
            raise RunError(message, path=source.path)
    wanted_n = first.n if n is None else whole_number("n", n, np.iinfo(np.int32).max)
    wanted = _manifest([_unmined(source.manifest) for source in sources], how, duplicates, wanted_n, seed)
    threads = thread_count(threads)
    with open_workspace(out, wanted, supersedes=_adds_to) as workspace:
        members = take_over_members(workspace, sources)
        if not workspace.manifest.finished:
            shingles = any(member.policy.near_duplicate is not None for member in members)
            labels = Labels.of(stored_dataset(first), shingles=shingles, threads=threads)
            _combine(workspace, members, labels, Progress(progress), threads)
    return Run.open(out)


def member_folder(manifest: Manifest) -> str:
    """What a teacher's folder is called: its name, and the start of a digest of it and of its rescorer."""
    identity = manifest.identity()
    told = json.dumps([identity["teacher"], *filter(None, [identity["search"].get("rescorer")])], sort_keys=True)
    return f"{manifest.folder_name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def _manifest(members: Sequence[Manifest], how: How, duplicates: Duplicates, n: int, seed: int) -> Manifest:
    """The manifest of an ensemble, without files.

    Raises
    ------
    PolicyError
        Two members are the same teacher, or each keeps pairs of its own.
    """
    # Refuses what is no rule before any work.
    ensemble([_NOTHING], how=how, duplicates=duplicates, n=n, seed=seed)
    folders = [member_folder(member) for member in members]
    if len(set(folders)) < len(folders):
        twice = next(name for name in folders if folders.count(name) > 1)
        raise PolicyError(f"{twice!r} is there twice; an ensemble is of different teachers", argument="teacher")
    anchors = {member.policy["anchor"] == "each" for member in members}
    if len(anchors) > 1 or (True in anchors and any("consistency" in member.search for member in members)):
        message = "with anchor='each' every teacher must have it, and none may drop pairs by consistency"
        raise PolicyError(message, argument="anchor")
    return Manifest(
        data=members[0].data,
        teacher={
            "kind": "ensemble",
            "name": "+".join(member.teacher_name for member in members),
            "members": [member.teacher for member in members],
            "folders": folders,
        },
        search={"members": [member.search for member in members]},
        policy={
            "how": how,
            "duplicates": duplicates,
            "n": n,
            "seed": seed,
            "members": [member.policy for member in members],
        },
    )


def _folders(workspace: Workspace) -> list[Path]:
    return [inside(workspace.root, f"{MEMBERS}/{name}") for name in workspace.manifest.teacher["folders"]]


def _unmined(manifest: Manifest) -> Manifest:
    return Manifest(manifest.data, manifest.teacher, manifest.search, manifest.policy)


def _adds_to(wanted: Manifest, there: Manifest) -> bool:
    """Whether an ensemble is wanted of the teachers of another and more, or of the same ones otherwise."""
    new, old = wanted.identity(), there.identity()
    if there.teacher.get("kind") != "ensemble" or "judge" in there.search or new["data"] != old["data"]:
        return False
    members = [
        list(zip(each["teacher"]["members"], each["search"]["members"], each["policy"]["members"], strict=True))
        for each in (new, old)
    ]
    return new["nvmine_version"] == old["nvmine_version"] and all(member in members[0] for member in members[1])


def take_over_members(workspace: Workspace, sources: Sequence[Run]) -> list[Run]:
    """Makes finished runs the members of an ensemble; texts become its own too."""
    members = [_take_over(source, folder) for source, folder in zip(sources, _folders(workspace), strict=True)]
    take_over(workspace, members[0], TEXTS)
    return members


def _take_over(source: Run, folder: Path) -> Run:
    """Makes a finished run a member: its files get a second name."""
    with open_workspace(folder, _unmined(source.manifest)) as workspace:
        if not workspace.manifest.finished:
            take_over(workspace, source, source.manifest.shards)
            workspace.finish(source.manifest.audit or {})
    return Run.open(folder)


def _combine(workspace: Workspace, members: Sequence[Run], labels: Labels, bars: Progress, threads: int | None) -> None:
    """Writes the ensemble's own files."""
    passage_ids = members[0].passages().select("passage_id").collect().to_series()
    names = [member.path.name for member in members]
    totals = Totals(workspace.manifest.policy["n"])
    with bars.bar("ensemble", labels.queries) as bar:
        for number, rows in shard_ranges(labels.queries):
            tables = [read_table(member.files("candidates/")[number]) for member in members]
            # The most accurate teacher says which pairs stay.
            tables = with_positives(tables)
            if members[0].policy.anchor == "each":
                _check_pairs(tables, names)
            both = mine_members(tables, members, labels, workspace.manifest.policy, threads)
            name = negatives_name(number)
            if not workspace.has(name):
                table = ensemble_table(tables, both, passage_ids, names)
                workspace.commit(name, table.height, table_writer(table))
            totals.add(tables[0].height, both)
            bar.update(len(rows))
    workspace.finish(totals.counts)


def _check_pairs(tables: Sequence[pl.DataFrame], names: Sequence[str]) -> None:
    """Refuses teachers that have results for other positives, where each has its own."""
    for table, name in zip(tables, names, strict=True):
        other = (table["pos_kept"] != tables[0]["pos_kept"]).arg_true()
        if len(other):
            query = table["query_id"][other[0]]
            message = f"{name} has scores for other positives than {names[0]}; use another anchor than 'each'"
            raise ScoreError(message, query=query)


def mine_members(
    tables: Sequence[pl.DataFrame],
    members: Sequence[Run],
    labels: Labels,
    rule: Mapping[str, Any],
    threads: int | None,
) -> Negatives:
    """The negatives of several teachers as one, from their candidates; passages with the same text are the same one.

    What passes for a positive by one of them is no negative of any.
    """
    excluded = pl.select(pl.concat_list([table["excluded"] for table in tables]).alias("excluded")).to_series()
    mined = [
        mine_candidates(table.with_columns(excluded), labels, member.policy, threads)
        for table, member in zip(tables, members, strict=True)
    ]
    classes = labels.classes
    of_class = [replace(each, ids=np.where(each.ids >= 0, classes[each.ids], -1)) for each in mined]
    options = {name: rule[name] for name in ("how", "duplicates", "n", "seed")}
    both = ensemble(of_class, query_ids=tables[0]["query_id"], threads=threads, **options)
    ids, givers = np.full_like(both.ids, -1), _givers(both)
    for place, (each, its) in enumerate(zip(mined, of_class, strict=True)):
        # Where in its own row the teacher has the passage that it gave.
        found = (its.ids[:, None, :] == both.ids[:, :, None]).argmax(axis=2)
        ids = np.where(givers == place, np.take_along_axis(each.ids, found, axis=1), ids)
    return replace(both, ids=ids)


def ensemble_table(
    tables: Sequence[pl.DataFrame], negatives: Negatives, passage_ids: pl.Series, names: Sequence[str]
) -> pl.DataFrame:
    """Results with a row a (query, positive) pair, as those of one teacher but for who gave what.

    Columns: `query_id`, `positive_id`, `negative_ids`, `negative_scores`, `negative_teachers`, `positive_scores` (the
    positive's score by the teacher of each negative, null where it has none), `candidates`, `rejected`.
    """
    pairs = Pairs.of(tables[0], negatives)
    kept = tables[0]["pos_kept"].explode(empty_as_null=False).to_numpy()
    # A column a teacher, a row a pair.
    scores = np.stack([table["pos_scores"].explode(empty_as_null=False).to_numpy()[kept] for table in tables], axis=1)
    givers = _givers(negatives)[pairs.results]
    of_positive = np.take_along_axis(scores, np.maximum(givers, 0), axis=1)
    named = pl.Series(names, dtype=pl.String)
    return pl.DataFrame(
        [
            *pairs.names(tables[0], passage_ids),
            *pairs.negatives(negatives, passage_ids),
            pairs.lists("negative_teachers", negatives, lambda held: named.gather(givers[held])),
            pairs.lists("positive_scores", negatives, lambda held: pl.Series(of_positive[held]).fill_nan(None)),
            *pairs.account(negatives),
        ]
    )


def _givers(negatives: Negatives) -> npt.NDArray[np.int64]:
    if negatives.teachers is None:
        raise InternalError("an ensemble does not say who gave what; please report this")
    return negatives.teachers

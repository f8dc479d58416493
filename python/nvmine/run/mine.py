"""``mine_dataset``: texts in, a run out."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any, Unpack

from nvmine.data import open_dataset
from nvmine.ensemble import Duplicates, How
from nvmine.errors import PolicyError, SearchError
from nvmine.inputs.numbers import thread_count
from nvmine.policy import Policy, PolicyFields, takes_policy_fields
from nvmine.run.backends import SearchOptions
from nvmine.run.candidates.search import RelabelRules
from nvmine.run.ensemble import mine_ensemble
from nvmine.run.progress import Progress
from nvmine.run.single import Work
from nvmine.run.store.folder import Run
from nvmine.search import FaissOptions, parse_memory
from nvmine.teachers import CrossEncoderTeacher, Rescorer, Teacher, open_teacher


@takes_policy_fields
def mine_dataset(
    data: Any,
    *,
    out: str | Path,
    teacher: str | Teacher | Sequence[str | Teacher] = "bm25",
    how: How = "intra",
    duplicates: Duplicates = "keep",
    split: str = "train",
    query_column: str | None = None,
    positive_column: str | None = None,
    corpus: str | Path | None = None,
    rescorer: str | Rescorer | None = None,
    promote_above: float | None = None,
    consistency: int | None = None,
    depth: int = 100,
    index: str = "exact",
    nprobe: int | None = None,
    ef_search: int | None = None,
    memory: str | int = "1G",
    device: str | Sequence[str] | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    policy: Policy | None = None,
    **fields: Unpack[PolicyFields],
) -> Run:
    """Mines the hard negatives of a text collection into a run folder.

    If the folder holds the finished run already, it is returned as it is; an interrupted run is continued. Every query
    gets its `n` negatives unless the whole corpus does not hold them: where the policy rejects too many of a query's
    `depth` best passages, that query is searched again below its ceiling.

    Parameters
    ----------
    data
        A BEIR folder; a pairs file (Parquet, JSONL, CSV, TSV); a Hugging Face dataset on disk, by name or in memory; a
        Polars DataFrame or a list of (query, positive) pairs.
    out
        The run folder: new, empty, or of the same work.
    teacher
        ``"bm25"``, ``"random"``, the name or path of a sentence-transformers or transformers encoder, or a teacher
        object, see :mod:`nvmine.teachers`. Several teachers make an ensemble; give the most accurate first. Each of
        them gets a run of its own inside the folder, so that adding a teacher does not mine the others again.
    how, duplicates
        How an ensemble combines its teachers, see :func:`nvmine.ensemble`.
    split
        The split whose queries are mined, for data that has splits.
    query_column, positive_column
        The columns of a pairs file. Default: names that are in common use.
    corpus
        A file with further passages, for a pairs file.
    rescorer
        The name or path of a cross-encoder, or an object with its ``score`` and ``describe``. It scores the `depth`
        best passages and the positives again, and the policy uses these scores. Queries are not searched deeper then.
    promote_above
        Candidates that the rescorer scores higher count as positives that nobody labelled (RocketQA: 0.9, arXiv
        2010.08191): they never become negatives, and :meth:`Run.qrels` lists them.
    consistency
        Drop pairs whose positive is not among this many best passages of its query; at most `depth`. Default: keep all.
    depth
        Number of candidates to keep for each query, for this policy and later ones; at least 1.
    index
        ``"exact"``; or a FAISS index to build: ``"flat"``, ``"ivf4096"``, ``"hnsw32"``, ``"cagra64"`` or any factory
        string of FAISS; or a saved index of these passages in their order: its file, or a folder of ``*.faiss`` files
        with consecutive parts of the passages. Saved indexes are mapped, not loaded.
    nprobe, ef_search
        How broadly an IVF or HNSW index is searched.
    memory
        Memory budget for blocks of scores, such as ``"512M"``; vectors are mapped from the run folder.
    device
        The torch device that multiplies in the search, such as ``"cuda"``. Default: the core multiplies, on the CPU.
        Several devices, such as ``["cuda:0", "cuda:1"]``, share the search and the encoding, each with a copy of the
        teacher; with one device the teacher stays where it was loaded. The results do not depend on the devices.
    threads
        Number of threads of the core. Default: as many as the process may use.
    progress
        Whether to show progress bars. Default: on a terminal.
    policy
        The whole policy; or give its fields as keywords, see :class:`nvmine.Policy`.
    **fields
        The fields of a policy, if `policy` is not given.

    Returns
    -------
    Run
        The finished run.

    Raises
    ------
    DataError
        The data cannot be read; the message names file, line, column or row.
    TeacherError
        The model cannot be loaded, or returns vectors that are not finite.
    RunError
        `out` holds something else, or cannot be written.
    PolicyError, SearchError, MissingExtraError
        An option is wrong, or needs a package that is not installed.

    Examples
    --------
    >>> import nvmine, tempfile
    >>> pairs = [("capital of France?", "Paris is the capital of France."),
    ...          ("capital of Italy?", "Rome is the capital of Italy."),
    ...          ("longest river of Italy?", "The Po is the longest river of Italy.")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = nvmine.mine_dataset(pairs, out=folder + "/run", n=1)
    ...     run.negatives()["negative_ids"].to_list()
    [['p1'], ['p0'], ['p1']]
    """
    chosen = Policy.of(policy, fields)
    depth = _count("depth", depth)
    options = SearchOptions(parse_memory(memory), device, thread_count(threads))
    dataset = open_dataset(
        data,
        split=split,
        query_column=query_column,
        positive_column=positive_column,
        corpus=corpus,
        on_missing=chosen.on_missing,
    )
    named = [teacher] if isinstance(teacher, str) or not isinstance(teacher, Sequence) else teacher
    if not named:
        raise PolicyError("is empty; give at least one teacher", argument="teacher")
    # A random teacher draws with the seed of the policy.
    seeds = {"random": {"seed": chosen.seed}}
    teachers = [open_teacher(each, **seeds.get(each, {})) if isinstance(each, str) else each for each in named]
    work = Work(
        dataset=dataset,
        split=split,
        policy=chosen,
        depth=depth,
        index=FaissOptions.of(index, nprobe=nprobe, ef_search=ef_search),
        rescorer=CrossEncoderTeacher.load(rescorer) if isinstance(rescorer, str) else rescorer,
        rules=_rules(consistency, promote_above, depth, rescorer),
        options=options,
        bars=Progress(progress),
    )
    if len(teachers) == 1:
        return work.mine(teachers[0], Path(out))
    return mine_ensemble(work, teachers, Path(out), how=how, duplicates=duplicates)


def _rules(consistency: int | None, promote_above: float | None, depth: int, rescorer: object) -> RelabelRules:
    if consistency is not None and _count("consistency", consistency) > depth:
        message = f"is {consistency}, but only {depth} candidates are kept; use depth={consistency}"
        raise SearchError(message, argument="consistency")
    if promote_above is not None and rescorer is None:
        raise PolicyError("compares the scores of a rescorer, but none is given", argument="promote_above")
    if promote_above is not None and not (isinstance(promote_above, Real) and math.isfinite(promote_above)):
        raise PolicyError(f"must be a finite number, not {promote_above!r}", argument="promote_above")
    return RelabelRules(consistency, promote_above)


def _count(name: str, value: int) -> int:
    try:
        whole = operator.index(value)
    except TypeError:
        raise SearchError(f"must be a whole number, not {value!r}", argument=name) from None
    if whole < 1:
        raise SearchError(f"must be at least 1, not {whole}", argument=name)
    return whole

"""``mine_dataset``: texts in, a run folder out."""

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
from nvmine.run.backends import Teacher
from nvmine.run.candidates.rescoring import Rescorer
from nvmine.run.candidates.search import Doubts
from nvmine.run.ensemble import mine_ensemble
from nvmine.run.progress import Progress
from nvmine.run.single import FaissOptions, Work
from nvmine.run.store.folder import Run
from nvmine.search import parse_memory
from nvmine.teachers import CrossEncoderTeacher, open_teacher


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

    A run that is there and finished is returned as it is; one that was interrupted is continued. Every query gets its
    `n` negatives unless the whole corpus does not hold them: where the policy rejects too many of a query's `depth`
    best passages, that query is searched again below its ceiling.

    Parameters
    ----------
    data
        A BEIR folder; a pairs file (Parquet, JSONL, CSV, TSV); a Hugging Face dataset on disk, by name or in memory; a
        Polars DataFrame or a list of (query, positive) pairs.
    out
        The run folder: new, empty, or of the same work.
    teacher
        ``"bm25"``, ``"random"``, the name or path of a sentence-transformers or transformers encoder, or a teacher
        made before, see :mod:`nvmine.teachers`. Several make an ensemble, the most accurate first: each has a run of
        its own in the folder, and one that is there already is not mined again when another is added.
    how, duplicates
        Of an ensemble, see :func:`nvmine.ensemble`.
    split
        Which queries are mined, for data that has splits.
    query_column, positive_column, corpus
        Of pairs: which columns, and a file with further passages.
    rescorer
        The name or path of a cross-encoder, or what has its ``score`` and ``describe``: the `depth` best passages and
        the positives get its scores, and the policy goes by those. Queries are not searched deeper then.
    promote_above
        Candidates that the rescorer scores higher are positives that nobody labelled (RocketQA: 0.9, arXiv
        2010.08191): never negatives, and in :meth:`Run.qrels`.
    consistency
        Pairs are dropped whose positive is not among so many best passages of its query; at most `depth`.
    depth
        Candidates kept for each query, for this policy and later ones; at least 1.
    index
        ``"exact"``, or a FAISS index: ``"flat"``, ``"ivf4096"``, ``"hnsw32"``, ``"cagra64"`` or any of FAISS's factory
        strings; or one that was saved before, of these passages in their order: its file, or a folder of ``*.faiss``,
        each of the next part of the passages. Saved indexes are mapped, not loaded.
    nprobe, ef_search
        Of a FAISS index.
    memory
        Budget for blocks of scores, such as ``"512M"``; vectors are mapped from the run folder.
    device
        Where torch multiplies in the search, such as ``"cuda"``; default: the core does, on the CPU. Several, such as
        ``["cuda:0", "cuda:1"]``, share the search and the encoding, each with a copy of the teacher, which otherwise
        stays where it was loaded. The results are those of one.
    threads
        For the core. Default: as many as the process may use.
    progress
        Whether progress bars are shown. Default: on a terminal.
    policy
        The whole rule; or give its fields as keywords, see :class:`nvmine.Policy`.
    **fields
        The fields of a policy, where `policy` is not given.

    Returns
    -------
    Run
        The finished run.

    Raises
    ------
    DataError
        The data cannot be read; the message names file, line, column or row.
    TeacherError
        The model cannot be loaded, or gives vectors that are not finite.
    RunError
        `out` holds something else, or cannot be written.
    PolicyError, SearchError, MissingExtraError
        An option is wrong, or needs a package that is not installed.

    Examples
    --------
    >>> import nvmine, tempfile
    >>> pairs = [("capital of France?", "Paris is the capital of France."),
    ...          ("capital of Italy?", "Rome is the capital of Italy."),
    ...          ("longest river?", "The Nile is the longest river of all.")]
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     run = nvmine.mine_dataset(pairs, out=folder + "/run", n=1)
    ...     run.negatives()["negative_ids"].to_list()
    [['p1'], ['p0'], ['p1']]
    """
    chosen = Policy.of(policy, fields)
    depth, budget, threads = _count("depth", depth), parse_memory(memory), thread_count(threads)
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
        raise PolicyError("is empty; give at least one", argument="teacher")
    # Draws of the policy and of a random teacher are of one seed.
    seeds = {"random": {"seed": chosen.seed}}
    tutors = [open_teacher(each, **seeds.get(each, {})) if isinstance(each, str) else each for each in named]
    work = Work(
        dataset=dataset,
        split=split,
        policy=chosen,
        depth=depth,
        index=FaissOptions.of(index, nprobe=nprobe, ef_search=ef_search),
        rescorer=CrossEncoderTeacher.load(rescorer) if isinstance(rescorer, str) else rescorer,
        doubts=_doubts(consistency, promote_above, depth, rescorer),
        memory=budget,
        device=device,
        threads=threads,
        bars=Progress(progress),
    )
    if len(tutors) == 1:
        return work.mine(tutors[0], Path(out))
    return mine_ensemble(work, tutors, Path(out), how=how, duplicates=duplicates)


def _doubts(consistency: int | None, promote_above: float | None, depth: int, rescorer: object) -> Doubts:
    if consistency is not None and _count("consistency", consistency) > depth:
        raise SearchError(
            f"is {consistency}, but only {depth} candidates are kept; raise depth", argument="consistency"
        )
    if promote_above is not None and rescorer is None:
        raise PolicyError("is for the scores of a rescorer, and there is none", argument="promote_above")
    if promote_above is not None and not (isinstance(promote_above, Real) and math.isfinite(promote_above)):
        raise PolicyError(f"must be a finite number, not {promote_above!r}", argument="promote_above")
    return Doubts(consistency, promote_above)


def _count(name: str, value: int) -> int:
    try:
        whole = operator.index(value)
    except TypeError:
        raise SearchError(f"must be a whole number, not {value!r}", argument=name) from None
    if whole < 1:
        raise SearchError(f"must be at least 1, not {whole}", argument=name)
    return whole

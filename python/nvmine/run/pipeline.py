"""``mine_dataset``: texts in, a run folder out. The one place where the stages are put together.

Data → (vectors →) candidates → negatives. Each stage writes shards that are never made twice, so a run that was killed
goes on where it stopped and ends with the bytes of one that was not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from nvmine.data import Vectors, open_dataset
from nvmine.errors import SearchError
from nvmine.policy import Policy, PolicyFields, takes_policy_fields
from nvmine.run.encode import encode
from nvmine.run.folder import Run
from nvmine.run.labels import Labels
from nvmine.run.manifest import Manifest
from nvmine.run.progress import Progress
from nvmine.run.stages import lexical_search, mine_all
from nvmine.run.texts import store_texts
from nvmine.run.workspace import open_workspace
from nvmine.search import (
    ExactSearch,
    ExhaustiveSearcher,
    FaissSearch,
    Searcher,
    digests_of,
    parse_memory,
    saved_indexes,
)
from nvmine.teachers import Bm25Teacher, DenseTeacher, open_teacher
from nvmine.whole_numbers import thread_count

Teacher = Bm25Teacher | DenseTeacher


@takes_policy_fields
def mine_dataset(
    data: Any,
    *,
    out: str | Path,
    teacher: str | Teacher = "bm25",
    split: str = "train",
    query_column: str | None = None,
    positive_column: str | None = None,
    corpus: str | Path | None = None,
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
        ``"bm25"``, the name or path of a sentence-transformers or transformers encoder, or a teacher made before.
    split
        Which queries are mined, for data that has splits.
    query_column, positive_column, corpus
        Of pairs: which columns, and a file with further passages.
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
    depth, budget, threads = _depth(depth), parse_memory(memory), thread_count(threads)
    dataset = open_dataset(
        data,
        split=split,
        query_column=query_column,
        positive_column=positive_column,
        corpus=corpus,
        on_missing=chosen.on_missing,
    )
    tutor = open_teacher(teacher) if isinstance(teacher, str) else teacher
    if index != "exact" and isinstance(tutor, Bm25Teacher):
        raise SearchError(f"{index!r} is an index of vectors, and BM25 has none; leave it at 'exact'", column="index")
    saved = saved_indexes(index) if index != "exact" else []
    settings: dict[str, Any] = {"index": index, "depth": depth}
    if saved:
        # What decides is what the files hold, wherever they lie.
        settings |= {"index": "saved", "index_digests": digests_of(saved)}
    settings |= {key: value for key, value in {"nprobe": nprobe, "ef_search": ef_search}.items() if value is not None}
    wanted = Manifest(
        data={
            "name": dataset.name,
            "split": split,
            "queries": len(dataset.query_ids),
            "passages": len(dataset.passage_ids),
            "positives": len(dataset.positive_passages),
            "digests": dataset.digests(),
        },
        teacher=tutor.describe(),
        search=settings,
        policy=asdict(chosen),
    )
    bars = Progress(progress)
    with open_workspace(Path(out), wanted) as workspace:
        if not workspace.manifest.finished:
            store_texts(workspace, dataset)
            labels = Labels.of(dataset, shingles=chosen.near_duplicate is not None, threads=threads)
            searcher: Callable[[], Searcher]
            exact: Callable[[], ExhaustiveSearcher]
            if isinstance(tutor, Bm25Teacher):
                searcher = exact = lexical_search(tutor, dataset, budget, threads)
            else:
                tutors = [tutor] if isinstance(device, str | None) else tutor.on(device)
                of_queries = [each.encode_queries for each in tutors]
                queries = encode(workspace, "queries", dataset.query_texts, of_queries, bars)
                of_passages = [each.encode_passages for each in tutors]
                passages = encode(workspace, "corpus", dataset.passage_texts, of_passages, bars)
                exact = partial(ExactSearch, queries, passages, memory=budget, device=device, threads=threads)
                searcher = exact if index == "exact" else partial(_faiss, queries, passages, settings, saved, budget)
            mine_all(workspace, labels, searcher, exact, chosen, depth, bars, threads)
    return Run.open(out)


def _faiss(
    queries: Vectors, passages: Vectors, settings: dict[str, Any], saved: Sequence[Path], memory: int
) -> Searcher:
    return FaissSearch(
        queries,
        passages,
        factory=settings["index"],
        memory=memory,
        saved=saved,
        nprobe=settings.get("nprobe"),
        ef_search=settings.get("ef_search"),
    )


def _depth(depth: int) -> int:
    try:
        whole = operator.index(depth)
    except TypeError:
        raise SearchError(f"must be a whole number, not {depth!r}", column="depth") from None
    if whole < 1:
        raise SearchError(f"must be at least 1, not {whole}", column="depth")
    return whole

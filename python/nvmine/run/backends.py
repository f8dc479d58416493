"""What a run stores for each kind of teacher, and the search that it opens from there.

Everything that depends on the kind of a teacher is decided here: :func:`backend_of` maps the ``kind`` that a teacher
describes itself by to the class that stores its vectors, index or lists, and opens them for all who search a run.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nvmine.data import Dataset, Vectors
from nvmine.devices import share_out
from nvmine.errors import RunError
from nvmine.files import array_writer, write_text
from nvmine.run.progress import Progress
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.records import TeacherRecord
from nvmine.run.store.storage import inside, mapped
from nvmine.run.store.workspace import Workspace, shard_ranges
from nvmine.search import ExactSearch, ExhaustiveSearcher, ListedSearch, ScoredSearch
from nvmine.teachers import Bm25Teacher, DenseTeacher, RandomTeacher

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.floating]
Side = Literal["queries", "corpus"]
Encode = Callable[[range, Callable[[int], object]], FloatArray]
"""Returns the vectors of a range of rows, and reports how many more are done."""

VOCABULARY = "index/bm25-vocabulary.json"
_BM25_ARRAYS = ("data", "indices", "indptr")
_BM25_SETTINGS = ("method", "k1", "b", "stemmer", "stopwords", "token_pattern")
_LIST_ARRAYS = ("offsets", "ids", "scores")

_log = logging.getLogger("nvmine")


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The resources of a search: bytes of memory, torch devices to multiply on, and threads of the core."""

    memory: int
    device: str | Sequence[str] | None = None
    threads: int | None = None


class StoreJob(NamedTuple):
    """A teacher to store, for a data set, in a workspace; several devices share the encoding."""

    workspace: Workspace
    teacher: Any
    dataset: Dataset
    devices: Sequence[str] | None
    bars: Progress


class Stored(NamedTuple):
    """A run with its stored files and texts, and the options of a search in it."""

    root: Path
    manifest: Manifest
    dataset: Dataset
    options: SearchOptions


class Backend(Protocol):
    """How one kind of teacher is stored and searched."""

    has_vectors: bool
    """Whether an index of vectors can be built."""
    scores_relevance: bool
    """Whether a ceiling relative to a positive's score means anything."""

    def store(self, job: StoreJob) -> None:
        """Stores what the search reads; what is stored already is not made again."""

    def open(self, stored: Stored) -> ExhaustiveSearcher:
        """Opens the search that compares every passage, from what is stored."""


def backend_of(record: TeacherRecord) -> Backend:
    """Returns the backend of a teacher; kinds that are not named here encode texts."""
    return _BACKENDS.get(record.kind, _ENCODERS)


def exhaustive_search(stored: Stored) -> Callable[[], ExhaustiveSearcher]:
    """Returns a function that opens the exhaustive search of a run when it is first called."""
    return cache(lambda: backend_of(stored.manifest.teacher).open(stored))


def stored_vectors(root: Path, manifest: Manifest, side: Side) -> Vectors:
    """Maps the vectors of one side from the run folder."""
    of_side = re.compile(rf"embeddings/[^/]+/{side}-\d+\.npy")
    return Vectors([mapped(root, name) for name in sorted(filter(of_side.fullmatch, manifest.shards))])


class _Encoders:
    """Teachers that turn texts into vectors."""

    has_vectors, scores_relevance = True, True

    def store(self, job: StoreJob) -> None:
        teachers = [job.teacher] if job.devices is None else job.teacher.on(job.devices)
        queries, passages = job.dataset.query_texts, job.dataset.passage_texts
        store_vectors(job, "queries", len(queries), [_of_texts(each.encode_queries, queries) for each in teachers])
        store_vectors(job, "corpus", len(passages), [_of_texts(each.encode_passages, passages) for each in teachers])
        if isinstance(job.teacher, DenseTeacher) and job.teacher.reading.texts:
            _log.info("read %s", job.teacher.reading)

    def open(self, stored: Stored) -> ExhaustiveSearcher:
        options = stored.options
        return ExactSearch(
            stored_vectors(stored.root, stored.manifest, "queries"),
            stored_vectors(stored.root, stored.manifest, "corpus"),
            memory=options.memory,
            device=options.device,
            threads=options.threads,
        )


class _GivenVectors(_Encoders):
    """Vectors that were given by file."""

    def store(self, job: StoreJob) -> None:
        vectors = job.teacher.of(job.dataset)
        store_vectors(job, "queries", len(job.dataset.query_ids), [_of_rows(vectors.queries)])
        store_vectors(job, "corpus", len(job.dataset.passage_ids), [_of_rows(vectors.passages)])


class _Bm25:
    """BM25, whose index is stored."""

    has_vectors, scores_relevance = False, True

    def store(self, job: StoreJob) -> None:
        # The vocabulary is written last: where it is, so are the arrays.
        if job.workspace.has(VOCABULARY):
            return
        index = job.teacher.index(job.dataset.passage_texts)
        for part, values in index.arrays().items():
            _store_array(job.workspace, _array_name("bm25", part), values)
        terms = index.vocabulary()
        text = json.dumps(terms, ensure_ascii=True)
        job.workspace.commit(VOCABULARY, len(terms), lambda path: write_text(path, text))

    def open(self, stored: Stored) -> ExhaustiveSearcher:
        recorded, root = stored.manifest.teacher.described, stored.root
        teacher = Bm25Teacher(**{name: recorded[name] for name in _BM25_SETTINGS})
        now = teacher.describe()
        if now != recorded:
            changed = ", ".join(
                f"{key} {recorded.get(key)} → {now[key]}" for key in now if now[key] != recorded.get(key)
            )
            raise RunError(
                f"needs another search, but the installed BM25 differs from that of the run: {changed};"
                " install that version, or mine again",
                path=root,
            )
        arrays = {part: mapped(root, _array_name("bm25", part)) for part in _BM25_ARRAYS}
        terms = json.loads(inside(root, VOCABULARY).read_text("utf-8"))
        texts = stored.dataset.query_texts
        index = teacher.open_index(arrays, terms, len(stored.dataset.passage_ids))
        return _scored(stored, lambda rows: index.scores([texts[row] for row in rows]))


class _Random:
    """Random scores, which follow from the seed and need no storage."""

    has_vectors, scores_relevance = False, False

    def store(self, job: StoreJob) -> None:
        """Stores nothing."""

    def open(self, stored: Stored) -> ExhaustiveSearcher:
        seed = stored.manifest.teacher.described["seed"]
        return _scored(stored, RandomTeacher(seed=seed).scorer(stored.dataset))


class _Lists:
    """Ranked lists that were given by file: a passage that a query's list does not hold is not a candidate."""

    has_vectors, scores_relevance = False, True

    def store(self, job: StoreJob) -> None:
        if not job.workspace.has(_array_name("ranked", _LIST_ARRAYS[-1])):
            lists = job.teacher.lists(job.dataset)
            for part in _LIST_ARRAYS:
                _store_array(job.workspace, _array_name("ranked", part), getattr(lists, part))

    def open(self, stored: Stored) -> ExhaustiveSearcher:
        return ListedSearch(*(mapped(stored.root, _array_name("ranked", part)) for part in _LIST_ARRAYS))


_ENCODERS = _Encoders()
_BACKENDS: dict[str, Backend] = {"bm25": _Bm25(), "random": _Random(), "ranked": _Lists(), "vectors": _GivenVectors()}


def store_vectors(job: StoreJob, side: Side, rows: int, encoders: Sequence[Encode]) -> None:
    """Writes the vectors of all rows, shard by shard; shards that are stored already are not made again.

    Several encoders, each on a device of its own, share the shards. One encoder makes each shard alone, so its bytes do
    not depend on how many there are. Memory is that of one shard per device.
    """
    workspace = job.workspace
    folder = f"embeddings/{workspace.manifest.folder_name}"
    shards = {f"{folder}/{side}-{number:05d}.npy": shard for number, shard in shard_ranges(rows)}
    missing = [name for name in shards if not workspace.has(name)]
    with job.bars.bar(f"encoding {side}", rows) as bar:
        bar.update(sum(len(shard) for name, shard in shards.items() if name not in missing))

        def make(name: str, encoder: Encode) -> None:
            vectors = encoder(shards[name], bar.update)
            workspace.commit(name, len(vectors), array_writer(vectors))

        share_out(missing, encoders, make)


def _of_texts(encode: Callable[..., FloatArray], texts: Sequence[str]) -> Encode:
    return lambda rows, done: encode(texts[rows.start : rows.stop], done=done)


def _of_rows(read: Callable[[range], FloatArray]) -> Encode:
    def encode(rows: range, done: Callable[[int], object]) -> FloatArray:
        vectors = read(rows)
        done(len(rows))
        return vectors

    return encode


def _scored(stored: Stored, score_rows: Callable[[Int64Array], Float32Array]) -> ExhaustiveSearcher:
    options = stored.options
    return ScoredSearch(score_rows, len(stored.dataset.passage_ids), memory=options.memory, threads=options.threads)


def _array_name(kind: str, part: str) -> str:
    return f"index/{kind}-{part}.npy"


def _store_array(workspace: Workspace, name: str, values: npt.NDArray[Any]) -> None:
    if not workspace.has(name):
        workspace.commit(name, len(values), array_writer(values))

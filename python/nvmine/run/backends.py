"""What a teacher needs before it can be searched by, made once and kept in the run: vectors, an index, lists."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from nvmine.data import Dataset
from nvmine.files import array_writer, write_text
from nvmine.run.encode import Encode, FloatArray, Side, encode
from nvmine.run.progress import Progress
from nvmine.run.store.workspace import Workspace
from nvmine.teachers import Bm25Teacher, DenseTeacher, Encoder, RandomTeacher, RankedTeacher, VectorsTeacher

Teacher = Bm25Teacher | DenseTeacher | Encoder | RandomTeacher | RankedTeacher | VectorsTeacher

_log = logging.getLogger("nvmine")
BM25_ARRAYS = ("data", "indices", "indptr")
LIST_ARRAYS = ("offsets", "ids", "scores")


def array_name(kind: str, part: str) -> str:
    """Where an array of an index lies in the run."""
    return f"index/{kind}-{part}.npy"


VOCABULARY = "index/bm25-vocabulary.json"


def prepare(
    workspace: Workspace, tutor: Teacher, dataset: Dataset, devices: Sequence[str] | None, bars: Progress
) -> None:
    """Stores what the searches of :mod:`nvmine.run.searching` read; what is there already is not made again."""
    if isinstance(tutor, Bm25Teacher):
        _store_index(workspace, tutor, dataset)
    elif isinstance(tutor, RankedTeacher):
        if not workspace.has(array_name("ranked", LIST_ARRAYS[-1])):
            lists = tutor.lists(dataset)
            for part in LIST_ARRAYS:
                _store_array(workspace, array_name("ranked", part), getattr(lists, part))
    elif not isinstance(tutor, RandomTeacher):
        for side, (rows, encoders) in _encoders(tutor, dataset, devices).items():
            encode(workspace, side, rows, encoders, bars)
        if isinstance(tutor, DenseTeacher) and tutor.reading.texts:
            _log.info("read %s", tutor.reading)


def _encoders(
    tutor: DenseTeacher | Encoder | VectorsTeacher, dataset: Dataset, devices: Sequence[str] | None
) -> dict[Side, tuple[int, list[Encode]]]:
    """How many rows each side has, and what encodes them: one for each device."""
    if isinstance(tutor, VectorsTeacher):
        vectors = tutor.of(dataset)
        queries, passages = [_counted(vectors.queries)], [_counted(vectors.passages)]
    else:
        tutors = [tutor] if devices is None else tutor.on(devices)
        queries = [_of_texts(each.encode_queries, dataset.query_texts) for each in tutors]
        passages = [_of_texts(each.encode_passages, dataset.passage_texts) for each in tutors]
    return {"queries": (len(dataset.query_ids), queries), "corpus": (len(dataset.passage_ids), passages)}


def _of_texts(encode_texts: Callable[..., FloatArray], texts: Sequence[str]) -> Encode:
    return lambda rows, done: encode_texts(texts[rows.start : rows.stop], done=done)


def _counted(read: Callable[[range], FloatArray]) -> Encode:
    def encode_rows(rows: range, done: Callable[[int], object]) -> FloatArray:
        vectors = read(rows)
        done(len(rows))
        return vectors

    return encode_rows


def _store_index(workspace: Workspace, tutor: Bm25Teacher, dataset: Dataset) -> None:
    if workspace.has(VOCABULARY):
        return
    index = tutor.index(dataset.passage_texts)
    for part, values in index.arrays().items():
        _store_array(workspace, array_name("bm25", part), values)
    terms = index.vocabulary()
    # The last file: where it is, so are the others.
    text = json.dumps(terms, ensure_ascii=True)
    workspace.commit(VOCABULARY, len(terms), lambda path: write_text(path, text))


def _store_array(workspace: Workspace, name: str, values: npt.NDArray[Any]) -> None:
    if not workspace.has(name):
        workspace.commit(name, len(values), array_writer(values))

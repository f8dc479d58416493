"""The searches of a run, from what is stored in its folder: the same ones for mining, filtering and judging."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nvmine.data import Dataset
from nvmine.errors import RunError
from nvmine.run.backends import BM25_ARRAYS, LIST_ARRAYS, VOCABULARY, array_name
from nvmine.run.encode import stored_vectors
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.storage import inside, mapped
from nvmine.search import ExactSearch, ExhaustiveSearcher, ListedSearch, ScoredSearch
from nvmine.teachers import Bm25Teacher, RandomTeacher

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

_BM25_SETTINGS = ("method", "k1", "b", "stemmer", "stopwords", "token_pattern")


def exhaustive_search(
    root: Path,
    manifest: Manifest,
    dataset: Dataset,
    *,
    memory: int,
    device: str | Sequence[str] | None,
    threads: int | None,
) -> ExhaustiveSearcher:
    """The search that compares every passage, by whatever the run's teacher left in the folder.

    Raises
    ------
    RunError
        The installed BM25 is another than that of the run.
    """
    teacher = manifest.teacher
    if teacher["kind"] == "ranked":
        return ListedSearch(*(mapped(root, array_name("ranked", part)) for part in LIST_ARRAYS))
    score_rows: Callable[[Int64Array], Float32Array]
    if teacher["kind"] == "random":
        score_rows = RandomTeacher(seed=teacher["seed"]).scorer(dataset)
    elif teacher["kind"] == "bm25":
        score_rows = _bm25_scorer(root, teacher, dataset)
    else:
        sides = stored_vectors(root, manifest, "queries"), stored_vectors(root, manifest, "corpus")
        return ExactSearch(*sides, memory=memory, device=device, threads=threads)
    return ScoredSearch(score_rows, len(dataset.passage_ids), memory=memory, threads=threads)


def _bm25_scorer(root: Path, recorded: Mapping[str, Any], dataset: Dataset) -> Callable[[Int64Array], Float32Array]:
    settings: dict[str, Any] = {name: recorded[name] for name in _BM25_SETTINGS}
    teacher = Bm25Teacher(**settings)
    now = teacher.describe()
    if now != recorded:
        changed = ", ".join(f"{key} {recorded.get(key)} → {now[key]}" for key in now if now[key] != recorded.get(key))
        raise RunError(
            f"needs another search, and BM25 is not what it was: {changed}; install that, or mine again",
            path=root,
        )
    arrays = {part: mapped(root, array_name("bm25", part)) for part in BM25_ARRAYS}
    terms = json.loads(inside(root, VOCABULARY).read_text("utf-8"))
    index = teacher.open_index(arrays, terms, len(dataset.passage_ids))
    return lambda rows: index.scores([dataset.query_texts[row] for row in rows])

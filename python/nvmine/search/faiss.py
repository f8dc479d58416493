"""Approximate search by FAISS, for corpora too large to be compared with every query.

FAISS only chooses the candidates. Their scores are computed afresh from the vectors, by the same fixed-order dot
product as everywhere in nvmine, so an index that compresses, or a GPU, changes which passages are found but never what
they score. What an index misses is lost, though: prefer the exact search up to some tens of millions of passages, and
here IVF before HNSW. IVF trains on a sample and adds in parallel; an HNSW graph depends on the order in which threads
insert, so it is built by one thread, slowly, for the same candidates every time.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nvmine.data.vectors import Float32Array, Vectors
from nvmine.errors import SearchError, ShapeError, quote
from nvmine.extras import require
from nvmine.search.saved import digests_of, joined, read_saved, saved_indexes
from nvmine.search.searcher import Candidates, rescore

if TYPE_CHECKING:
    import faiss

Int64Array = npt.NDArray[np.int64]

_logger = logging.getLogger("nvmine")

# FAISS's own figures: a codebook has 256 entries, and clustering gains nothing past 256 points a centroid.
_CODEBOOK = 256
_SAMPLES_PER_CENTROID = 256
# A graph also depends on how the passages are cut into blocks, so neither memory nor shards may decide that.
_ADDED_AT_ONCE = 8192
# Limit of k and nprobe of FAISS's GPU kernels.
_GPU_LIMIT = 2048


class FaissSearch:
    """Candidates from a FAISS index over the passages, built on construction.

    Parameters
    ----------
    queries, passages
        Vectors of one dimension, compared by dot product.
    factory
        "flat"; "ivfN", N cells; "hnswN", N links a node (both with vectors held in float16); "cagraN", N links a node,
        on a GPU; or any string of FAISS's ``index_factory``.
    memory
        Bytes for one block of queries with their candidates. The index and a sample to train it on come on top.
    saved
        Files of indexes that were built before, of consecutive parts of the passages; nothing is built then.
    nprobe
        Cells searched by an IVF index; by default the root of their number, rounded up.
    ef_search
        Breadth of the search in an HNSW graph; by default FAISS's.

    Raises
    ------
    SearchError
        FAISS does not know `factory`, cannot train it on so few passages, or it lacks what `nprobe` or `ef_search` set.
        Or a saved index is of other vectors.
    ShapeError
        The dimensions differ.
    MissingExtraError
        FAISS is not installed.
    """

    def __init__(
        self,
        queries: Vectors,
        passages: Vectors,
        *,
        factory: str,
        memory: int,
        saved: Sequence[Path] = (),
        nprobe: int | None = None,
        ef_search: int | None = None,
    ) -> None:
        if queries.dimension != passages.dimension:
            raise ShapeError(f"queries have dimension {queries.dimension}, passages {passages.dimension}")
        self._faiss = require("faiss", extra="faiss-cpu")
        self._queries, self._passages, self._memory = queries, passages, memory
        self._factory = _factory_string(factory)
        if saved:
            self._parts = read_saved(self._faiss, saved, passages.dimension, len(passages))
        else:
            with self._reported(f"FAISS index {quote(factory)} of {len(passages)} passages"):
                self._parts = [self._empty()]
        self._settings, self._most_cells = {"nprobe": nprobe, "efSearch": ef_search}, 0
        for part in self._parts:
            self._configure(part, factory)
        if not saved:
            with self._reported(f"FAISS index {quote(factory)} cannot be built from {len(passages)} passages"):
                self._build(self._parts[0])
        self._index = joined(self._faiss, self._parts)
        self._on_gpu = self._copy_to_gpu()

    def _empty(self) -> faiss.Index:
        cagra = re.fullmatch(r"cagra(\d+)", self._factory)
        if cagra is None:
            metric = self._faiss.METRIC_INNER_PRODUCT
            index: faiss.Index = self._faiss.index_factory(self._passages.dimension, self._factory, metric)
            return index
        return cagra_index(self._faiss, self._passages.dimension, int(cagra[1]))

    def _configure(self, part: faiss.Index, factory: str) -> None:
        cells = self._cells(part)
        settings = dict(self._settings)
        if settings["nprobe"] is None and cells is not None:
            settings["nprobe"] = math.ceil(math.sqrt(cells))
        for name, value in settings.items():
            if value is not None:
                with self._reported(f"FAISS index {quote(factory)} cannot have {name}={value}"):
                    self._faiss.ParameterSpace().set_index_parameter(part, name, value)
        self._most_cells = max(self._most_cells, settings["nprobe"] or 0)

    def search(self, rows: Int64Array, depth: int) -> Candidates:
        """Find the best passages that the index knows.

        Parameters
        ----------
        rows
            Row numbers of queries.
        depth
            Candidates wanted for each.

        Returns
        -------
        ids int64 and scores float32 of shape ``(len(rows), depth)``, best score first, lower id first among equals;
        -1 and NaN fill what the index did not find.
        """
        ids = np.empty((len(rows), depth), np.int64)
        scores = np.empty((len(rows), depth), np.float32)
        index = self._index if self._on_gpu is None or depth > _GPU_LIMIT else self._on_gpu
        step = self.rows_at_once(depth)
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            found = index.search(self._queries.rows(rows[block]), depth)[1]
            self._check(found)
            ids[block], scores[block] = self._scored(rows[block], found)
        return Candidates(ids, scores)

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """Score query ``rows[i]`` with passage ``ids[i]``, without the index."""
        return rescore(self._queries, rows, self._passages, ids[:, None])[:, 0].astype(np.float32)

    def rows_at_once(self, depth: int) -> int:
        """Count the queries that fit the memory budget: each has a vector, and FAISS's and our ids and scores."""
        return max(1, self._memory // (4 * self._queries.dimension + 24 * depth))

    def _check(self, found: Int64Array) -> None:
        strange = found[(found < -1) | (found >= len(self._passages))]
        if strange.size:
            raise SearchError(
                f"the FAISS index names passage {strange[0]} of {len(self._passages)}; build it without ids"
            )

    def _scored(self, rows: Int64Array, found: Int64Array) -> tuple[Int64Array, Float32Array]:
        scores = rescore(self._queries, rows, self._passages, found).astype(np.float32)
        order = np.lexsort((found, -scores))  # row by row; NaN, which is padding, comes last
        return np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)

    def _cells(self, index: faiss.Index) -> int | None:
        """Count the inverted lists; None for an index that has none."""
        ivf = self._faiss.try_extract_index_ivf(index)
        return None if ivf is None else int(ivf.nlist)

    def _build(self, index: faiss.Index) -> None:
        rows, cells = np.arange(len(self._passages)), self._cells(index) or 0
        if self._factory.startswith("cagra"):
            # It is built from all vectors at once, and takes no more.
            index.train(self._passages.rows(rows))
            return
        with _one_thread(self._faiss) if re.search("HNSW|NSG", self._factory) else nullcontext():
            if not index.is_trained:
                index.train(self._sample(cells))
            for start in range(0, len(rows), _ADDED_AT_ONCE):
                index.add(self._passages.rows(rows[start : start + _ADDED_AT_ONCE]))

    def _sample(self, cells: int) -> Float32Array:
        """As many passages as training can use, the same ones every time."""
        wanted = _SAMPLES_PER_CENTROID * max(cells, _CODEBOOK)
        count = len(self._passages)
        if wanted >= count:
            chosen = np.arange(count)
        else:
            chosen = np.sort(np.random.default_rng(0).choice(count, wanted, replace=False))
        return self._passages.rows(chosen)

    def _copy_to_gpu(self) -> faiss.Index | None:
        """Put the index on all GPUs; None where there is none, or none that takes this kind of index."""
        # One that was made on a GPU is there already.
        is_there = self._factory.startswith("cagra")
        if is_there or self._faiss.get_num_gpus() == 0 or self._most_cells > _GPU_LIMIT:
            return None
        try:
            index: faiss.Index = self._faiss.index_cpu_to_all_gpus(self._index)
        except RuntimeError as error:
            _logger.info("FAISS index %s stays on the CPU: %s", self._factory, _own_words(error))
            return None
        return index

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        """Give FAISS's complaint about the user's wishes as a SearchError."""
        try:
            yield
        except RuntimeError as error:
            raise SearchError(f"{what}: {_own_words(error)}") from error


@dataclass(frozen=True, slots=True)
class FaissOptions:
    """A FAISS index, where the search is not exact: a factory string or saved files, and how broadly it is searched."""

    factory: str
    saved: Sequence[Path] = ()
    nprobe: int | None = None
    ef_search: int | None = None

    @classmethod
    def of(cls, index: str, *, nprobe: int | None, ef_search: int | None) -> FaissOptions | None:
        """The options of an index by its name; None for "exact".

        Raises
        ------
        SearchError
            An option is for an index, and the search is exact.
        """
        if index != "exact":
            return cls(index, saved_indexes(index), nprobe, ef_search)
        for name, value in {"nprobe": nprobe, "ef_search": ef_search}.items():
            if value is not None:
                raise SearchError("is for a FAISS index, and the search is exact", argument=name)
        return None

    def describe(self) -> dict[str, Any]:
        """What decides which passages are found, ready for JSON; of saved files what they hold, wherever they lie."""
        known = {"index": "saved", "index_digests": digests_of(self.saved)} if self.saved else {"index": self.factory}
        given = {"nprobe": self.nprobe, "ef_search": self.ef_search}
        return known | {name: value for name, value in given.items() if value is not None}


def cagra_index(library: ModuleType, dimension: int, links: int) -> faiss.Index:
    """An empty CAGRA graph on a GPU.

    Raises
    ------
    SearchError
        The installed FAISS has none.
    """
    if not hasattr(library, "GpuIndexCagra"):
        raise SearchError("CAGRA needs a GPU and faiss-gpu-cuvs; use 'hnsw32' or 'ivf4096' without", argument="index")
    config = library.GpuIndexCagraConfig()
    config.graph_degree, config.intermediate_graph_degree = links, 2 * links
    resources = library.StandardGpuResources()
    index: faiss.Index = library.GpuIndexCagra(resources, dimension, library.METRIC_INNER_PRODUCT, config)
    return index


def _factory_string(factory: str) -> str:
    """FAISS's name for one of ours; anything else is FAISS's already."""
    if factory == "flat":
        return "Flat"
    short = re.fullmatch(r"(ivf|hnsw)(\d+)", factory)
    return f"{short[1].upper()}{short[2]},SQfp16" if short else factory


def _own_words(error: RuntimeError) -> str:
    """FAISS's message without the C++ signature and source line that it starts with."""
    return re.sub(r"^Error in .* at \S+:\d+: ", "", str(error), flags=re.DOTALL)


@contextmanager
def _one_thread(faiss: ModuleType) -> Iterator[None]:
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)

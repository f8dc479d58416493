"""Approximate search by FAISS, for corpora that are too large to compare every passage with every query.

FAISS only chooses the candidates. Their scores are computed again from the vectors, by the same fixed-order dot product
as everywhere in nvmine. So a compressed index, or a GPU, changes which passages are found but never their scores. What
the index misses is lost, though: prefer the exact search up to some tens of millions of passages, and IVF over HNSW.
IVF trains on a sample and adds vectors in parallel. An HNSW graph depends on the order in which threads insert, so a
single thread builds it, slowly, to get the same candidates every time.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nvmine.data.vectors import Float32Array, Vectors
from nvmine.errors import SearchError, quote
from nvmine.extras import require
from nvmine.search.saved import joined, read_saved
from nvmine.search.searcher import SearchResult, require_same_dimension, rescore, search_in_blocks

if TYPE_CHECKING:
    import faiss

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

_logger = logging.getLogger("nvmine")

# FAISS's own numbers: a codebook has 256 entries, and clustering uses at most 256 points per centroid.
_CODEBOOK = 256
_SAMPLES_PER_CENTROID = 256
# A graph also depends on how the passages are split into blocks, so the size is fixed, whatever the memory and shards.
_ADDED_AT_ONCE = 8192
# FAISS's GPU kernels allow k and nprobe up to this.
_GPU_LIMIT = 2048


class FaissSearch:
    """Finds candidates with a FAISS index over the passages, which is built or opened on construction.

    Parameters
    ----------
    queries, passages
        Vectors of the same dimension, compared by dot product.
    factory
        "flat"; "ivfN" for N cells or "hnswN" for N links per node, both of which store vectors in float16; "cagraN" for
        N links per node, on a GPU; or any string of FAISS's ``index_factory``.
    memory
        Bytes for one block of queries with their candidates. The index, and the sample to train it on, need more.
    saved
        Files of saved indexes, of consecutive parts of the passages. If given, no index is built.
    nprobe
        Number of cells that an IVF index searches. Default: the square root of the number of cells, rounded up.
    ef_search
        Number of nodes that the search of an HNSW graph keeps. Default: FAISS's own.

    Raises
    ------
    SearchError
        FAISS does not know `factory` or cannot train it on so few passages; the index has no `nprobe` or `ef_search`;
        or a saved index has other vectors than the passages.
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
        require_same_dimension(queries, passages)
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

    def search(self, rows: Int64Array, depth: int) -> SearchResult:
        """Returns the best `depth` passages that the index finds for the queries `rows`.

        They are sorted by score descending, then id ascending; -1 and NaN fill a row for which the index found fewer.
        """
        index = self._index if self._on_gpu is None or depth > _GPU_LIMIT else self._on_gpu

        def search_block(rows: Int64Array, _: Float64Array | None) -> tuple[Int64Array, Float32Array]:
            found = index.search(self._queries.rows(rows), depth)[1]
            self._check(found)
            return self._scored(rows, found)

        return search_in_blocks(search_block, rows, None, depth, self.rows_at_once(depth))

    def score(self, rows: Int64Array, ids: Int64Array) -> Float32Array:
        """Returns the score of query ``rows[i]`` with passage ``ids[i]``, without the index."""
        return rescore(self._queries, rows, self._passages, ids[:, None])[:, 0].astype(np.float32)

    def rows_at_once(self, depth: int) -> int:
        """Returns how many queries fit the memory budget."""
        # A query needs its vector, and ids and scores both in FAISS and here.
        return max(1, self._memory // (4 * self._queries.dimension + 24 * depth))

    def _check(self, found: Int64Array) -> None:
        strange = found[(found < -1) | (found >= len(self._passages))]
        if strange.size:
            raise SearchError(
                f"the FAISS index returned id {strange[0]}, but there are {len(self._passages)} passages; "
                "build it without ids of its own"
            )

    def _scored(self, rows: Int64Array, found: Int64Array) -> tuple[Int64Array, Float32Array]:
        scores = rescore(self._queries, rows, self._passages, found).astype(np.float32)
        # Sorts each row; NaN, which is padding, comes last.
        order = np.lexsort((found, -scores))
        return np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)

    def _cells(self, index: faiss.Index) -> int | None:
        """Returns the number of cells of an IVF index; None for another kind of index."""
        ivf = self._faiss.try_extract_index_ivf(index)
        return None if ivf is None else int(ivf.nlist)

    def _build(self, index: faiss.Index) -> None:
        rows, cells = np.arange(len(self._passages)), self._cells(index) or 0
        if self._factory.startswith("cagra"):
            # A CAGRA graph is built from all vectors at once; none can be added later.
            index.train(self._passages.rows(rows))
            return
        with _one_thread(self._faiss) if re.search("HNSW|NSG", self._factory) else nullcontext():
            if not index.is_trained:
                index.train(self._sample(cells))
            for start in range(0, len(rows), _ADDED_AT_ONCE):
                index.add(self._passages.rows(rows[start : start + _ADDED_AT_ONCE]))

    def _sample(self, cells: int) -> Float32Array:
        """Returns as many passages as training can use, the same ones every time."""
        wanted = _SAMPLES_PER_CENTROID * max(cells, _CODEBOOK)
        count = len(self._passages)
        if wanted >= count:
            chosen = np.arange(count)
        else:
            chosen = np.sort(np.random.default_rng(0).choice(count, wanted, replace=False))
        return self._passages.rows(chosen)

    def _copy_to_gpu(self) -> faiss.Index | None:
        """Copies the index to all GPUs; None if there is no GPU, or if FAISS cannot copy this kind of index."""
        # A CAGRA graph is built on a GPU.
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
        """Raises FAISS's complaint about the user's options as a SearchError."""
        try:
            yield
        except RuntimeError as error:
            raise SearchError(f"{what}: {_own_words(error)}") from error


def cagra_index(library: ModuleType, dimension: int, links: int) -> faiss.Index:
    """Returns an empty CAGRA graph on a GPU.

    Raises
    ------
    SearchError
        The installed FAISS has no CAGRA.
    """
    if not hasattr(library, "GpuIndexCagra"):
        message = "CAGRA needs a GPU and faiss-gpu-cuvs; without them, use 'hnsw32' or 'ivf4096'"
        raise SearchError(message, argument="index")
    config = library.GpuIndexCagraConfig()
    config.graph_degree, config.intermediate_graph_degree = links, 2 * links
    resources = library.StandardGpuResources()
    index: faiss.Index = library.GpuIndexCagra(resources, dimension, library.METRIC_INNER_PRODUCT, config)
    return index


def _factory_string(factory: str) -> str:
    """Returns FAISS's factory string for one of our short names; any other string is returned as it is."""
    if factory == "flat":
        return "Flat"
    short = re.fullmatch(r"(ivf|hnsw)(\d+)", factory)
    return f"{short[1].upper()}{short[2]},SQfp16" if short else factory


def _own_words(error: RuntimeError) -> str:
    """Returns FAISS's message without the C++ signature and source line that it starts with."""
    return re.sub(r"^Error in .* at \S+:\d+: ", "", str(error), flags=re.DOTALL)


@contextmanager
def _one_thread(faiss: ModuleType) -> Iterator[None]:
    """Makes FAISS use a single thread."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)

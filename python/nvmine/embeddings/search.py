"""Searches every query below its own ceiling, and applies the rule to what is found.

A row of the result is one query with one anchor. Rows are searched together, as many as fit the memory budget, and each
search asks for just as many survivors as decide the negatives. If equal passages or near-duplicates use up some of
them, that row alone is searched again, deeper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nvmine.embeddings.classes import Classes
from nvmine.embeddings.collection import Collection
from nvmine.embeddings.parts import Parts
from nvmine.errors import NvmineError, SearchError
from nvmine.inputs.keys import Keys, named
from nvmine.inputs.rows import Rows, offsets_of
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.rule import Request, apply, complete_account, outline, search_ceilings
from nvmine.search import BoundedResult, Target, rescore, search_blocks

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

# How much deeper a row is searched again.
_DEEPER = 4


@dataclass(frozen=True, slots=True)
class Searching:
    """How to search.

    Parameters
    ----------
    memory
        Bytes for blocks and results.
    cosine
        Whether to compare by cosine; else by dot product.
    device
        Torch devices to multiply on. None: the core multiplies, on the CPU.
    threads
        Number of threads of the core. None: as many as the process may use.
    kept
        Number of each query's best passages to keep besides, whatever the policy.
    """

    memory: int
    cosine: bool
    device: str | Sequence[str] | None
    threads: int | None
    kept: int


def mine_collection(collection: Collection, policy: Policy, searching: Searching) -> Negatives:
    """Returns the negatives of all queries."""
    numbers = collection.positives.row_of()
    scores = rescore(
        collection.queries, numbers, collection.corpus, collection.positives.values[:, None], cosine=searching.cosine
    )
    _refuse_infinite(collection, numbers, scores[:, 0])
    anchors = Rows(scores[:, 0], None, collection.positives.ragged_offsets())
    return _Mining(collection, policy, searching, anchors).negatives()


def _refuse_infinite(collection: Collection, queries: Int64Array, scores: Float64Array) -> None:
    wrong = np.flatnonzero(~np.isfinite(scores))
    if wrong.size:
        row, passage = int(queries[wrong[0]]), int(collection.positives.values[wrong[0]])
        of_query = not np.isfinite(collection.queries.rows(np.array([row]))).all()
        what, number = ("query", row) if of_query else ("passage", passage)
        raise SearchError(f"{what} vector has a component that is NaN or infinite", row=number)


class _Mining:
    """One policy for one collection."""

    def __init__(self, collection: Collection, policy: Policy, searching: Searching, anchors: Rows) -> None:
        self._collection, self._policy, self._searching, self._anchors = collection, policy, searching, anchors
        self._floor = -np.inf if policy.min_score is None else float(policy.min_score)
        self._classes = None if collection.classes is None else Classes(collection.classes)
        count, decisive = len(collection.corpus), policy.decisive
        self._needed = count if decisive is None else min(decisive, count)

    def negatives(self) -> Negatives:
        """Mines every row, as many at once as the memory budget allows."""
        with self._named(np.arange(len(self._collection.queries))):
            ceilings = outline(self._anchors, self._policy)
        parts = Parts(ceilings, self._collection, self._policy.n, self._searching.kept)
        rows, depth = np.arange(len(ceilings)), self._needed
        while rows.size:
            # A list grows to twice its depth, and is copied out in the end.
            step = max(1, self._searching.memory // 3 // (64 * max(1, depth + self._searching.kept)))
            hungry = [self._mine(parts, rows[start : start + step], depth) for start in range(0, len(rows), step)]
            rows, depth = np.concatenate(hungry), min(_DEEPER * depth, len(self._collection.corpus))
        return parts.negatives(self._anchors)

    def _mine(self, parts: Parts, rows: Int64Array, depth: int) -> Int64Array:
        """Mines some rows from the best `depth` survivors each, and returns the rows that need more of them."""
        collection = self._collection
        queries, bounds = parts.outline.queries[rows], search_ceilings(parts.outline.ceilings[rows])
        excluded = self._excluded(queries)
        searching = self._searching
        # The first search has kept the best passages already.
        kept = searching.kept if depth == self._needed else 0
        target = Target(depth, bounds, self._floor, (excluded.ragged_offsets(), excluded.values), kept)
        found = search_blocks(
            collection.queries,
            queries,
            collection.corpus,
            target,
            memory=searching.memory,
            cosine=searching.cosine,
            device=searching.device,
            threads=searching.threads,
        )
        if kept:
            parts.keep(queries, found)
        is_all = found.ids[:, -1:].max(axis=1, initial=-1) < 0
        shadowed = self._shadowed(queries, bounds, found)
        found.ids[shadowed] = -1
        fed = is_all | self._fed(parts, rows, found, depth)
        found, shadowed = found.take(fed), shadowed[fed].sum(axis=1)
        negatives = self._rule(parts, rows[fed], found, self._policy)
        excluded = excluded.take(np.flatnonzero(fed))
        account = self._whole_account(negatives, found, shadowed, bounds[fed], excluded, queries[fed])
        parts.put(rows[fed], negatives, account)
        hungry: Int64Array = rows[~fed]
        return hungry

    def _shadowed(self, queries: Int64Array, ceilings: Float64Array, found: BoundedResult) -> npt.NDArray[np.bool_]:
        """Returns which of the found passages equal a passage at or above the ceiling, which scores better."""
        shadowed = np.zeros(found.ids.shape, np.bool_)
        if self._classes is not None:
            collection, cosine = self._collection, self._searching.cosine

            def is_high(rows: Int64Array, ids: Int64Array) -> npt.NDArray[np.bool_]:
                scores = rescore(collection.queries, queries[rows], collection.corpus, ids[:, None], cosine=cosine)
                high: npt.NDArray[np.bool_] = scores[:, 0] >= ceilings[rows]
                return high

            rows, places = np.nonzero(found.ids >= 0)
            shadowed[rows, places] = self._classes.any_equal(rows, found.ids[rows, places], is_high)
        return shadowed

    def _fed(self, parts: Parts, rows: Int64Array, found: BoundedResult, depth: int) -> npt.NDArray[np.bool_]:
        """Returns which rows no deeper survivor could change."""
        collection = self._collection
        if depth == len(collection.corpus) or (collection.classes is None and collection.texts is None):
            return np.ones(len(rows), np.bool_)
        # A row that is short now may find more.
        negatives = self._rule(parts, rows, found, replace(self._policy, on_short="keep"))
        fed: npt.NDArray[np.bool_] = negatives.audit.survivors >= self._needed
        return fed

    def _rule(self, parts: Parts, rows: Int64Array, found: BoundedResult, policy: Policy) -> Negatives:
        """Applies the policy to what was found for some rows."""
        collection, outline = self._collection, parts.outline
        queries = outline.queries[rows]
        anchors = self._anchors.take(queries)
        if policy.anchor == "each":
            places = self._anchors.ragged_offsets()[queries] + outline.positives[rows]
            anchors, policy = Rows(self._anchors.values[places], (len(rows), 1), None), replace(policy, anchor="min")
        texts = None
        if collection.texts is not None:
            passages, own = collection.texts
            texts = passages, None if own is None else own.take(queries)
        keys = queries.astype(np.uint64) if collection.keys is None else collection.keys.keys[queries]
        request = Request(
            scores=Rows.of_matrix(found.scores),
            pos_scores=anchors,
            ids=Rows.of_matrix(found.ids),
            pos_ids=collection.positives.take(queries),
            exclude_ids=collection.exclude.take(queries),
            keys=Keys(keys, keys),
            classes=collection.classes,
            texts=texts,
        )
        with self._named(queries):
            return apply(request, policy, threads=self._searching.threads)

    def _excluded(self, queries: Int64Array) -> Rows:
        """Returns the passages that each query excludes, ascending: the named ones, and all that equal one of them."""
        collection, count = self._collection, len(self._collection.corpus)
        pairs = []
        for listed in (collection.positives.take(queries), collection.exclude.take(queries)):
            row_of, ids = listed.row_of(), listed.values
            if self._classes is not None:
                equal = self._classes.equal_to(ids)
                row_of, ids = row_of[equal.row_of()], equal.values
            pairs.append(row_of * count + ids)
        row_of, ids = np.divmod(np.unique(np.concatenate(pairs)), max(1, count))
        return Rows(ids, None, offsets_of(np.bincount(row_of, minlength=len(queries))))

    def _whole_account(
        self,
        negatives: Negatives,
        found: BoundedResult,
        shadowed: Int64Array,
        ceilings: Float64Array,
        excluded: Rows,
        queries: Int64Array,
    ) -> Int64Array:
        """Returns the account of every passage of the corpus, not only of the found ones."""
        collection, cosine = self._collection, self._searching.cosine
        per_row, row_of = np.diff(excluded.ragged_offsets()), excluded.row_of()
        ids = excluded.values[:, None]
        scores = rescore(collection.queries, queries[row_of], collection.corpus, ids, cosine=cosine)[:, 0]
        is_high = scores >= ceilings[row_of]
        is_low = ~is_high & (scores < self._floor)
        # The search counts excluded passages by their score, but the rule rejects them as positives.
        audit = complete_account(
            negatives.audit,
            self._policy,
            np.full(len(queries), len(collection.corpus)),
            has_anchor=~np.isneginf(ceilings),
            too_high=found.too_high - np.bincount(row_of[is_high], minlength=len(queries)),
            others={
                "positive": per_row,
                "duplicate": shadowed,
                "floor": found.too_low - np.bincount(row_of[is_low], minlength=len(queries)),
            },
        )
        return audit.rejected  # type: ignore[return-value] # reasons are counted

    @contextmanager
    def _named(self, queries: Int64Array) -> Iterator[None]:
        """Makes errors name a query as the caller does."""
        try:
            yield
        except NvmineError as error:
            if error.row is None or error.row >= len(queries):
                raise
            raise named(error, int(queries[error.row]), self._collection.keys) from None

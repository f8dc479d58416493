"""Every query searched below its own ceiling, and the rule applied to what is found.

A row of the result is a query against one anchor. Rows are searched together, as many as the budget holds the results
of; each finds as many survivors as decide about its negatives. Where equal passages or near-duplicates take the place
of some, that row alone is searched for more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nvmine.audit import REASONS
from nvmine.embeddings.classes import Classes
from nvmine.embeddings.collection import Collection
from nvmine.embeddings.parts import Parts
from nvmine.errors import NvmineError, SearchError
from nvmine.inputs.keys import named
from nvmine.inputs.rows import Rows, offsets_of
from nvmine.mining import mine
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.search import Found, Sought, rescore, search_blocks

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

# How much deeper a row is searched again.
_DEEPER = 4


@dataclass(frozen=True, slots=True)
class Searching:
    """How to search.

    `memory` is for blocks and results, in bytes; torch multiplies on a `device` or several, if any are named; so many
    of each query's best are `kept`.
    """

    memory: int
    cosine: bool
    device: str | Sequence[str] | None
    threads: int | None
    kept: int


def mine_collection(collection: Collection, policy: Policy, searching: Searching) -> Negatives:
    """The negatives of all queries."""
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
        self._beyond = "not_sampled" if policy.resolved()["pool"] is None else "beyond_pool"
        self._classes = None if collection.classes is None else Classes(collection.classes)
        count, decisive = len(collection.corpus), policy.decisive
        self._needed = count if decisive is None else min(decisive, count)

    def negatives(self) -> Negatives:
        """Mines every row, as many at once as the budget allows."""
        queries = np.arange(len(self._collection.queries))
        nothing = Rows(np.empty(0), (len(queries), 0), None)
        # Without candidates: which rows there will be, and their ceilings.
        with self._named(queries):
            outline = mine(nothing, self._anchors, policy=replace(self._policy, on_short="keep", near_duplicate=None))
        parts = Parts(outline, self._collection, self._policy.n, self._searching.kept)
        rows, depth = np.arange(len(outline)), self._needed
        while rows.size:
            # A list while it grows to twice its depth and is copied out.
            step = max(1, self._searching.memory // 3 // (64 * max(1, depth + self._searching.kept)))
            hungry = [self._mine(parts, rows[start : start + step], depth) for start in range(0, len(rows), step)]
            rows, depth = np.concatenate(hungry), min(_DEEPER * depth, len(self._collection.corpus))
        return parts.negatives(self._anchors)

    def _mine(self, parts: Parts, rows: Int64Array, depth: int) -> Int64Array:
        """Mines some rows from so many survivors each, and gives those for which that is too few."""
        collection = self._collection
        queries, ceilings = parts.outline.queries[rows], parts.outline.ceilings[rows]
        excluded = self._excluded(queries)
        # A query that is skipped, having no positive, has no ceiling: nothing is looked for.
        bounds = np.where(np.isnan(ceilings), -np.inf, ceilings)
        searching = self._searching
        # Who is searched again, deeper, has those to keep already.
        kept = searching.kept if depth == self._needed else 0
        sought = Sought(depth, bounds, self._floor, (excluded.ragged_offsets(), excluded.values), kept)
        found = search_blocks(
            collection.queries,
            queries,
            collection.corpus,
            sought,
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

    def _shadowed(self, queries: Int64Array, ceilings: Float64Array, found: Found) -> npt.NDArray[np.bool_]:
        """Which of the found passages are one with a passage at or above the ceiling, the better of the two."""
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

    def _fed(self, parts: Parts, rows: Int64Array, found: Found, depth: int) -> npt.NDArray[np.bool_]:
        """The rows that no deeper survivor could change."""
        collection = self._collection
        if depth == len(collection.corpus) or (collection.classes is None and collection.texts is None):
            return np.ones(len(rows), np.bool_)
        # A row that is short now may still be fed.
        negatives = self._rule(parts, rows, found, replace(self._policy, on_short="keep"))
        fed: npt.NDArray[np.bool_] = negatives.audit.survivors >= self._needed
        return fed

    def _rule(self, parts: Parts, rows: Int64Array, found: Found, policy: Policy) -> Negatives:
        """Negatives of some rows, from what was found for them."""
        collection, outline = self._collection, parts.outline
        queries = outline.queries[rows]
        anchors = self._anchors.take(queries)
        if policy.anchor == "each":
            places = self._anchors.ragged_offsets()[queries] + outline.positives[rows]
            anchors, policy = Rows(self._anchors.values[places], (len(rows), 1), None), replace(policy, anchor="min")
        passages, own = (None, None) if collection.texts is None else collection.texts
        with self._named(queries):
            return mine(
                found.scores,
                anchors,
                ids=found.ids,
                pos_ids=collection.positives.take(queries),
                exclude_ids=collection.exclude.take(queries),
                query_ids=queries if collection.keys is None else collection.keys.keys[queries],
                identity=collection.classes,
                passage_texts=passages,
                query_texts=None if own is None else own.take(queries),
                policy=policy,
                threads=self._searching.threads,
            )

    def _excluded(self, queries: Int64Array) -> Rows:
        """What each of the queries must not be given, ascending and once: all passages equal to one named."""
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
        found: Found,
        shadowed: Int64Array,
        ceilings: Float64Array,
        excluded: Rows,
        queries: Int64Array,
    ) -> Int64Array:
        """What became of every passage of the corpus, and not of the found ones alone."""
        collection, count = self._collection, len(self._collection.corpus)
        account = negatives.audit.by_reason
        per_row, row_of = np.diff(excluded.ragged_offsets()), excluded.row_of()
        ids, cosine = excluded.values[:, None], self._searching.cosine
        scores = rescore(collection.queries, queries[row_of], collection.corpus, ids, cosine=cosine)[:, 0]
        is_high = scores >= ceilings[row_of]
        is_low = ~is_high & (scores < self._floor)
        # Excluded passages are rejected as such, whatever they score.
        too_high = found.too_high - np.bincount(row_of[is_high], minlength=len(queries))
        too_low = found.too_low - np.bincount(row_of[is_low], minlength=len(queries))
        beyond = count - (found.ids >= 0).sum(axis=1) - shadowed - per_row - too_high - too_low
        for reason, more in (
            ("positive", per_row),
            ("duplicate", shadowed),
            ("floor", too_low),
            ("ceiling", np.where(np.isneginf(ceilings), 0, too_high)),
            ("no_anchor", np.where(np.isneginf(ceilings), too_high, 0)),
            (self._beyond, beyond),
            # Room for candidates that was not needed.
            ("padding", -account["padding"]),
        ):
            account[reason] = account[reason] + more
        return np.stack([account[reason] for reason in REASONS], axis=1)

    @contextmanager
    def _named(self, queries: Int64Array) -> Iterator[None]:
        """Errors name a query as the caller knows it."""
        try:
            yield
        except NvmineError as error:
            if error.row is None or error.row >= len(queries):
                raise
            raise named(error, int(queries[error.row]), self._collection.keys) from None

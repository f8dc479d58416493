"""Searches every query below its own ceiling, and applies the rule to the passages that are found.

A row of the result is one query with one anchor. As many rows as fit into the memory budget are searched together. The
first search asks for the number of survivors that decides the negatives (:attr:`nvmine.Policy.decisive`). If some of
those turn out to be duplicates or near-duplicates, the row may need more candidates. Only such rows are searched again,
deeper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nvmine.embeddings.classes import Classes
from nvmine.embeddings.collection import Collection
from nvmine.embeddings.mined_rows import MinedRows
from nvmine.errors import NvmineError, SearchError
from nvmine.inputs.keys import Keys, named
from nvmine.inputs.rows import Rows, offsets_of
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.rule import Request, apply, complete_account, outline, search_ceilings
from nvmine.search import BoundedResult, Target, rescore, search_blocks

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

# Factor by which the depth grows when a row is searched again.
_DEEPER = 4


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Options of the search.

    Parameters
    ----------
    memory
        Budget for blocks and results, in bytes.
    cosine
        Whether to compare by cosine; else by dot product.
    device
        Torch devices that multiply. None: the core multiplies, on the CPU.
    threads
        Number of threads of the core. None: as many as the process may use.
    kept
        Number of each query's best passages to keep too, whatever the policy.
    """

    memory: int
    cosine: bool
    device: str | Sequence[str] | None
    threads: int | None
    kept: int


def mine_collection(collection: Collection, policy: Policy, options: SearchOptions) -> Negatives:
    """Returns the negatives of all queries.

    Raises
    ------
    SearchError
        A vector of a query or of a positive has a component that is not finite.
    """
    numbers = collection.positives.row_of()
    scores = rescore(
        collection.queries, numbers, collection.corpus, collection.positives.values[:, None], cosine=options.cosine
    )
    _require_finite_scores(collection, numbers, scores[:, 0])
    pos_scores = Rows(scores[:, 0], None, collection.positives.ragged_offsets())
    return _Miner(collection, policy, options, pos_scores).negatives()


def _require_finite_scores(collection: Collection, queries: Int64Array, scores: Float64Array) -> None:
    wrong = np.flatnonzero(~np.isfinite(scores))
    if wrong.size:
        row, passage = int(queries[wrong[0]]), int(collection.positives.values[wrong[0]])
        of_query = not np.isfinite(collection.queries.rows(np.array([row]))).all()
        what, number = ("query", row) if of_query else ("passage", passage)
        raise SearchError(f"{what} vector has a component that is NaN or infinite", row=number)


class _Miner:
    """Mines a collection with a policy, given the scores of the positives."""

    def __init__(self, collection: Collection, policy: Policy, options: SearchOptions, pos_scores: Rows) -> None:
        self._collection, self._policy, self._options, self._pos_scores = collection, policy, options, pos_scores
        self._floor = -np.inf if policy.min_score is None else float(policy.min_score)
        self._classes = None if collection.classes is None else Classes(collection.classes)
        count, decisive = len(collection.corpus), policy.decisive
        self._needed = count if decisive is None else min(decisive, count)

    def negatives(self) -> Negatives:
        """Mines all rows, as many at a time as the memory budget allows, and those that need more candidates again."""
        with self._naming_queries(np.arange(len(self._collection.queries))):
            rows_of_result = outline(self._pos_scores, self._policy)
        results = MinedRows(rows_of_result, self._collection, self._policy.n, self._options.kept)
        rows, depth = np.arange(len(rows_of_result)), self._needed
        while rows.size:
            # A list grows to twice its depth during the search, and is copied at the end.
            step = max(1, self._options.memory // 3 // (64 * max(1, depth + self._options.kept)))
            undecided = [self._mine(results, rows[start : start + step], depth) for start in range(0, len(rows), step)]
            rows, depth = np.concatenate(undecided), min(_DEEPER * depth, len(self._collection.corpus))
        return results.negatives(self._pos_scores)

    def _mine(self, results: MinedRows, rows: Int64Array, depth: int) -> Int64Array:
        """Mines some rows from the best `depth` survivors of each, and returns the rows that need more candidates."""
        collection = self._collection
        queries, bounds = results.outline.queries[rows], search_ceilings(results.outline.ceilings[rows])
        excluded = self._excluded(queries)
        options = self._options
        # The first search keeps the best passages; deeper ones need not find them again.
        kept = options.kept if depth == self._needed else 0
        target = Target(depth, bounds, self._floor, (excluded.ragged_offsets(), excluded.values), kept)
        found = search_blocks(
            collection.queries,
            queries,
            collection.corpus,
            target,
            memory=options.memory,
            cosine=options.cosine,
            device=options.device,
            threads=options.threads,
        )
        if kept:
            results.keep(queries, found)
        is_all = found.ids[:, -1:].max(axis=1, initial=-1) < 0
        outranked = self._outranked(queries, bounds, found)
        found.ids[outranked] = -1
        decided = is_all | self._is_decided(results, rows, found, depth)
        found, outranked = found.take(decided), outranked[decided].sum(axis=1)
        negatives = self._apply_rule(results, rows[decided], found, self._policy)
        excluded = excluded.take(np.flatnonzero(decided))
        account = self._corpus_account(negatives, found, outranked, bounds[decided], excluded, queries[decided])
        results.put(rows[decided], negatives, account)
        undecided: Int64Array = rows[~decided]
        return undecided

    def _outranked(self, queries: Int64Array, ceilings: Float64Array, found: BoundedResult) -> npt.NDArray[np.bool_]:
        """Returns which of the found passages have a passage of their identity class at or above the ceiling.

        That passage scores better and stands for the whole class, so they are its duplicates.
        """
        outranked = np.zeros(found.ids.shape, np.bool_)
        if self._classes is not None:
            collection, cosine = self._collection, self._options.cosine

            def is_high(rows: Int64Array, ids: Int64Array) -> npt.NDArray[np.bool_]:
                scores = rescore(collection.queries, queries[rows], collection.corpus, ids[:, None], cosine=cosine)
                high: npt.NDArray[np.bool_] = scores[:, 0] >= ceilings[rows]
                return high

            rows, places = np.nonzero(found.ids >= 0)
            outranked[rows, places] = self._classes.any_equal(rows, found.ids[rows, places], is_high)
        return outranked

    def _is_decided(
        self, results: MinedRows, rows: Int64Array, found: BoundedResult, depth: int
    ) -> npt.NDArray[np.bool_]:
        """Returns which rows a deeper search cannot change."""
        collection = self._collection
        if depth == len(collection.corpus) or (collection.classes is None and collection.texts is None):
            return np.ones(len(rows), np.bool_)
        # A row that is short at this depth may still be filled by a deeper search, so it must not raise yet.
        negatives = self._apply_rule(results, rows, found, replace(self._policy, on_short="keep"))
        decided: npt.NDArray[np.bool_] = negatives.audit.survivors >= self._needed
        return decided

    def _apply_rule(self, results: MinedRows, rows: Int64Array, found: BoundedResult, policy: Policy) -> Negatives:
        """Applies the policy to the passages that were found for some rows."""
        collection, outline = self._collection, results.outline
        queries = outline.queries[rows]
        pos_scores = self._pos_scores.take(queries)
        if policy.anchor == "each":
            places = self._pos_scores.ragged_offsets()[queries] + outline.positives[rows]
            pos_scores = Rows(self._pos_scores.values[places], (len(rows), 1), None)
            policy = replace(policy, anchor="min")
        texts = None
        if collection.texts is not None:
            passages, own = collection.texts
            texts = passages, None if own is None else own.take(queries)
        keys = queries.astype(np.uint64) if collection.keys is None else collection.keys.keys[queries]
        request = Request(
            scores=Rows.of_matrix(found.scores),
            pos_scores=pos_scores,
            ids=Rows.of_matrix(found.ids),
            pos_ids=collection.positives.take(queries),
            exclude_ids=collection.exclude.take(queries),
            keys=Keys(keys, keys),
            classes=collection.classes,
            texts=texts,
        )
        with self._naming_queries(queries):
            return apply(request, policy, threads=self._options.threads)

    def _excluded(self, queries: Int64Array) -> Rows:
        """Returns the excluded passages of each query, ascending: those that are listed, and all of their classes."""
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

    def _corpus_account(
        self,
        negatives: Negatives,
        found: BoundedResult,
        outranked: Int64Array,
        ceilings: Float64Array,
        excluded: Rows,
        queries: Int64Array,
    ) -> Int64Array:
        """Returns the counts by reason of all passages of the corpus, not only of those that were found."""
        collection, cosine = self._collection, self._options.cosine
        per_row, row_of = np.diff(excluded.ragged_offsets()), excluded.row_of()
        ids = excluded.values[:, None]
        scores = rescore(collection.queries, queries[row_of], collection.corpus, ids, cosine=cosine)[:, 0]
        is_high = scores >= ceilings[row_of]
        is_low = ~is_high & (scores < self._floor)
        # The search has counted excluded passages as too high or too low, but the rule rejects them as positives first.
        audit = complete_account(
            negatives.audit,
            self._policy,
            np.full(len(queries), len(collection.corpus)),
            has_anchor=~np.isneginf(ceilings),
            too_high=found.too_high - np.bincount(row_of[is_high], minlength=len(queries)),
            others={
                "positive": per_row,
                "duplicate": outranked,
                "floor": found.too_low - np.bincount(row_of[is_low], minlength=len(queries)),
            },
        )
        return audit.rejected  # type: ignore[return-value] # reasons are counted

    @contextmanager
    def _naming_queries(self, queries: Int64Array) -> Iterator[None]:
        """Gives errors the row and the name of the query that the caller knows."""
        try:
            yield
        except NvmineError as error:
            if error.row is None or error.row >= len(queries):
                raise
            raise named(error, int(queries[error.row]), self._collection.keys) from None

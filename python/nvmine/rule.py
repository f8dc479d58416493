"""Applies the mining rule; this is the only module that calls ``_core.mine``.

:func:`apply` picks negatives from candidates. :func:`outline` computes the ceilings before any candidate is known, so
that a search can look below them. :func:`complete_account` extends the audit of a few candidates to all candidates of a
query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.audit import REASONS, Audit
from nvmine.errors import NvmineError
from nvmine.inputs.keys import Keys, named
from nvmine.inputs.rows import Rows, signed, widened
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.shingles import Shingles

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Candidates and positives of some queries, read and checked.

    Parameters
    ----------
    scores, pos_scores
        Scores of the candidates and of the positives, one row for each query.
    ids
        Ids of the candidates, in the layout of `scores`. None: the column numbers.
    pos_ids, exclude_ids
        Ids that never become negatives, one row for each query.
    keys
        Keys of the queries for random draws, and their names in messages. None: the row numbers.
    classes
        int64, indexed by id: passages with equal numbers count as the same passage.
    texts
        Shingles of the passages, indexed by id, and of the queries. None if the policy does not compare texts.
    """

    scores: Rows
    pos_scores: Rows
    ids: Rows | None = None
    pos_ids: Rows | None = None
    exclude_ids: Rows | None = None
    keys: Keys | None = None
    classes: Int64Array | None = None
    texts: tuple[Shingles, Shingles | None] | None = None


def apply(
    request: Request, policy: Policy, *, ranks: bool = False, reasons: bool = True, threads: int | None = None
) -> Negatives:
    """Applies the policy to every query. O(candidates).

    Parameters
    ----------
    request
        Candidates and positives.
    policy
        The rule.
    ranks
        Whether to rank the negatives among the query's candidates.
    reasons
        Whether to count rejected candidates by reason; else only in total.
    threads
        Number of threads. None: as many as the process may use.

    Raises
    ------
    NvmineError
        A query cannot be mined; the error has its row and its name.
    """
    pos_ids = _listed(request.pos_ids)
    exclusions = [rows for rows in (pos_ids, _listed(request.exclude_ids)) if rows is not None]
    texts = None
    if request.texts is not None:
        passages, queries = request.texts
        texts = (_hashes(passages), None if queries is None else _hashes(queries), pos_ids)
    keys = request.keys
    try:
        result = _core.mine(
            policy.compile(),
            request.scores.values,
            layout=request.scores.layout,
            ids=None if request.ids is None else request.ids.values,
            pos_scores=widened(request.pos_scores.values),
            pos_layout=request.pos_scores.layout,
            exclusions=exclusions,
            classes=request.classes,
            keys=None if keys is None else keys.keys,
            texts=texts,
            ranks=ranks,
            reasons=reasons,
            threads=threads,
        )
    except NvmineError as error:
        if error.row is None or keys is None or error.row >= len(keys.names):
            raise
        raise named(error, error.row, keys) from None
    queries_of, positives_of = _result_rows(request.pos_scores, each=policy.anchor == "each")
    return Negatives(
        ids=result["ids"],
        scores=result["scores"],
        counts=result["counts"],
        ceilings=result["ceilings"],
        queries=queries_of,
        positives=positives_of,
        audit=Audit(result["candidates"], result["counts"], result.get("rejected")),
        ranks=result.get("ranks"),
    )


def outline(pos_scores: Rows, policy: Policy, *, keys: Keys | None = None, threads: int | None = None) -> Negatives:
    """Returns the result of queries without any candidates: its rows and their ceilings, known before a search.

    The ceiling of a query that is skipped because it has no positive is NaN.

    Raises
    ------
    NvmineError
        A query has no positive, or a positive's score is not finite.
    """
    nothing = Rows(np.empty(0), (len(pos_scores), 0), None)
    plain = replace(policy, on_short="keep", near_duplicate=None)
    return apply(Request(scores=nothing, pos_scores=pos_scores, keys=keys), plain, threads=threads)


def search_ceilings(ceilings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the ceilings for a search. NaN, that of a skipped query, becomes -inf, so that nothing is below it."""
    return np.where(np.isnan(ceilings), -np.inf, ceilings)


def complete_account(
    found: Audit,
    policy: Policy,
    candidates: Int64Array,
    *,
    has_anchor: npt.NDArray[np.bool_],
    too_high: Int64Array,
    others: Mapping[str, Int64Array],
) -> Audit:
    """Extends the audit of the candidates that a search found to all candidates.

    Candidates that no count includes are survivors too far down to be picked. They are ``beyond_pool``, or
    ``not_sampled`` if the pool of the policy is all survivors.

    Parameters
    ----------
    found
        Audit of the candidates that were found, by reason. Its padding is ignored.
    policy
        The rule.
    candidates
        int64 of shape (R,): number of all candidates of each row.
    has_anchor
        bool of shape (R,): False for a skipped query, whose remaining candidates are all rejected as ``no_anchor``.
    too_high
        int64 of shape (R,): number of candidates at or above the ceiling that were not found.
    others
        For further reasons, int64 of shape (R,): number of candidates that were not found and are rejected for it.

    Returns
    -------
    Audit
        Counts by reason of all candidates.
    """
    account = dict(found.by_reason)
    added = {
        **others,
        "ceiling": np.where(has_anchor, too_high, 0),
        "no_anchor": np.where(has_anchor, 0, too_high),
        "padding": -account["padding"],
    }
    for reason, count in added.items():
        account[reason] = account[reason] + count
    unreached = "not_sampled" if policy.resolved()["pool"] is None else "beyond_pool"
    account[unreached] = account[unreached] + candidates - found.emitted - sum(account.values())
    return Audit(candidates, found.emitted, np.stack([account[reason] for reason in REASONS], axis=1))


def _listed(rows: Rows | None) -> tuple[tuple[int, int] | Int64Array, Int64Array] | None:
    return None if rows is None else (rows.layout, signed(rows.values))


def _hashes(shingles: Shingles) -> tuple[Int64Array, npt.NDArray[np.uint64]]:
    return shingles.offsets, shingles.values


def _result_rows(positives: Rows, *, each: bool) -> tuple[Int64Array, Int64Array]:
    """Returns the query of every row of the result, and the place of the anchor among its positives or -1."""
    if not each:
        return np.arange(len(positives), dtype=np.int64), np.full(len(positives), -1, np.int64)
    offsets, queries = positives.ragged_offsets(), positives.row_of()
    return queries, np.arange(len(queries), dtype=np.int64) - (offsets[:-1] - offsets[0])[queries]

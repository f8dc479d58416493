"""Filters score matrices on a GPU, so that only a shortlist of each row is copied to the CPU.

Only the best few scores of a row that lie below its ceiling can become negatives. The device finds those and counts the
others by reason. Scores are compared as given, without rounding, so the result equals that of the whole matrix, audit
included, while a few numbers for each query are copied instead of one for each passage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nvmine.audit import Audit
from nvmine.devices import rounded_up
from nvmine.errors import ShapeError
from nvmine.inputs.keys import Keys
from nvmine.inputs.read import read_lists
from nvmine.inputs.rows import Rows, offsets_of, signed
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.rule import Request, apply, complete_account, outline, search_ceilings

if TYPE_CHECKING:
    import torch

Int64Array = npt.NDArray[np.int64]

# Number of scores in a block. The device holds a few copies of a block at a time.
_AT_ONCE = 1 << 26
# A shortlist pays off only if a row has at least this many times as many columns.
_LEAST_GAIN = 4


def needed(scores: Any, policy: Policy) -> int | None:
    """Returns the length of a shortlist that decides each row, or None if no shortlist should be made.

    A shortlist needs a floating-point torch matrix on a GPU, a policy that a fixed number of survivors decides, and
    rows that are much longer than that number.
    """
    if type(scores).__module__.partition(".")[0] != "torch" or not is_elsewhere(scores) or scores.ndim != 2:
        return None
    is_simple = policy.anchor != "each" and policy.near_duplicate is None and scores.is_floating_point()
    depth = policy.decisive
    if depth is None or not is_simple:
        return None
    return depth if depth * _LEAST_GAIN <= scores.shape[1] else None


def is_elsewhere(scores: torch.Tensor) -> bool:
    """Returns whether the scores lie on a device with its own memory."""
    return bool(scores.device.type == "cuda")


def mine_shortlist(
    scores: torch.Tensor,
    pos_scores: Rows,
    depth: int,
    *,
    pos_ids: Any,
    exclude_ids: Any,
    keys: Keys | None,
    policy: Policy,
    reasons: bool,
    threads: int | None,
) -> Negatives:
    """Mines a matrix whose columns are the passages, given that the best `depth` survivors decide each row.

    The result equals that of :func:`nvmine.mine` on the CPU.
    """
    queries, width = scores.shape
    if len(pos_scores) != queries:
        raise ShapeError(f"pos_scores has {len(pos_scores)} rows for {queries} queries")
    listed = [read_lists("pos_ids", pos_ids, queries), read_lists("exclude_ids", exclude_ids, queries)]
    ceilings = outline(pos_scores, policy, keys=keys, threads=threads).ceilings
    floor = -np.inf if policy.min_score is None else float(policy.min_score)
    found = cut(scores.detach(), search_ceilings(ceilings), floor, depth, _pairs(listed, width))
    offsets = offsets_of(found.counts)
    request = Request(
        scores=Rows(found.scores, None, offsets), pos_scores=pos_scores, ids=Rows(found.ids, None, offsets), keys=keys
    )
    negatives = apply(request, policy, reasons=reasons, threads=threads)
    candidates = np.full(queries, width)
    if not reasons:
        return replace(negatives, audit=Audit(candidates, negatives.counts, None))
    audit = complete_account(
        negatives.audit,
        policy,
        candidates,
        has_anchor=~np.isnan(ceilings),
        too_high=found.too_high,
        others={"not_finite": found.not_finite, "positive": found.excluded, "floor": found.too_low},
    )
    return replace(negatives, audit=audit)


class Cut(NamedTuple):
    """The shortlist of each row, and the counts of all other scores by reason.

    Attributes
    ----------
    scores, ids
        Scores and columns of the shortlists, one row after the other.
    counts
        int64 of shape (rows,): length of each shortlist.
    not_finite
        int64 of shape (rows,): scores that are NaN or infinite.
    excluded
        int64 of shape (rows,): finite scores of excluded columns.
    too_high, too_low
        int64 of shape (rows,): other scores at or above the ceiling, and below the floor.
    """

    scores: npt.NDArray[np.floating]
    ids: Int64Array
    counts: Int64Array
    not_finite: Int64Array
    excluded: Int64Array
    too_high: Int64Array
    too_low: Int64Array


def cut(
    scores: torch.Tensor,
    ceilings: npt.NDArray[np.float64],
    floor: float,
    depth: int,
    excluded: tuple[Int64Array, Int64Array],
) -> Cut:
    """Cuts each row to its `depth` best scores between floor and ceiling, and all scores that tie with the last one.

    O(scores).

    Parameters
    ----------
    scores
        Matrix of scores, on its device.
    ceilings, floor
        Exclusive upper bound for each row, and inclusive lower bound for all.
    depth
        Length of the shortlist without ties.
    excluded
        Rows (ascending) and columns of scores to leave out, each pair once.
    """
    import torch

    rows, width = scores.shape
    step, parts = max(1, _AT_ONCE // max(1, width)), []
    for start in range(0, max(1, rows), step):
        block = scores[start : start + step]
        # float32 represents the shorter types exactly, and float64 stays as it is.
        block = block if block.dtype == torch.float64 else block.float()
        bounds = [_bounds(bound, block) for bound in (ceilings[start : start + step], np.array([floor]))]
        first, last = np.searchsorted(excluded[0], [start, start + step])
        where = [torch.from_numpy(side[first:last]).to(block.device) for side in excluded]
        where[0] = where[0] - start
        finite = block.isfinite()
        live = finite.clone()
        live[where[0], where[1]] = False
        high = (block >= bounds[0][:, None]).logical_and_(live)
        low = (block < bounds[1]).logical_and_(live).logical_and_(high.logical_not())
        live.logical_and_(high.logical_not()).logical_and_(low.logical_not())
        keep = live
        if width > depth:
            worst = block.where(live, -torch.inf).topk(depth, dim=1).values[:, -1:]
            keep = live.logical_and(block >= worst)
        row_of, ids = keep.nonzero(as_tuple=True)
        parts.append(
            (
                block[row_of, ids],
                ids,
                keep.sum(dim=1),
                finite.logical_not().sum(dim=1),
                torch.bincount(where[0][finite[where[0], where[1]]], minlength=len(block)),
                high.sum(dim=1),
                low.sum(dim=1),
            )
        )
    return Cut(*(torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True)))


def _bounds(bounds: npt.NDArray[np.float64], like: torch.Tensor) -> torch.Tensor:
    """Returns bounds in the type and on the device of `like`, such that the same values of `like` are below them."""
    import torch

    exact = like.dtype == torch.float64
    return torch.from_numpy(bounds if exact else rounded_up(bounds)).to(like.device)


def _pairs(lists: list[Rows | None], width: int) -> tuple[Int64Array, Int64Array]:
    """Returns the rows and columns of the listed ids, each pair once and in order, without ids that are not columns."""
    pairs = [np.empty(0, np.int64)]
    for rows in lists:
        if rows is not None:
            offsets = rows.ragged_offsets()
            ids = signed(rows.values)[offsets[0] : offsets[-1]]
            here = (ids >= 0) & (ids < width)
            pairs.append((rows.row_of() * width + ids)[here])
    row_of, ids = np.divmod(np.unique(np.concatenate(pairs)), max(1, width))
    return row_of, ids

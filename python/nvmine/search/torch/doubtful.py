"""Finds, on a torch device, the pairs of a product that are in doubt: the counterpart of the core's shortlist.

A product's score can lie some distance from the reported one (:meth:`Product.score_error`). Compared with bounds that
are moved outwards by this error, it decides most pairs. Only the others are scored again, by the core. On the axis of
one query's scores::

              low          low_end        floor                   ceiling
    -----------+--------------+-------------+------------------------+-----------> score of the product
     certainly |   in doubt:  |   certainly |       in doubt:        | certainly at
     below the |   below the  |   inside,   |    among the best?     | or above the
     floor of  |   floor of   |   but not   |   below the ceiling?   | ceiling
     the rule  |   the rule?  |   among the |                        |
               |              |   best      |                        |
     too_low                                                           too_high

`low` and `low_end` lie around the lowest score that the rule allows; without one, both are minus infinity. `floor` lies
just below the worst passage of the query's list, so it rises as the list fills. While it lies below `low_end`, the two
zones in doubt are one. Nearly all scores lie outside of both zones, so few pairs leave the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.devices import rounded_up

if TYPE_CHECKING:
    import torch

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

# Size of the groups of scores of which :func:`tightened` looks only at the largest.
_GROUP = 32


class Zones(NamedTuple):
    """The bounds that decide about the scores of each query, (queries,) on the device, rounded outwards to float32.

    Parameters
    ----------
    ceiling, floor, low, low_end
        See the diagram of this module.
    certain
        A score below this is certainly below the ceiling.
    enough
        int64: so many scores that are certainly below the ceiling fill the query's list; 0 if the list is full.
    twice_score_error
        Scores that lie further apart than this are certainly in the same order as the reported ones.
    has_floor
        Whether the rule has a lowest score.
    is_filling
        Whether any list is not full yet.
    """

    ceiling: torch.Tensor
    floor: torch.Tensor
    low: torch.Tensor
    low_end: torch.Tensor
    certain: torch.Tensor
    enough: torch.Tensor
    twice_score_error: torch.Tensor
    has_floor: bool
    is_filling: bool


class Doubtful(NamedTuple):
    """The pairs in doubt, and counts of those outside the bounds; int64 on the device.

    Parameters
    ----------
    counts
        (queries,): number of passages in doubt.
    places
        Places of these passages in the block, query by query.
    too_high, too_low
        (queries,): number of passages that are certainly at or above the ceiling, or certainly below the rule's floor.
    """

    counts: torch.Tensor
    places: torch.Tensor
    too_high: torch.Tensor
    too_low: torch.Tensor


def read_zones(
    best: _core.Best,
    score_error: Float64Array,
    exponents: Int64Array,
    device: torch.device,
    *,
    kept: bool,
    has_floor: bool,
) -> Zones:
    """Returns the zones of a product whose scores are divided by ``2**exponents``, from the lists so far."""
    import torch

    ceiling, floor, low, low_end, certain, enough = best.zones(score_error, kept=kept)
    there = [
        torch.from_numpy(_divided(zone, exponents, up=up)).to(device, non_blocking=True)
        for zone, up in ((ceiling, True), (floor, False), (low, False), (low_end, True), (certain, False))
    ]
    twice = torch.from_numpy(_divided(2 * score_error, exponents, up=True)).to(device, non_blocking=True)
    counts = torch.from_numpy(enough).to(device, non_blocking=True)
    ceiling_, floor_, low_, low_end_, certain_ = there
    return Zones(ceiling_, floor_, low_, low_end_, certain_, counts, twice, has_floor and not kept, bool(enough.any()))


def _divided(values: npt.NDArray[np.floating], exponents: Int64Array, *, up: bool) -> npt.NDArray[np.float32]:
    """Returns values divided by ``2**exponents``, rounded up or down to float32."""
    wide = np.ldexp(values.astype(np.float64), -exponents)
    return rounded_up(wide) if up else -rounded_up(-wide)


def doubtful(scores: torch.Tensor, zones: Zones) -> Doubtful:
    """Returns the pairs of a product, (queries, passages), that are in doubt. A NaN always is.

    O(queries x passages), with a second pass for lists that are not full.
    """
    import torch

    floor = tightened(scores, zones) if zones.is_filling else zones.floor
    high = scores > zones.ceiling[:, None]
    too_high = high.sum(dim=1)
    decided = (scores < floor[:, None]).logical_or_(high)
    del high
    if zones.has_floor:
        low = scores < zones.low[:, None]
        too_low = low.sum(dim=1)
        decided.logical_and_(low.logical_or_(scores > zones.low_end[:, None]))
    else:
        too_low = torch.zeros_like(too_high)
    rows, places = decided.logical_not_().nonzero(as_tuple=True)
    return Doubtful(torch.bincount(rows, minlength=len(scores)), places, too_high, too_low)


def tightened(scores: torch.Tensor, zones: Zones) -> torch.Tensor:
    """Returns the floors, raised for lists that are not full by what the block itself contains.

    Scores are split into groups. The k-th largest of the groups' maxima is at most the k-th largest score, and usually
    close to it, so at least k scores reach it. With k = `enough`, these fill the list.
    """
    import torch

    most, width = int(zones.enough.max()), scores.shape[1]
    group = min(_GROUP, width // (8 * most))
    if group < 1:
        if width < most:
            return zones.floor
        group = 1
    groups = width // group
    below = scores[:, : groups * group]
    below = below.where(below < zones.certain[:, None], -torch.inf).view(len(scores), groups, group)
    best = below.amax(dim=2).topk(most, dim=1).values
    last = best.gather(1, (zones.enough - 1).clamp(min=0)[:, None])[:, 0]
    worst = torch.nextafter(last - zones.twice_score_error, torch.full_like(last, -torch.inf))
    return torch.where(zones.enough > 0, torch.maximum(zones.floor, worst), zones.floor)

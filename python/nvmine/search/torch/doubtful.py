"""What a product leaves in doubt, found where the product is: the twin on torch's devices of the core's shortlist.

Nearly every score is worse than the worst passage that its query holds already, or above the ceiling. What is left is a
few pairs, and only those leave the device.
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

# Scores of which only the largest competes to be the last of the best.
_GROUP = 32


class Zones(NamedTuple):
    """What the scores of each query mean, (queries,) on the device; as ``_core.Best.zones``, with twice the reach.

    `has_floor` and `is_filling` say whether there is a floor, and a list that is not full yet.
    """

    ceiling: torch.Tensor
    floor: torch.Tensor
    low: torch.Tensor
    low_end: torch.Tensor
    certain: torch.Tensor
    enough: torch.Tensor
    twice_reach: torch.Tensor
    has_floor: bool
    is_filling: bool


class Doubtful(NamedTuple):
    """Pairs in doubt, by query: their number for each, and the passages' places; and how many others are outside.

    int64, on the device.
    """

    counts: torch.Tensor
    places: torch.Tensor
    too_high: torch.Tensor
    too_low: torch.Tensor


def read_zones(
    best: _core.Best, reach: Float64Array, exponents: Int64Array, device: torch.device, *, kept: bool, has_floor: bool
) -> Zones:
    """The zones of a product whose scores are divided by ``2**exponents``."""
    import torch

    ceiling, floor, low, low_end, certain, enough = best.zones(reach, kept=kept)
    there = [
        torch.from_numpy(_divided(zone, exponents, up=up)).to(device, non_blocking=True)
        for zone, up in ((ceiling, True), (floor, False), (low, False), (low_end, True), (certain, False))
    ]
    twice = torch.from_numpy(_divided(2 * reach, exponents, up=True)).to(device, non_blocking=True)
    counts = torch.from_numpy(enough).to(device, non_blocking=True)
    ceiling_, floor_, low_, low_end_, certain_ = there
    return Zones(ceiling_, floor_, low_, low_end_, certain_, counts, twice, has_floor and not kept, bool(enough.any()))


def _divided(values: npt.NDArray[np.floating], exponents: Int64Array, *, up: bool) -> npt.NDArray[np.float32]:
    """Values divided by ``2**exponents``, in float32, rounded outwards."""
    wide = np.ldexp(values.astype(np.float64), -exponents)
    return rounded_up(wide) if up else -rounded_up(-wide)


def doubtful(scores: torch.Tensor, zones: Zones) -> Doubtful:
    """The pairs of a product, (queries, passages), that are in doubt.

    A NaN says nothing. O(queries x passages); one more pass for lists that are not full.
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
    """Floors of lists that are not full, raised by what the block itself holds.

    The k-th largest of the largest scores of groups is at most the k-th largest score, and nearly that: enough scores
    are at least as good.
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
    worst = torch.nextafter(last - zones.twice_reach, torch.full_like(last, -torch.inf))
    return torch.where(zones.enough > 0, torch.maximum(zones.floor, worst), zones.floor)

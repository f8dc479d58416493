"""Which queries would starve on the candidates that they have, and the search below their ceiling that refills them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nvmine.inputs.rows import Rows
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.run.candidates.block import CandidateBlock
from nvmine.run.candidates.labels import Labels
from nvmine.search import ExhaustiveSearcher

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

# Positives, the query itself and equal passages lie below the ceiling too: a search asks for so many passages more.
_SPARE = 16
# How much deeper a query is searched again if that was too little.
_DEEPER = 4


def refill(
    block: CandidateBlock,
    exact: Callable[[], ExhaustiveSearcher],
    labels: Labels,
    policy: Policy,
    excluded: Callable[[CandidateBlock], Rows],
) -> CandidateBlock:
    """Returns the block with as many candidates as the policy needs, or as there are.

    Parameters
    ----------
    block
        The candidates of some queries.
    exact
        Makes the search that compares every passage; called only if a query needs it.
    labels
        The positives of the queries.
    policy
        The policy that needs the candidates.
    excluded
        Returns the passages that count as positives, given the candidates.
    """
    counts = np.diff(block.positives.ragged_offsets())
    # Counted for each query by itself, so that what is kept does not depend on which queries are searched together.
    wanted = policy.survivors_needed + counts + _SPARE
    while True:
        negatives = block.mine(labels, policy)
        starving = starving_results(block, negatives, policy)
        if not starving.size:
            return block
        block = _deepened(block, exact(), negatives, starving, wanted)
        block = replace(block, excluded=excluded(block))
        wanted = _DEEPER * wanted


def starving_results(block: CandidateBlock, negatives: Negatives, policy: Policy) -> Int64Array:
    """Returns the results that lack survivors although other candidates may lie below their ceiling."""
    enough = negatives.audit.survivors >= policy.survivors_needed
    # Candidates come best first: after one below the floor, all are.
    enough |= negatives.audit.by_reason["floor"] > 0
    # Without a positive there is no ceiling to search below.
    enough |= np.isnan(negatives.ceilings)
    return np.flatnonzero(~enough & ~block.exhausted[negatives.queries])


def _deepened(
    block: CandidateBlock,
    exact: ExhaustiveSearcher,
    negatives: Negatives,
    starving: Int64Array,
    wanted: Int64Array,
) -> CandidateBlock:
    """Returns the block with the best passages below the ceiling of each starving result, as many as `wanted`."""
    places, exhausted = negatives.queries[starving], block.exhausted.copy()
    depth = int(wanted[places].max())
    step = exact.rows_at_once(depth)
    # A query with several ceilings is exhausted when nothing more lies below each of them.
    exhausted[places] = True
    added: list[tuple[Int64Array, Int64Array, Float32Array]] = []
    for start in range(0, len(starving), step):
        some, at = starving[start : start + step], places[start : start + step]
        below = exact.search_below(block.rows[at], negatives.ceilings[some], depth)
        held = (below.ids >= 0) & (np.arange(depth) < wanted[at][:, None])
        added.append((np.repeat(at, held.sum(axis=1)), below.ids[held], below.scores[held]))
        exhausted[at[held.sum(axis=1) == wanted[at]]] = False
    at, ids, scores = (np.concatenate(part) for part in zip(*added, strict=True))
    return block.deepen(at, ids, scores, exhausted)

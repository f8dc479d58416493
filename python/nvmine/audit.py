"""The audit: every candidate is either emitted as a negative or rejected for exactly one reason.

``candidates = emitted + sum of rejected`` holds for each row and in total; :meth:`Audit.check` proves it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.errors import InternalError, PolicyError

REASONS: tuple[str, ...] = tuple(_core.REASONS)
"""The reasons for a rejection, in the order in which the rule applies them:

- ``padding``: the id is a sentinel.
- ``not_finite``: the score is NaN or infinite.
- ``positive``: the passage is a positive, has the same text as one, or is the query itself.
- ``duplicate``: the row holds the same passage more than once; only the best copy counts.
- ``no_anchor``: the query has no positive and is skipped.
- ``ceiling``: the score is at or above the ceiling.
- ``floor``: the score is below the floor.
- ``near_duplicate``: the text is too similar to a positive, to the query or to a better survivor.
- ``shifted``: one of the best `shift` survivors, which the policy skips.
- ``beyond_pool``: a survivor below the pool, which holds the next `pool` survivors.
- ``not_sampled``: a survivor in the pool that was not picked.
- ``dropped``: a survivor that was picked, but its query was short and dropped.
"""

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """Counts what became of the candidates of R rows.

    Parameters
    ----------
    candidates
        int64 of shape (R,): number of candidates of each row.
    emitted
        int64 of shape (R,): number of candidates that became negatives.
    rejected
        int64 of shape (R, len(REASONS)): number of rejected candidates, one column for each reason. None if they were
        not counted by reason (``mine(..., counts="total")``); their number is `candidates` - `emitted`.

    Examples
    --------
    >>> import nvmine
    >>> nvmine.mine([[0.9, 0.5, 0.1]], [0.6], n=1).audit.total
    {'candidates': 3, 'emitted': 1, 'ceiling': 1, 'not_sampled': 1}
    """

    candidates: Int64Array
    emitted: Int64Array
    rejected: Int64Array | None

    @property
    def total(self) -> dict[str, int]:
        """The counts summed over all rows: `candidates`, `emitted`, and each reason that rejected any candidate.

        Without counts by reason, the single key `rejected` takes the place of the reasons.
        """
        total = {"candidates": int(self.candidates.sum()), "emitted": int(self.emitted.sum())}
        if self.rejected is None:
            return total | {"rejected": total["candidates"] - total["emitted"]}
        by_reason = zip(REASONS, self.rejected.sum(axis=0).tolist(), strict=True)
        return total | {reason: count for reason, count in by_reason if count}

    @property
    def by_reason(self) -> dict[str, Int64Array]:
        """The number of rejected candidates of every row, int64 of shape (R,), for each reason.

        Raises
        ------
        PolicyError
            Rejected candidates were not counted by reason.
        """
        if self.rejected is None:
            raise PolicyError(
                "rejected candidates were not counted by reason; mine with counts='reasons'", argument="counts"
            )
        return {reason: self.rejected[:, column] for column, reason in enumerate(REASONS)}

    @property
    def survivors(self) -> Int64Array:
        """The number of candidates of each row that passed every filter, picked or not: int64 of shape (R,).

        Raises
        ------
        PolicyError
            Rejected candidates were not counted by reason.
        """
        by_reason = self.by_reason
        unpicked = (by_reason[reason] for reason in ("shifted", "beyond_pool", "not_sampled", "dropped"))
        return sum(unpicked, self.emitted)

    def check(self) -> None:
        """Proves that every candidate of every row is counted exactly once.

        Raises
        ------
        InternalError
            The counts of a row do not add up. The error's `row` is the first such row.
        """
        rejected = self.candidates - self.emitted if self.rejected is None else self.rejected.sum(axis=1)
        broken = np.flatnonzero((self.candidates != self.emitted + rejected) | (rejected < 0))
        if broken.size:
            raise InternalError(
                "the counts of emitted and rejected candidates do not add up; please report this", row=int(broken[0])
            )

    def __str__(self) -> str:
        total = self.total
        width = max(len(name) for name in total)
        all_candidates = max(total["candidates"], 1)
        return "\n".join(
            f"{name:<{width}}  {count:>12,}  {count / all_candidates:7.2%}" for name, count in total.items()
        )

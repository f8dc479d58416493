"""The account of every candidate: emitted, or rejected for exactly one reason.

``candidates = emitted + sum of rejected`` holds for each row and in total; :meth:`Audit.check` proves it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.errors import InternalError, PolicyError

REASONS: tuple[str, ...] = tuple(_core.REASONS)
"""The reasons for a rejection, in the order of the rule:

``padding`` (a sentinel id), ``not_finite`` (a NaN or infinite score), ``positive`` (a positive, one with the same text,
or the query itself), ``duplicate`` (the same passage again), ``no_anchor`` (the query has no positive and is skipped),
``ceiling`` and ``floor`` (the score), ``near_duplicate`` (too similar to a positive, the query or a better survivor),
``shifted`` (one of the first `shift`), ``beyond_pool`` (past `pool`),
``not_sampled`` (a survivor that was not picked), ``dropped`` (picked, but the query was short and dropped).
"""

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """What became of the candidates of R rows.

    Parameters
    ----------
    candidates
        int64 of shape (R,): how many there were.
    emitted
        int64 of shape (R,): how many became negatives.
    rejected
        int64 of shape (R, len(REASONS)): how many were rejected, a column a reason; None where only their number was
        counted (``mine(..., counts="total")``), which is `candidates` - `emitted`.

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
        """Candidates, emitted, and the rejected, by reason where there are any, over all rows."""
        total = {"candidates": int(self.candidates.sum()), "emitted": int(self.emitted.sum())}
        if self.rejected is None:
            return total | {"rejected": total["candidates"] - total["emitted"]}
        by_reason = zip(REASONS, self.rejected.sum(axis=0).tolist(), strict=True)
        return total | {reason: count for reason, count in by_reason if count}

    @property
    def by_reason(self) -> dict[str, Int64Array]:
        """Rejected candidates of every row, int64 of shape (R,), for each reason.

        Raises
        ------
        PolicyError
            Only their number was counted.
        """
        if self.rejected is None:
            raise PolicyError("the candidates were only counted; mine with counts='reasons'", argument="counts")
        return {reason: self.rejected[:, column] for column, reason in enumerate(REASONS)}

    @property
    def survivors(self) -> Int64Array:
        """How many candidates of each row passed every filter, picked or not; int64 of shape (R,).

        Raises
        ------
        PolicyError
            Only the number of rejected candidates was counted.
        """
        by_reason = self.by_reason
        unpicked = (by_reason[reason] for reason in ("shifted", "beyond_pool", "not_sampled", "dropped"))
        return sum(unpicked, self.emitted)

    def check(self) -> None:
        """Proves the conservation law for every row.

        Raises
        ------
        InternalError
            It does not hold; the message names the first row.
        """
        rejected = self.candidates - self.emitted if self.rejected is None else self.rejected.sum(axis=1)
        broken = np.flatnonzero((self.candidates != self.emitted + rejected) | (rejected < 0))
        if broken.size:
            raise InternalError("candidates are neither emitted nor rejected; please report this", row=int(broken[0]))

    def __str__(self) -> str:
        total = self.total
        width = max(len(name) for name in total)
        all_candidates = max(total["candidates"], 1)
        return "\n".join(
            f"{name:<{width}}  {count:>12,}  {count / all_candidates:7.2%}" for name, count in total.items()
        )

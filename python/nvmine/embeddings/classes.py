"""Passages that are one passage: excluding one excludes all, and the best-scored of them stands for the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nvmine.inputs.rows import Rows, offsets_of

Int64Array = npt.NDArray[np.int64]


class Classes:
    """Which passages are equal.

    Parameters
    ----------
    numbers
        int64 (n_passages,): passages with equal numbers are one.
    """

    def __init__(self, numbers: Int64Array) -> None:
        _, self._class_of, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
        self._sizes = sizes.astype(np.int64)
        self._members = Rows(np.argsort(self._class_of, kind="stable"), None, offsets_of(self._sizes))

    def equal_to(self, passages: Int64Array) -> Rows:
        """The passages that are one with each of these, which are among them."""
        return self._members.take(self._class_of[passages])

    def any_equal(
        self,
        rows: Int64Array,
        passages: Int64Array,
        holds: Callable[[Int64Array, Int64Array], npt.NDArray[np.bool_]],
    ) -> npt.NDArray[np.bool_]:
        """For (row, passage) pairs, whether something holds for the row and any passage that is one with the passage.

        It is asked of passages that have equals only, once for each row.
        """
        classes, count = self._class_of[passages], max(1, len(self._sizes))
        several = np.flatnonzero(self._sizes[classes] > 1)
        pairs, pair_of = np.unique(rows[several] * count + classes[several], return_inverse=True)
        row_of, classes = np.divmod(pairs, count)
        equal = self._members.take(classes)
        asked = equal.row_of()
        found = np.zeros(len(pairs), np.bool_)
        found[asked[holds(row_of[asked], equal.values)]] = True
        result = np.zeros(len(passages), np.bool_)
        result[several] = found[pair_of.reshape(-1)]
        return result

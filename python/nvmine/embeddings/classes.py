"""Identity classes: passages that count as the same passage. Excluding one excludes all; only the best one is mined."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nvmine.inputs.rows import Rows, offsets_of

Int64Array = npt.NDArray[np.int64]


class Classes:
    """Finds the passages that count as the same passage.

    Parameters
    ----------
    numbers
        int64 of shape (n_passages,): passages with equal numbers are in the same class.
    """

    def __init__(self, numbers: Int64Array) -> None:
        _, self._class_of, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
        self._sizes = sizes.astype(np.int64)
        self._members = Rows(np.argsort(self._class_of, kind="stable"), None, offsets_of(self._sizes))

    def equal_to(self, passages: Int64Array) -> Rows:
        """Returns, for each passage, all passages of its class, itself included."""
        return self._members.take(self._class_of[passages])

    def any_equal(
        self,
        rows: Int64Array,
        passages: Int64Array,
        holds: Callable[[Int64Array, Int64Array], npt.NDArray[np.bool_]],
    ) -> npt.NDArray[np.bool_]:
        """Returns, for each (row, passage) pair, whether a condition holds for the row and any passage of the class.

        Passages that are alone in their class are not tested; their result is False.

        Parameters
        ----------
        rows, passages
            The pairs.
        holds
            The condition for pairs of a row and a passage, which is called once, with each row and class only once.
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

"""Progress bars of a run."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm


class Progress:
    """Makes progress bars that are shown, hidden, or, for None, shown if the output is a terminal."""

    def __init__(self, shown: bool | None) -> None:  # noqa: FBT001 - the one thing this class holds
        self._disable = None if shown is None else not shown

    def bar(self, task: str, total: int) -> Any:
        """Returns a bar over `total` rows; update it by the number of rows that are done."""
        return tqdm(total=total, desc=task, unit=" rows", disable=self._disable, dynamic_ncols=True)

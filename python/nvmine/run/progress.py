"""Progress bars of a run: shown on a terminal, or as the caller says."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm


class Progress:
    """Whether bars are shown: yes, no, or, for None, where the output is a terminal."""

    def __init__(self, shown: bool | None) -> None:  # noqa: FBT001 - the one thing this class holds
        self._disable = None if shown is None else not shown

    def bar(self, task: str, total: int) -> Any:
        """A bar over `total` rows; update it by the rows that are done."""
        return tqdm(total=total, desc=task, unit=" rows", disable=self._disable, dynamic_ncols=True)

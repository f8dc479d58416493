"""Batches of rows grouped by query, cut so that each batch holds whole queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from nvmine.errors import DataError


def whole_queries(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Cuts batches again so that no query is split between two of them.

    Memory holds one batch, the rows of the last query, and the ids of the queries before it.

    Parameters
    ----------
    batches
        Frames with the column `query`.

    Raises
    ------
    DataError
        A query appears again after another one.
    """
    finished = FinishedQueries()
    rest: pl.DataFrame | None = None
    for batch in batches:
        # Without a rechunk, concatenation copies nothing.
        rest = batch if rest is None else pl.concat([rest, batch], rechunk=False)
        runs = rest["query"].rle_id()
        if len(runs) == 0 or runs[-1] == 0:
            continue
        # The rows of the last query may continue in the next batch.
        start = int(runs.search_sorted(runs[-1], side="left"))
        finished.add(_heads(rest["query"][:start]))
        yield rest[:start].rechunk()
        rest = rest[start:]
    if rest is not None and len(rest):
        finished.add(_heads(rest["query"]))
        yield rest.rechunk()
    finished.check()


def are_grouped(batches: Iterable[pl.DataFrame]) -> bool:
    """Whether the rows of each query are adjacent; reads the column `query` once."""
    finished, last = FinishedQueries(), object()
    try:
        for batch in batches:
            heads = _heads(batch["query"])
            # The first run may continue the last run of the batch before.
            finished.add(heads[1:] if len(heads) and heads[0] == last else heads)
            last = heads[-1] if len(heads) else last
        finished.check()
    except DataError:
        return False
    return True


class FinishedQueries:
    """Queries whose rows have ended; none of them may appear again.

    Only the ids are held. They are checked whenever their number has doubled, so that the checks take no longer in
    total than reading the rows.
    """

    def __init__(self) -> None:
        self._ids: list[pl.Series] = []
        self._count = 0
        self._checked = 0

    def add(self, heads: pl.Series) -> None:
        """Adds the ids of queries that have ended."""
        self._ids.append(heads)
        self._count += len(heads)
        if self._count >= 2 * self._checked:
            self.check()

    def check(self) -> None:
        """Checks that no query was added twice.

        Raises
        ------
        DataError
            A query was added twice; the message names it.
        """
        self._checked = self._count
        if not self._ids:
            return
        ids = pl.concat(self._ids)
        self._ids = [ids]
        if ids.n_unique() < len(ids):
            again = ids.filter(~ids.is_first_distinct())[0]
            raise DataError(
                "its rows are not adjacent; sort the candidates by query, or leave out grouped=True", query=again
            )


def _heads(ids: pl.Series) -> pl.Series:
    """Returns the first id of each run of equal ids."""
    heads = ids.filter(ids.rle_id().diff().fill_null(1) > 0)
    # A copy: the result of a filter keeps the memory of its source alive, and these ids are held to the end.
    return pl.Series(ids.name, heads.to_list(), ids.dtype)

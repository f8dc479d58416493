"""Rows that stand together query by query, cut into batches that hold whole queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from nvmine.errors import DataError


def whole_queries(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Cut batches anew so that no query's rows are in two; holds a batch, and the queries that it has seen.

    Parameters
    ----------
    batches
        Frames with the column `query`.

    Raises
    ------
    DataError
        A query comes again after another one.
    """
    seen = Seen()
    rest: pl.DataFrame | None = None
    for batch in batches:
        # A join of pieces costs nothing until somebody reads across them.
        rest = batch if rest is None else pl.concat([rest, batch], rechunk=False)
        runs = rest["query"].rle_id()
        if len(runs) == 0 or runs[-1] == 0:
            continue
        # The last query may go on in the next batch.
        start = int(runs.search_sorted(runs[-1], side="left"))
        seen.add(_heads(rest["query"][:start]))
        yield rest[:start].rechunk()
        rest = rest[start:]
    if rest is not None and len(rest):
        seen.add(_heads(rest["query"]))
        yield rest.rechunk()
    seen.check()


def stand_together(batches: Iterable[pl.DataFrame]) -> bool:
    """Whether the rows of each query stand together, found out by reading the column `query` once."""
    seen, last = Seen(), object()
    try:
        for batch in batches:
            heads = _heads(batch["query"])
            # The first run may be the rest of the last one of the batch before.
            seen.add(heads[1:] if len(heads) and heads[0] == last else heads)
            last = heads[-1] if len(heads) else last
        seen.check()
    except DataError:
        return False
    return True


class Seen:
    """Queries whose rows have ended: none of them may come again.

    Held are the ids alone, and compared whenever their number has doubled, so that looking costs no more than reading.
    """

    def __init__(self) -> None:
        self._ids: list[pl.Series] = []
        self._count = 0
        self._checked = 0

    def add(self, heads: pl.Series) -> None:
        """Takes note of queries."""
        self._ids.append(heads)
        self._count += len(heads)
        if self._count >= 2 * self._checked:
            self.check()

    def check(self) -> None:
        """Looks whether any came twice.

        Raises
        ------
        DataError
            One did; it is named.
        """
        self._checked = self._count
        if not self._ids:
            return
        ids = pl.concat(self._ids)
        self._ids = [ids]
        if ids.n_unique() < len(ids):
            again = ids.filter(~ids.is_first_distinct())[0]
            raise DataError(
                "its rows do not stand together: sort the candidates by query, or leave out grouped=True", query=again
            )


def _heads(ids: pl.Series) -> pl.Series:
    """The first of each run of equal ids."""
    heads = ids.filter(ids.rle_id().diff().fill_null(1) > 0)
    # Made anew: what a filter gives keeps the memory of all it was taken from, and these are held to the end.
    return pl.Series(ids.name, heads.to_list(), ids.dtype)

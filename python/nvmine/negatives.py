"""The result of mining: the negatives of every query, and the account of all other candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nvmine.audit import Audit
from nvmine.errors import MissingExtraError
from nvmine.inputs.foreign import list_column
from nvmine.inputs.rows import Rows

if TYPE_CHECKING:
    import polars as pl

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The best passages of Q queries, whatever the policy, so that :func:`nvmine.mine` can apply another policy.

    Parameters
    ----------
    ids
        int64 of shape (Q, depth): ids of the passages, best first, positives included; -1 after the last one.
    scores
        float64 of shape (Q, depth): their scores; NaN after the last one.
    pos_ids, pos_scores
        Ids and scores of the positives, as ragged rows that :func:`nvmine.mine` takes.
    """

    ids: Int64Array
    scores: npt.NDArray[np.float64]
    pos_ids: Rows
    pos_scores: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Negatives:
    """The negatives of Q queries, in R rows of at most n.

    There is one row for each query, in input order, so R = Q. With ``anchor="each"`` there is one row for each (query,
    positive) pair. A row that is short, dropped or skipped is padded with -1 and NaN, never with other passages.

    Parameters
    ----------
    ids
        int64 of shape (R, n): ids of the negatives, best score first (those of an ensemble in the order of its rounds);
        -1 where the row is short.
    scores
        Shape (R, n): the teacher's scores; NaN where the row is short. float64 if the input scores were float64, which
        keeps them exact; else float32.
    counts
        int64 of shape (R,): number of negatives of each row.
    ceilings
        float64 of shape (R,): exclusive upper bound on each row's scores; infinite if the policy sets none, NaN if the
        query has no positive.
    queries
        int64 of shape (R,): row number of the query.
    positives
        int64 of shape (R,): which of the query's positives is the anchor; -1 unless ``anchor="each"``.
    audit
        Counts of what became of every candidate.
    ranks
        int64 of shape (R, n) or None: rank of each negative among the query's distinct candidates that are not
        positives, starting at 1; 0 where the row is short.
    teachers
        int64 of shape (R, n) or None: for an ensemble, index of the teacher that gave each negative; -1 where the row
        is short.
    candidates
        The best passages of every query, if :func:`nvmine.mine_embeddings` was asked to keep them (`depth`).

    Examples
    --------
    >>> import nvmine
    >>> negatives = nvmine.mine([[0.9, 0.5, 0.1]], [0.6], n=2)
    >>> negatives.ids
    array([[1, 2]])
    >>> len(negatives)
    1
    """

    ids: Int64Array
    scores: npt.NDArray[np.float32] | npt.NDArray[np.float64]
    counts: Int64Array
    ceilings: npt.NDArray[np.float64]
    queries: Int64Array
    positives: Int64Array
    audit: Audit
    ranks: Int64Array | None = None
    teachers: Int64Array | None = None
    candidates: Candidates | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        rows, n = self.ids.shape
        return (
            f"Negatives({rows} rows, n={n}, {int(self.counts.sum())} negatives, {int((self.counts < n).sum())} short)"
        )

    @property
    def held(self) -> npt.NDArray[np.bool_]:
        """Boolean mask of shape (R, n): True where `ids` and `scores` hold a negative, False where the row is short."""
        mask: npt.NDArray[np.bool_] = np.arange(self.ids.shape[1]) < self.counts[:, None]
        return mask

    def to_polars(self) -> pl.DataFrame:
        """Returns a DataFrame with one row for each row of the result.

        The columns are `query`, `positive`, `negative_ids`, `negative_scores`, `candidates` and `rejected`. Lists
        contain no padding. `rejected` is a struct with one count for each reason; it is left out if reasons were not
        counted. An ensemble also has the column `negative_teachers`, after the scores.

        Raises
        ------
        MissingExtraError
            Polars is not installed.
        """
        try:
            import polars as pl
        except ImportError:
            raise MissingExtraError("polars is not installed: pip install polars") from None
        return result_table(
            self,
            first=[pl.Series("query", self.queries), pl.Series("positive", self.positives)],
            lists={} if self.teachers is None else {"negative_teachers": self.teachers[self.held]},
        )

    def to_arrow(self) -> Any:
        """Returns the table of :meth:`to_polars` as a ``pyarrow.Table``.

        Other libraries that read Arrow take this object itself.

        Raises
        ------
        MissingExtraError
            Polars is not installed.
        """
        return self.to_polars().to_arrow()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Returns the table of :meth:`to_polars` as an Arrow stream capsule."""
        return self.to_polars().__arrow_c_stream__(requested_schema)


def result_table(
    negatives: Negatives,
    *,
    first: Sequence[pl.Series],
    rows: Int64Array | None = None,
    ids: pl.Series | None = None,
    named: pl.Series | None = None,
    lists: Mapping[str, Any] | None = None,
    then: Sequence[pl.Series] = (),
    counts: Any = None,
) -> pl.DataFrame:
    """Returns results as a table with the columns `first`, the lists of negatives, `then`, `candidates` and `rejected`.

    Parameters
    ----------
    negatives
        The results.
    first, then
        Columns before and after the lists, with one value for each row of the table.
    rows
        The row of `negatives` that each row of the table shows. None: all rows, in order.
    ids
        Names of all passages, if the ids in `negatives` are row numbers of this column.
    named
        Names of all negatives, in the order of the table, if they cannot be looked up in `ids`.
    lists
        Further list columns after `negative_scores`: for each, the values of all negatives in the order of the table.
    counts
        Polars type of the counts. None: Int64.
    """
    import polars as pl

    rows = np.arange(len(negatives)) if rows is None else rows
    held, lengths, audit = negatives.held[rows], negatives.counts[rows], negatives.audit
    if named is None:
        found = negatives.ids[rows][held]
        named = pl.Series(found) if ids is None else ids.gather(found)
    flat = {"negative_ids": named, "negative_scores": negatives.scores[rows][held], **(lists or {})}
    columns = [*first, *(list_column(name, values, lengths) for name, values in flat.items()), *then]
    columns.append(pl.Series("candidates", audit.candidates[rows], dtype=counts))
    if audit.rejected is not None:
        schema = None if counts is None else dict.fromkeys(audit.by_reason, counts)
        columns.append(pl.DataFrame(audit.by_reason, schema=schema).to_struct("rejected").gather(rows))
    return pl.DataFrame(columns)

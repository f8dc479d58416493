"""What mining gives: the negatives of every query, and the account of all other candidates."""

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
    """The best passages of Q queries whatever the policy, kept so that :func:`nvmine.mine` can apply another.

    Parameters
    ----------
    ids
        int64 of shape (Q, depth), best first, positives among them; -1 where there are no more.
    scores
        float64 of shape (Q, depth); NaN where there are no more.
    pos_ids, pos_scores
        The positives and their scores, ragged, as :func:`nvmine.mine` takes them.
    """

    ids: Int64Array
    scores: npt.NDArray[np.float64]
    pos_ids: Rows
    pos_scores: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Negatives:
    """The negatives of Q queries, R rows of at most n.

    R is Q, one row a query in input order; for ``anchor="each"`` it is the number of positives, one row a (query,
    positive) pair. A row that is short, dropped or skipped is filled up with -1 and NaN, never with other passages.

    Parameters
    ----------
    ids
        int64 of shape (R, n), in score order (an ensemble's in the order of its rounds); -1 where short.
    scores
        Of shape (R, n), the teacher's scores; NaN where short. float64 if the given ones were, so that each is the
        given one, else float32.
    counts
        int64 of shape (R,): negatives of each row.
    ceilings
        float64 of shape (R,): what each row's scores are strictly below; NaN where the query has no positive.
    queries
        int64 of shape (R,): row number of the query.
    positives
        int64 of shape (R,): which of the query's positives was the anchor, -1 unless ``anchor="each"``.
    audit
        What became of every candidate.
    ranks
        int64 of shape (R, n) or None: place of each negative among the query's distinct candidates that are no
        positives, the best has rank 1; 0 where short.
    teachers
        int64 of shape (R, n) or None: place of the teacher that gave each negative, in an ensemble; -1 where short.
    candidates
        The best passages of every query, if :func:`nvmine.mine_embeddings` was to keep them.

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
        """Where `ids` and `scores` hold a negative: bool of shape (R, n), False where short."""
        mask: npt.NDArray[np.bool_] = np.arange(self.ids.shape[1]) < self.counts[:, None]
        return mask

    def to_polars(self) -> pl.DataFrame:
        """A row a result: `query`, `positive`, `negative_ids`, `negative_scores`, `candidates`, `rejected`.

        Lists hold what there is, without -1 and NaN. `rejected` is a struct with a count a reason, left out
        where reasons were not counted. An ensemble has the column `negative_teachers` too, after the scores.

        Raises
        ------
        MissingExtraError
            Polars is not installed.
        """
        try:
            import polars as pl
        except ImportError:
            raise MissingExtraError("this needs polars: pip install polars") from None
        return result_table(
            self,
            first=[pl.Series("query", self.queries), pl.Series("positive", self.positives)],
            lists={} if self.teachers is None else {"negative_teachers": self.teachers[self.held]},
        )

    def to_arrow(self) -> Any:
        """:meth:`to_polars` as a ``pyarrow.Table``; for anything else that reads Arrow, pass this object itself."""
        return self.to_polars().to_arrow()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """:meth:`to_polars` as an Arrow stream capsule."""
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
    """Returns a table of results: `first`, the lists of negatives, `then`, `candidates` and `rejected`.

    Parameters
    ----------
    negatives
        The results.
    first, then
        Columns before and after the lists, a value a row of the table.
    rows
        The result of each row of the table. None: a row a result.
    ids
        The ids of all passages, if the negatives are row numbers in it.
    named
        The ids of all held negatives, row by row of the table, if they are not those in `negatives`.
    lists
        Further list columns after `negative_scores`: their values for all held negatives, row by row of the table.
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

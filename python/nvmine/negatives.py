"""What mining gives: the negatives of every query, and the account of all other candidates."""

from __future__ import annotations

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
        held = self.held
        lists = {"negative_ids": self.ids, "negative_scores": self.scores}
        if self.teachers is not None:
            lists["negative_teachers"] = self.teachers
        return pl.DataFrame(
            [
                pl.Series("query", self.queries),
                pl.Series("positive", self.positives),
                *(list_column(name, values[held], self.counts) for name, values in lists.items()),
                pl.Series("candidates", self.audit.candidates),
                *([] if self.audit.rejected is None else [pl.DataFrame(self.audit.by_reason).to_struct("rejected")]),
            ]
        )

    def to_arrow(self) -> Any:
        """:meth:`to_polars` as a ``pyarrow.Table``; for anything else that reads Arrow, pass this object itself."""
        return self.to_polars().to_arrow()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """:meth:`to_polars` as an Arrow stream capsule."""
        return self.to_polars().__arrow_c_stream__(requested_schema)

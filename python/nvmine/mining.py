"""``mine``: from scores to hard negatives, for whoever already has scores.

One pass over the matrix in the compiled core, on all processors, with the interpreter free for other threads. To go
from texts to negatives use :func:`nvmine.mine_dataset`.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack

from nvmine import shortlist
from nvmine.errors import PolicyError, ShapeError
from nvmine.inputs.keys import read_keys
from nvmine.inputs.numbers import thread_count
from nvmine.inputs.rows import Rows, read_column, read_lists, read_rows, signed
from nvmine.negatives import Negatives
from nvmine.policy import Policy, PolicyFields, takes_policy_fields
from nvmine.rule import Request, apply
from nvmine.shingles import read_shingles


@takes_policy_fields
def mine(
    scores: Any,
    pos_scores: Any,
    *,
    ids: Any = None,
    pos_ids: Any = None,
    query_ids: Any = None,
    exclude_ids: Any = None,
    identity: Any = None,
    passage_texts: Any = None,
    query_texts: Any = None,
    policy: Policy | None = None,
    counts: Literal["reasons", "total"] = "reasons",
    ranks: bool = False,
    threads: int | None = None,
    **fields: Unpack[PolicyFields],
) -> Negatives:
    """Picks the hard negatives of every query from its scored candidates.

    The rule is that of NV-Retriever (arXiv 2407.15831v2), made safe for negative scores and total for ties: candidates
    are rejected for the first reason that holds (padding, no finite score, positive, duplicate, ceiling, floor), the
    survivors ordered by score descending and id ascending, and `n` of them picked. The outcome is the same for any
    number of threads and any order of a query's candidates. O(candidates) time.

    Parameters
    ----------
    scores
        (n_queries, n_candidates) scores, higher is closer: float16, bfloat16 (torch), float32 or float64; a numpy array
        or memory map, a torch tensor, anything with ``__array__`` or DLPack. For ragged rows a column of lists from
        anything that speaks Arrow (Polars, pyarrow, nanoarrow, ...), or a sequence of arrays. A column of one chunk is
        read where it lies; several chunks are put together, and one with nulls is copied: a null is NaN, a null list
        empty. A tensor on a GPU whose columns are the passages is cut down there, and little of it crosses. Not written
        to, and must not be while the call lasts.
    pos_scores
        Scores of the positives by the same teacher: (n_queries,), or ragged rows for several positives.
    ids
        Like `scores`, whole numbers: which passages they are. Default: the column number. A negative id, or the maximum
        of an unsigned type, is padding.
    pos_ids
        Like `pos_scores`, whole numbers: never emitted.
    query_ids
        (n_queries,) whole numbers or strings: keys of the draws, and names in messages. Default: the row number.
    exclude_ids
        Ragged rows of further passages that are never emitted, such as the query's own text.
    identity
        (n_passages,) whole numbers, indexed by id: passages with equal numbers are one passage. Excluding one excludes
        all, and of several only the best-scored is considered.
    passage_texts
        For `near_duplicate`, which alone looks at them: a :class:`nvmine.Shingles`, which is worth making once for many
        calls, or a sequence of texts; indexed by id. Positives are compared by their `pos_ids`; those that have no id
        cannot be.
    query_texts
        Likewise the queries' own texts, a row a query. Default: the query is not compared.
    policy
        The whole rule; or give its fields as keywords, see :class:`nvmine.Policy`.
    counts
        What is told of the rejected candidates: ``reasons``, how many for which reason; or ``total``, only how many,
        which takes about two thirds of the time where `ids` are given, since not all have to be compared. The negatives
        are the same.
    ranks
        Also give the ranks of the negatives.
    threads
        How many threads work. Default: as many as the process may use.
    **fields
        The fields of a policy, where `policy` is not given.

    Returns
    -------
    Negatives
        A row a query, or a row a positive for ``anchor="each"``.

    Raises
    ------
    PolicyError
        A field of the policy is wrong, or `near_duplicate` is given without `passage_texts`.
    ShapeError, DtypeError
        The arrays do not fit each other, or hold something else than scores and ids.
    ScoreError
        A query has no positive, or a positive score is NaN or infinite.
    IdError
        An id lies outside `identity` or `passage_texts`.
    ShortError
        A query got fewer than `n`, under ``on_short="raise"``.

    Examples
    --------
    >>> import numpy as np
    >>> import nvmine
    >>> scores = np.array([[0.91, 0.84, 0.62, 0.40], [0.30, 0.75, 0.70, 0.71]], dtype=np.float32)
    >>> pos_scores = np.array([0.90, 0.79], dtype=np.float32)
    >>> nvmine.mine(scores, pos_scores, method="margin", margin=0.05, n=2).ids
    array([[1, 2],
           [3, 2]])

    The threshold follows each query's own positive; a short row is never filled up:

    >>> nvmine.mine(scores, pos_scores, percentage=0.8, n=4).ids
    array([[ 2,  3, -1, -1],
           [ 0, -1, -1, -1]])

    Copies of a better negative are passed over:

    >>> texts = ["the Nile flows north", "Nile: the Nile flows north", "the Rhine flows north"]
    >>> nvmine.mine([[0.7, 0.6, 0.5]], [0.9], n=2, near_duplicate=0.5, passage_texts=texts).ids
    array([[0, 2]])
    """
    chosen = Policy.of(policy, fields)
    if ids is None and identity is None and not ranks:
        depth = shortlist.needed(scores, chosen)
        if depth is not None:
            return shortlist.mine_shortlist(
                scores,
                read_rows("pos_scores", pos_scores, "scores", single=True),
                depth,
                pos_ids=pos_ids,
                exclude_ids=exclude_ids,
                keys=None if query_ids is None else read_keys("query_ids", query_ids),
                policy=chosen,
                reasons=_wants_reasons(counts),
                threads=thread_count(threads),
            )
    score_rows = read_rows("scores", scores, "scores")
    positives = read_rows("pos_scores", pos_scores, "scores", single=True)
    candidate_ids = None if ids is None else read_rows("ids", ids, "ids")
    if candidate_ids is not None and not candidate_ids.same_layout(score_rows):
        raise ShapeError(f"ids must have a value for each score: {_describe(candidate_ids)}, {_describe(score_rows)}")
    texts = None
    if chosen.near_duplicate is not None:
        texts = read_shingles(passage_texts, query_texts, thread_count(threads))
        if texts[1] is not None and len(texts[1]) != len(score_rows):
            raise ShapeError(f"query_texts has {len(texts[1])} texts for {len(score_rows)} queries")
    request = Request(
        scores=score_rows,
        pos_scores=positives,
        ids=candidate_ids,
        pos_ids=read_lists("pos_ids", pos_ids, len(score_rows)),
        exclude_ids=read_lists("exclude_ids", exclude_ids, len(score_rows)),
        keys=None if query_ids is None else read_keys("query_ids", query_ids),
        classes=None if identity is None else signed(read_column("identity", identity)),
        texts=texts,
    )
    return apply(request, chosen, ranks=ranks, reasons=_wants_reasons(counts), threads=thread_count(threads))


def _wants_reasons(counts: str) -> bool:
    if counts not in ("reasons", "total"):
        raise PolicyError(f"must be 'reasons' or 'total', not {counts!r}", argument="counts")
    return counts == "reasons"


def _describe(rows: Rows) -> str:
    return f"{len(rows)} rows of {len(rows.values)} values in all" if rows.shape is None else f"shape {rows.shape}"

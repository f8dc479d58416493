"""``mine``: picks hard negatives from scores that you already have.

The compiled core makes one pass over the scores, on all processors, and releases the GIL meanwhile. If you have
vectors, use :func:`nvmine.mine_embeddings`; if you have texts, use :func:`nvmine.mine_dataset`.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack

from nvmine import shortlist
from nvmine.errors import PolicyError, ShapeError
from nvmine.inputs.keys import read_keys
from nvmine.inputs.numbers import thread_count
from nvmine.inputs.read import read_column, read_lists, read_rows
from nvmine.inputs.rows import Rows, signed
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

    The rule is that of NV-Retriever (arXiv 2407.15831v2), with defined results for negative scores and ties. Each
    candidate is rejected for the first reason that applies: padding, a score that is not finite, a positive, a
    duplicate, the ceiling, the floor, a near-duplicate. The survivors are ordered by score descending and id ascending,
    and `n` of them are picked. The result depends neither on the number of threads nor on the order of a query's
    candidates. O(candidates) time.

    Parameters
    ----------
    scores
        (n_queries, n_candidates) scores, higher is more relevant: float16, bfloat16 (torch), float32 or float64, as a
        numpy array or memory map, a torch tensor, or anything with ``__array__`` or DLPack. For ragged rows, a List
        column of any library with the Arrow interface (Polars, pyarrow, nanoarrow, ...), or a sequence of arrays. A
        column in one chunk without nulls is read without a copy. A null score is NaN, and a null list is empty. If
        `ids` is not given, a matrix on a GPU is filtered there, and only the best scores are copied to the CPU. The
        scores are not modified; do not modify them during the call.
    pos_scores
        Scores of the positives by the same teacher: (n_queries,), or ragged rows for several positives.
    ids
        Passage ids of the candidates: integers in the shape of `scores`. Default: the column numbers. A negative id, or
        the maximum of an unsigned type, marks padding.
    pos_ids
        Passage ids of the positives: integers, (n_queries,) or ragged rows. They never become negatives.
    query_ids
        (n_queries,) integers or strings that identify the queries in random draws and messages. Default: the row
        numbers.
    exclude_ids
        Ragged rows of further passage ids that never become negatives, such as that of the query's own text.
    identity
        (n_passages,) integers, indexed by id: passages with equal numbers count as the same passage. If one is
        excluded, all are; of several candidates, only the one with the best score is considered.
    passage_texts
        Texts that `near_duplicate` compares, indexed by id: a sequence of texts, or a :class:`nvmine.Shingles`, which
        you can make once and use in many calls. Positives are compared if `pos_ids` names them.
    query_texts
        Texts of the queries themselves, in the same forms, one for each query. Default: queries are not compared.
    policy
        The policy. You can pass its fields as keyword arguments instead, see :class:`nvmine.Policy`.
    counts
        How rejected candidates are counted: by reason (``reasons``), or only in total (``total``). The negatives are
        the same. With `ids`, ``total`` takes about two thirds of the time, since not all ids have to be compared.
    ranks
        Whether to return the ranks of the negatives.
    threads
        Number of threads, in [1, 1024]. Default: as many as the process may use.
    **fields
        Fields of the policy, if `policy` is not given.

    Returns
    -------
    Negatives
        One row for each query, or one for each positive with ``anchor="each"``.

    Raises
    ------
    PolicyError
        A policy field or an option is invalid, or `near_duplicate` is given without `passage_texts`.
    ShapeError, DtypeError
        The arrays do not fit each other, or do not contain scores and ids.
    ScoreError
        A query has no positive, or a positive score is NaN or infinite.
    IdError
        An id lies outside `identity` or `passage_texts`.
    ShortError
        A query got fewer than `n` negatives, with ``on_short="raise"``.

    Examples
    --------
    >>> import numpy as np
    >>> import nvmine
    >>> scores = np.array([[0.91, 0.84, 0.62, 0.40], [0.30, 0.75, 0.70, 0.71]], dtype=np.float32)
    >>> pos_scores = np.array([0.90, 0.79], dtype=np.float32)
    >>> nvmine.mine(scores, pos_scores, method="margin", margin=0.05, n=2).ids
    array([[1, 2],
           [3, 2]])

    The ceiling depends on each query's own positive, and a short row is padded:

    >>> nvmine.mine(scores, pos_scores, percentage=0.8, n=4).ids
    array([[ 2,  3, -1, -1],
           [ 0, -1, -1, -1]])

    Near-duplicates of a better negative are rejected:

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
        raise ShapeError(
            f"must have one id for each score: ids has {_describe(candidate_ids)}, "
            f"but scores has {_describe(score_rows)}",
            argument="ids",
        )
    texts = None
    if chosen.near_duplicate is not None:
        texts = read_shingles(passage_texts, query_texts, thread_count(threads))
        if texts[1] is not None and len(texts[1]) != len(score_rows):
            raise ShapeError(
                f"has {len(texts[1])} texts for {len(score_rows)} queries; pass one text for each query",
                argument="query_texts",
            )
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
    return f"{len(rows)} rows with {len(rows.values)} values" if rows.shape is None else f"shape {rows.shape}"

"""``ensemble`` combines the negatives of several teachers; ``jaccard`` measures how far teachers agree.

Both follow NV-Retriever (arXiv 2407.15831v2, Tables 2 and 6). Its four teachers agreed on fewer than a third of their
negatives. Its best ensemble was ``intra`` with duplicates kept, by a margin that a single run cannot tell from chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.audit import Audit
from nvmine.errors import DtypeError, ShapeError
from nvmine.inputs.keys import read_keys
from nvmine.inputs.numbers import thread_count, whole_number
from nvmine.negatives import Negatives
from nvmine.policy import Policy

How = Literal["intra", "cross"]
Duplicates = Literal["keep", "replace"]


def ensemble(
    teachers: Sequence[Negatives],
    *,
    how: How = "intra",
    duplicates: Duplicates = "keep",
    n: int = 4,
    seed: int = 0,
    query_ids: Any = None,
    threads: int | None = None,
) -> Negatives:
    """Combines the negatives that several teachers mined for the same queries.

    When a teacher has no more negatives, it is skipped; when none has, the row stays short. The result contains only
    passages that a teacher gave. It does not depend on the number of threads, nor, with `query_ids`, on the order of
    the queries. O(n) time for each negative of a teacher.

    Parameters
    ----------
    teachers
        Negatives of each teacher, the most accurate teacher first, for the same queries (and positives, with
        ``anchor="each"``) in the same order. With ``duplicates="replace"``, mine each with at least this `n`, so that
        there are passages to replace duplicates with.
    how
        ``intra``: in each round, every teacher in turn gives its best passage that it has not given yet, until there
        are `n`; with `n` teachers, the best of each. ``cross``: for each query, one teacher is drawn at random, and it
        gives all negatives.
    duplicates
        For ``intra``: what happens if another teacher has given a teacher's next passage. ``keep``: it is given again,
        and so weighs more in training (the paper's best). ``replace``: the teacher gives its next passage that no
        teacher has given. Passages are compared by id.
    n
        Maximum number of negatives of a row, in [1, 2**20].
    seed
        Seed of the random draws, for ``cross``, in [0, 2**64).
    query_ids
        Integers or strings that identify the queries in random draws, one for each query, as for :func:`nvmine.mine`.
        Default: the row numbers of the queries.
    threads
        Number of threads, in [1, 1024]. Default: as many as the process may use.

    Returns
    -------
    Negatives
        The combined negatives, in the order in which they were given, since scores of different teachers cannot be
        compared. `teachers` is the index of the teacher that gave each; scores and ranks are that teacher's.
        `ceilings` are those of the drawn teacher, or the highest of all teachers. The candidates in the audit are all
        negatives of the teachers, counted once for each teacher that emitted them. Those that are not emitted here are
        ``duplicate`` if the same passage is, else ``not_sampled``.

    Raises
    ------
    PolicyError
        `how`, `duplicates`, `n`, `seed` or `threads` is invalid.
    ShapeError
        There is no teacher, the teachers have not mined the same queries, or `query_ids` has the wrong length.
    DtypeError
        A teacher is not a :class:`Negatives`, or `query_ids` are neither integers nor strings.

    Examples
    --------
    >>> import nvmine
    >>> best = nvmine.mine([[0.8, 0.7, 0.6, 0.1]], [0.9], n=3)
    >>> second = nvmine.mine([[0.4, 0.3, 0.1, 0.2]], [0.9], n=3)
    >>> nvmine.ensemble([best, second], n=3).ids
    array([[0, 0, 1]])
    >>> both = nvmine.ensemble([best, second], n=3, duplicates="replace")
    >>> both.ids, both.teachers
    (array([[0, 1, 2]]), array([[0, 1, 0]]))
    >>> both.audit.total
    {'candidates': 6, 'emitted': 3, 'duplicate': 2, 'not_sampled': 1}
    """
    rule = Policy(n=n, seed=seed)
    best = _same_rows(teachers)[0]
    keys = best.queries.astype(np.int64).view(np.uint64) if query_ids is None else _keys_of_rows(query_ids, best)
    exact = any(teacher.scores.dtype == np.float64 for teacher in teachers)
    result = _core.ensemble(
        [
            (
                _lists(teacher),
                _flat(teacher.scores, np.float64 if exact else np.float32),
                None if teacher.ranks is None else _flat(teacher.ranks, np.int64),
                _flat(teacher.ceilings, np.float64),
            )
            for teacher in teachers
        ],
        keys,
        how=how,
        duplicates=duplicates,
        n=rule.n,
        seed=rule.seed,
        threads=thread_count(threads),
    )
    return Negatives(
        ids=result["ids"],
        scores=result["scores"],
        counts=result["counts"],
        ceilings=result["ceilings"],
        queries=best.queries,
        positives=best.positives,
        audit=Audit(result["candidates"], result["counts"], result["rejected"]),
        ranks=result.get("ranks"),
        teachers=result["teachers"],
    )


def jaccard(a: Negatives, b: Negatives, *, top: int = 4, threads: int | None = None) -> npt.NDArray[np.float64]:
    """Returns the share of negatives that two teachers agree on, for each row.

    It is ``|A ∩ B| / |A ∪ B|`` of the first `top` ids of each row (NV-Retriever, Table 6). Padding does not count.
    O(R * top * log(top)) time.

    Parameters
    ----------
    a, b
        Negatives for the same queries (and positives) in the same order, in R rows.
    top
        Number of ids to compare in each row, from 1 to the row length of `a` and `b`.
    threads
        Number of threads, in [1, 1024]. Default: as many as the process may use.

    Returns
    -------
    numpy.ndarray
        float64 of shape (R,), in [0, 1]; NaN where both rows are empty.

    Raises
    ------
    PolicyError
        `top` is not an integer, or out of range.
    ShapeError
        `a` and `b` are not for the same queries.
    DtypeError
        `a` or `b` is not a :class:`Negatives`.

    Examples
    --------
    >>> import nvmine
    >>> a = nvmine.mine([[0.8, 0.7, 0.6, 0.1]], [0.9], n=2)
    >>> b = nvmine.mine([[0.4, 0.1, 0.3, 0.2]], [0.9], n=2)
    >>> nvmine.jaccard(a, b, top=2)
    array([0.33333333])
    """
    pair = _same_rows([a, b])
    return _core.jaccard(_lists(a), _lists(b), top=_top(top, pair), threads=thread_count(threads))


def jaccard_matrix(
    teachers: Sequence[Negatives], *, top: int = 4, threads: int | None = None
) -> npt.NDArray[np.float64]:
    """Returns how far each pair of teachers agrees: the mean of :func:`jaccard` over the rows.

    O(R * T * top * (log(top) + T)) time for R rows.

    Parameters
    ----------
    teachers
        Negatives of T teachers for the same queries (and positives) in the same order.
    top
        Number of ids to compare in each row, from 1 to the shortest row length of the teachers.
    threads
        Number of threads, in [1, 1024]. Default: as many as the process may use.

    Returns
    -------
    numpy.ndarray
        float64 of shape (T, T), symmetric, with 1 on the diagonal. Rows that are empty for both teachers do not count;
        the mean is NaN if no row counts.

    Raises
    ------
    PolicyError
        `top` is not an integer, or out of range.
    ShapeError
        There is no teacher, or the teachers have not mined the same queries.
    DtypeError
        `teachers` is not a list of :class:`Negatives`.

    Examples
    --------
    >>> import nvmine
    >>> a = nvmine.mine([[0.8, 0.7], [0.8, 0.7]], [0.9, 0.9], n=1)
    >>> b = nvmine.mine([[0.4, 0.1], [0.1, 0.4]], [0.9, 0.9], n=1)
    >>> nvmine.jaccard_matrix([a, b], top=1)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    lists = [_lists(teacher) for teacher in _same_rows(teachers)]
    means = _core.jaccard_matrix(lists, top=_top(top, teachers), threads=thread_count(threads))
    return means.reshape(len(lists), len(lists))


def _same_rows(teachers: Sequence[Negatives]) -> Sequence[Negatives]:
    """Returns the teachers, after checking that all of them have the same rows."""
    if isinstance(teachers, Negatives) or not isinstance(teachers, Sequence):
        raise DtypeError(f"must be a list of Negatives, not {type(teachers).__name__}", argument="teachers")
    if not teachers:
        raise ShapeError("must hold the negatives of at least one teacher", argument="teachers")
    for number, teacher in enumerate(teachers):
        if not isinstance(teacher, Negatives):
            raise DtypeError(f"teacher {number} must be Negatives, not {type(teacher).__name__}", argument="teachers")
        for name in ("queries", "positives"):
            mine, first = getattr(teacher, name), getattr(teachers[0], name)
            if np.array_equal(mine, first):
                continue
            if len(mine) != len(first):
                raise ShapeError(
                    f"teacher {number} has {len(mine)} rows, but teacher 0 has {len(first)}; mine the same queries",
                    argument="teachers",
                )
            row = int(np.flatnonzero(mine != first)[0])
            raise ShapeError(
                f"the {name} of the rows differ: {mine[row]} for teacher {number}, but {first[row]} for teacher 0; "
                "mine the same queries and positives in the same order, with the same anchor and on_missing",
                argument="teachers",
                row=row,
            )
    return teachers


def _keys_of_rows(query_ids: Any, best: Negatives) -> npt.NDArray[np.uint64]:
    """Returns the key of the query of every row."""
    keys = read_keys("query_ids", query_ids).keys
    queries = best.queries
    needed = int(queries.max()) + 1 if len(queries) else 0
    # With one row for each positive, the last queries may have no row.
    fits = len(keys) >= needed if (best.positives >= 0).all() else len(keys) == needed
    if not fits:
        raise ShapeError(f"has {len(keys)} ids for {needed} queries; pass one id for each query", argument="query_ids")
    return keys[queries]


def _top(top: int, teachers: Iterable[Negatives]) -> int:
    """Returns the number of ids to compare, checked against the row length of every teacher."""
    most = min(teacher.ids.shape[1] for teacher in teachers)
    return whole_number("top", top, most, f"since the rows have {most} columns, ")


def _lists(teacher: Negatives) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return teacher.ids.shape[1], _flat(teacher.ids, np.int64), _flat(teacher.counts, np.int64)


def _flat(values: npt.NDArray[Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.require(values, dtype, ["C", "ALIGNED"]).reshape(-1)

"""``ensemble`` and ``jaccard``: several teachers' negatives as one, and how far teachers agree.

After NV-Retriever (arXiv 2407.15831v2, Tables 2 and 6), whose four teachers agreed on fewer than a third of their
negatives, and whose best ensemble was ``intra`` with duplicates kept, by a margin that one run cannot tell from chance.
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
    """Puts the negatives of several teachers together, for the same queries.

    A teacher that has no more is passed over, and a row ends short when none has: no passage is given that no teacher
    gave. The outcome is the same for any number of threads, and for ``cross`` for any order of queries that have ids.

    Parameters
    ----------
    teachers
        What each teacher mined, the most accurate first; rows of the same queries (and positives, for
        ``anchor="each"``) in the same order. With ``duplicates="replace"`` each should hold `n`, so that there is
        something to replace with.
    how
        ``intra``: the teachers take turns, each giving its best passage that it has not given, until there are `n`;
        with as many teachers as negatives, the best of each. ``cross``: one teacher gives all, drawn for each query.
    duplicates
        For ``intra``, when a teacher's next passage has been given already. ``keep``: it is given again, and weighs
        more in training (the paper's best). ``replace``: the teacher gives its next one that nobody has given.
        Passages are the same if their ids are.
    n
        Most negatives of a row, at least 1.
    seed
        For ``cross``: changes the draws.
    query_ids
        Keys of the draws, one a query, as for :func:`nvmine.mine`. Default: the row number of the query.
    threads
        How many threads work. Default: as many as the process may use.

    Returns
    -------
    Negatives
        Row by row those of the teachers, with `teachers` saying who gave each. In the order in which they were given,
        round by round: scores of different teachers cannot be compared. Scores and ranks are those of the teacher that
        gave; `ceilings` are the drawn teacher's, or the highest of all teachers. The audit's candidates are the
        passages that the teachers emitted, each as often as it was. One that is not emitted here is a ``duplicate`` if
        a copy of it is, else ``not_sampled``.

    Raises
    ------
    PolicyError
        `how`, `duplicates`, `n` or `seed` is wrong.
    ShapeError
        There is no teacher, or the teachers have not mined the same queries.
    DtypeError
        A teacher is no :class:`Negatives`, or `query_ids` are no ids.

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
    """Share of negatives that two teachers agree on, row by row.

    ``|A ∩ B| / |A ∪ B|`` of the first `top` ids of each (NV-Retriever, Table 6); what is not there does not count.

    Parameters
    ----------
    a, b
        Mined for the same queries (and positives) in the same order.
    top
        Ids compared, from 1 to what both hold a row.
    threads
        How many threads work. Default: as many as the process may use.

    Returns
    -------
    numpy.ndarray
        float64 of shape (R,), in [0, 1]; NaN where both rows are empty.

    Raises
    ------
    PolicyError
        `top` is no whole number, or more than `a` or `b` hold.
    ShapeError
        The two have not mined the same queries.

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
    """How far every two teachers agree: the mean of :func:`jaccard` over the rows.

    Parameters
    ----------
    teachers
        Mined for the same queries (and positives) in the same order; T of them.
    top
        Ids compared, from 1 to what all hold a row.
    threads
        How many threads work. Default: as many as the process may use.

    Returns
    -------
    numpy.ndarray
        float64 of shape (T, T), symmetric, 1 on the diagonal. Rows in which both teachers are empty do not count; NaN
        where none does.

    Raises
    ------
    PolicyError
        `top` is no whole number, or more than a teacher holds.
    ShapeError
        There is no teacher, or the teachers have not mined the same queries.

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
    """The teachers, all of whose rows are those of the first."""
    if isinstance(teachers, Negatives) or not isinstance(teachers, Sequence):
        raise DtypeError(f"expected a list of Negatives, not {type(teachers).__name__}", argument="teachers")
    if not teachers:
        raise ShapeError("expected at least one teacher", argument="teachers")
    for number, teacher in enumerate(teachers):
        if not isinstance(teacher, Negatives):
            raise DtypeError(f"teacher {number} must be Negatives, not {type(teacher).__name__}", argument="teachers")
        for name in ("queries", "positives"):
            mine, first = getattr(teacher, name), getattr(teachers[0], name)
            if np.array_equal(mine, first):
                continue
            if len(mine) != len(first):
                raise ShapeError(f"teacher {number} has {len(mine)} rows, teacher 0 has {len(first)}")
            row = int(np.flatnonzero(mine != first)[0])
            raise ShapeError(
                f"the {name} of the rows differ: {mine[row]} by teacher {number}, {first[row]} by teacher 0; mine the "
                "same queries and positives in the same order, with the same anchor and on_missing",
                row=row,
            )
    return teachers


def _keys_of_rows(query_ids: Any, best: Negatives) -> npt.NDArray[np.uint64]:
    """The key of the query of every row."""
    keys = read_keys("query_ids", query_ids).keys
    queries = best.queries
    needed = int(queries.max()) + 1 if len(queries) else 0
    # With a row a positive, the last queries may have none.
    fits = len(keys) >= needed if (best.positives >= 0).all() else len(keys) == needed
    if not fits:
        raise ShapeError(f"query_ids has {len(keys)} ids for {needed} queries")
    return keys[queries]


def _top(top: int, teachers: Iterable[Negatives]) -> int:
    """How many ids are compared."""
    most = min(teacher.ids.shape[1] for teacher in teachers)
    return whole_number("top", top, most, f"as the rows hold at most {most}, ")


def _lists(teacher: Negatives) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return teacher.ids.shape[1], _flat(teacher.ids, np.int64), _flat(teacher.counts, np.int64)


def _flat(values: npt.NDArray[Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.require(values, dtype, ["C", "ALIGNED"]).reshape(-1)

"""Ensembles and agreement against slow, obvious twins; threads, anchors, keys and bad input."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given

import nvmine
import oracle
from nvmine import Audit, Negatives
from nvmine.audit import REASONS
from nvmine.errors import DtypeError, NvmineError, PolicyError, ShapeError

N = 4


def negatives_of(rows: list[list[int]], *, teacher: int = 0, dtype: str = "float32", n: int = N) -> Negatives:
    """A teacher's result, whose scores tell the teacher, the row and the place."""
    count = len(rows)
    ids, scores = np.full((count, n), -1), np.full((count, n), np.nan, dtype)
    for row, passages in enumerate(rows):
        ids[row, : len(passages)] = passages
        scores[row, : len(passages)] = [score_of(teacher, row, place) for place in range(len(passages))]
    counts = np.array([len(passages) for passages in rows], np.int64)
    return Negatives(
        ids=ids,
        scores=scores,  # type: ignore[arg-type]
        counts=counts,
        ceilings=np.array([teacher - row for row in range(count)], np.float64),
        queries=np.arange(count),
        positives=np.full(count, -1),
        audit=Audit(counts, counts, np.zeros((count, len(REASONS)), np.int64)),
        ranks=np.where(ids >= 0, np.arange(1, n + 1), 0),
    )


def score_of(teacher: int, row: int, place: int) -> float:
    return teacher + row / 64 - place / 8


# --- The twins -----------------------------------------------------------------------------------------------------


def ensemble_of_one_row(
    lists: list[list[int]], how: str, duplicates: str, n: int, seed: int, key: int
) -> list[tuple[int, int, int]]:
    """What is given: (teacher, place in its list, passage), in the order of giving."""
    if how == "cross":
        # The passage id -1, which no passage has.
        drawn = math.floor(oracle.uniform(seed, key, -1) * len(lists))
        return [(drawn, place, passage) for place, passage in enumerate(lists[drawn][:n])]
    left = [list(enumerate(passages)) for passages in lists]
    given: list[tuple[int, int, int]] = []
    while any(left) and len(given) < n:
        for teacher, passages in enumerate(left):
            if duplicates == "replace":
                chosen = {passage for _, _, passage in given}
                passages[:] = [(place, passage) for place, passage in passages if passage not in chosen]
            if passages and len(given) < n:
                place, passage = passages.pop(0)
                given.append((teacher, place, passage))
    return given


def jaccard_of_one_row(a: list[int], b: list[int], top: int) -> float:
    both, either = set(a[:top]) & set(b[:top]), set(a[:top]) | set(b[:top])
    return len(both) / len(either) if either else math.nan


rows_of_ids = st.lists(st.integers(0, 9), max_size=N, unique=True)


@st.composite
def teachers(draw: st.DrawFn) -> list[list[list[int]]]:
    """Lists of passages by teacher and row; few passages, so that teachers agree."""
    rows = draw(st.integers(0, 6))
    one = st.lists(rows_of_ids, min_size=rows, max_size=rows)
    return draw(st.lists(one, min_size=1, max_size=4))


@given(
    lists=teachers(),
    how=st.sampled_from(["intra", "intra", "cross"]),
    duplicates=st.sampled_from(["keep", "replace"]),
    n=st.integers(1, 9),
    seed=st.sampled_from([0, 1, 2**64 - 1]),
    data=st.data(),
)
def test_ensembles_equal_their_twin(
    lists: list[list[list[int]]], how: Any, duplicates: Any, n: int, seed: int, data: st.DataObject
) -> None:
    count = len(lists[0])
    names = data.draw(st.none() | st.lists(st.text(max_size=3), min_size=count, max_size=count))
    keys = list(range(count)) if names is None else [oracle.key_of(name) for name in names]
    dtypes = data.draw(st.lists(st.sampled_from(["float32", "float64"]), min_size=len(lists), max_size=len(lists)))
    mined = [negatives_of(rows, teacher=t, dtype=dtypes[t]) for t, rows in enumerate(lists)]
    result = nvmine.ensemble(mined, how=how, duplicates=duplicates, n=n, seed=seed, query_ids=names)

    assert result.teachers is not None
    assert result.ranks is not None
    assert result.ids.shape == result.scores.shape == result.teachers.shape == result.ranks.shape == (count, n)
    assert result.scores.dtype == ("float64" if "float64" in dtypes else "float32")
    result.audit.check()
    for row in range(count):
        offered = [rows[row] for rows in lists]
        given = ensemble_of_one_row(offered, how, duplicates, n, seed, keys[row])
        short = n - len(given)
        assert result.counts[row] == len(given)
        assert result.teachers[row].tolist() == [teacher for teacher, _, _ in given] + [-1] * short
        assert result.ids[row].tolist() == [passage for _, _, passage in given] + [-1] * short
        assert result.ranks[row].tolist() == [place + 1 for _, place, _ in given] + [0] * short
        expected = [score_of(teacher, row, place) for teacher, place, _ in given]
        np.testing.assert_array_equal(result.scores[row], np.array(expected + [math.nan] * short))
        # Every offered passage that is not given: a copy of one that is, or not.
        rest = [p for t, passages in enumerate(offered) for i, p in enumerate(passages) if (t, i, p) not in given]
        copies = sum(passage in {passage for _, _, passage in given} for passage in rest)
        rejected = dict(zip(REASONS, result.audit.rejected[row].tolist(), strict=True))
        assert result.audit.candidates[row] == sum(map(len, offered))
        assert rejected == dict.fromkeys(REASONS, 0) | {"duplicate": copies, "not_sampled": len(rest) - copies}
        drawn = math.floor(oracle.uniform(seed, keys[row], -1) * len(lists))
        assert result.ceilings[row] == (drawn if how == "cross" else len(lists) - 1) - row


@given(lists=teachers(), top=st.integers(1, N))
def test_agreement_equals_its_twin(lists: list[list[list[int]]], top: int) -> None:
    mined = [negatives_of(rows) for rows in lists]
    matrix = nvmine.jaccard_matrix(mined, top=top)
    assert matrix.shape == (len(lists), len(lists))
    for a, left in enumerate(lists):
        for b, right in enumerate(lists):
            expected = [jaccard_of_one_row(*pair, top) for pair in zip(left, right, strict=True)]
            found = nvmine.jaccard(mined[a], mined[b], top=top)
            np.testing.assert_array_equal(found, expected)
            counted = [similarity for similarity in expected if not math.isnan(similarity)]
            mean = 1.0 if a == b else sum(counted) / len(counted) if counted else math.nan
            np.testing.assert_allclose(matrix[a, b], mean, rtol=1e-12)


# --- By hand -------------------------------------------------------------------------------------------------------


def test_with_as_many_teachers_as_negatives_each_gives_its_best() -> None:
    lists = [[[1, 2, 3, 4]], [[1, 5, 6, 7]], [[8, 1]], [[5, 1, 9]]]
    mined = [negatives_of(rows) for rows in lists]
    assert nvmine.ensemble(mined).ids.tolist() == [[1, 1, 8, 5]]
    replaced = nvmine.ensemble(mined, duplicates="replace")
    assert replaced.ids.tolist() == [[1, 5, 8, 9]]
    assert replaced.audit.total == {"candidates": 13, "emitted": 4, "duplicate": 4, "not_sampled": 5}


def test_a_teacher_without_more_is_passed_over_and_rows_end_short() -> None:
    mined = [negatives_of([[1], []]), negatives_of([[2, 3, 4], []])]
    result = nvmine.ensemble(mined, n=6)
    assert result.ids.tolist() == [[1, 2, 3, 4, -1, -1], [-1] * 6]
    assert result.teachers is not None
    assert result.teachers.tolist() == [[0, 1, 1, 1, -1, -1], [-1] * 6]


def test_cross_depends_on_the_key_and_the_seed_alone() -> None:
    count = 300
    names = [f"query {row}" for row in range(count)]
    mined = [negatives_of([[t * 10]] * count) for t in range(3)]
    ids = nvmine.ensemble(mined, how="cross", query_ids=names).ids[:, 0]
    assert set(ids.tolist()) == {0, 10, 20}
    order = np.random.default_rng(0).permutation(count)
    shuffled = nvmine.ensemble(mined, how="cross", query_ids=[names[row] for row in order]).ids[:, 0]
    assert shuffled.tolist() == ids[order].tolist()
    assert nvmine.ensemble(mined, how="cross", query_ids=names, seed=1).ids[:, 0].tolist() != ids.tolist()


def test_each_positive_has_a_row_and_its_query_one_teacher() -> None:
    draw = np.random.default_rng(0)
    positives = [[0.9, 0.8], [], [0.7], [0.9, 0.8, 0.7], []]
    arguments = {"anchor": "each", "on_missing": "skip", "ranks": True}
    mined = [nvmine.mine(draw.random((5, 30)), positives, **arguments) for _ in range(2)]
    names = ["a", "b", "c", "d", "e"]
    result = nvmine.ensemble(mined, how="cross", query_ids=names)
    assert result.queries.tolist() == [0, 0, 2, 3, 3, 3]
    assert result.positives.tolist() == [0, 1, 0, 0, 1, 2]
    assert result.teachers is not None
    for query in (0, 2, 3):
        drawn = math.floor(oracle.uniform(0, oracle.key_of(names[query]), -1) * 2)
        rows = result.queries == query
        assert (result.teachers[rows] == drawn).all()
        assert (result.ids[rows] == mined[drawn].ids[rows]).all()
    both = nvmine.ensemble(mined)
    assert both.ids[:, :2].tolist() == [[a, b] for a, b in zip(mined[0].ids[:, 0], mined[1].ids[:, 0], strict=True)]


def test_what_is_equal_in_bytes_whatever_the_threads() -> None:
    draw = np.random.default_rng(0)
    rows = 9000
    positives = np.ones(rows, np.float32)
    mined = [nvmine.mine(draw.random((rows, 12), np.float32), positives, n=N) for _ in range(3)]
    for fields in ({"how": "cross"}, {"duplicates": "keep"}, {"duplicates": "replace"}):
        one, four = (nvmine.ensemble(mined, threads=threads, **fields) for threads in (1, 4))
        for name in ("ids", "scores", "counts", "ceilings", "teachers"):
            assert getattr(one, name).tobytes() == getattr(four, name).tobytes()
        assert one.audit.rejected.tobytes() == four.audit.rejected.tobytes()
        one.audit.check()
    matrices = [nvmine.jaccard_matrix(mined, threads=threads) for threads in (1, 4)]
    assert matrices[0].tobytes() == matrices[1].tobytes()
    pairs = [nvmine.jaccard(mined[0], mined[1], threads=threads) for threads in (1, 4)]
    assert pairs[0].tobytes() == pairs[1].tobytes()


def test_ranks_need_all_teachers_to_have_them() -> None:
    mined = [negatives_of([[1, 2]]), dataclasses.replace(negatives_of([[3]]), ranks=None)]
    assert nvmine.ensemble(mined).ranks is None


def test_results_that_are_views_are_read_as_they_are() -> None:
    whole = negatives_of([[1, 2, 3], [4, 5, 6], [7]])
    view = dataclasses.replace(whole, ids=np.asfortranarray(whole.ids), scores=whole.scores[:, ::-1][:, ::-1])
    assert nvmine.ensemble([view]).ids.tolist() == whole.ids.tolist()


def test_tables_tell_the_teacher() -> None:
    result = nvmine.ensemble([negatives_of([[1, 2], []]), negatives_of([[3], []])], n=3)
    frame = result.to_polars()
    assert frame.columns[2:5] == ["negative_ids", "negative_scores", "negative_teachers"]
    assert frame.schema["negative_teachers"] == pl.List(pl.Int64)
    assert frame["negative_ids"].to_list() == [[1, 3, 2], []]
    assert frame["negative_teachers"].to_list() == [[0, 1, 0], []]


# --- Bad input -----------------------------------------------------------------------------------------------------

GOOD = negatives_of([[1, 2], [3]])
REFUSED: dict[str, tuple[Any, dict[str, Any], type[NvmineError], str]] = {
    "no_teacher": ([], {}, ShapeError, "argument 'teachers': must hold the negatives of at least one teacher"),
    "one_that_is_no_list": (GOOD, {}, DtypeError, "argument 'teachers': must be a list of Negatives"),
    "an_iterator": (iter([GOOD]), {}, DtypeError, "argument 'teachers': must be a list of Negatives"),
    "no_negatives": ([GOOD, GOOD.ids], {}, DtypeError, "teacher 1 must be Negatives, not ndarray"),
    "other_counts": (
        [GOOD, negatives_of([[1]])],
        {},
        ShapeError,
        "argument 'teachers': teacher 1 has 1 rows, but teacher 0 has 2",
    ),
    "other_queries": (
        [GOOD, dataclasses.replace(GOOD, queries=np.array([0, 2]))],
        {},
        ShapeError,
        "argument 'teachers', row 1: the queries of the rows differ: 2 for teacher 1, but 1 for teacher 0",
    ),
    "other_positives": (
        [GOOD, dataclasses.replace(GOOD, positives=np.array([0, 0]))],
        {},
        ShapeError,
        "argument 'teachers', row 0: the positives of the rows differ",
    ),
    "counts_that_lie": ([dataclasses.replace(GOOD, counts=np.array([2, 2]))], {}, ShapeError, "row 1 does not hold"),
    "arrays_that_do_not_fit": ([dataclasses.replace(GOOD, scores=GOOD.scores[:1])], {}, ShapeError, "do not fit"),
    "how": ([GOOD], {"how": "inter"}, PolicyError, '"inter" is unknown; choose from "intra", "cross"'),
    "duplicates": ([GOOD], {"duplicates": "drop"}, PolicyError, 'choose from "keep", "replace"'),
    "n_zero": ([GOOD], {"n": 0}, PolicyError, "argument 'n'"),
    "n_true": ([GOOD], {"n": True}, PolicyError, "argument 'n'"),
    "seed": ([GOOD], {"seed": -1}, PolicyError, "argument 'seed'"),
    "threads": ([GOOD], {"threads": 0}, PolicyError, "argument 'threads'"),
    "too_few_keys": ([GOOD], {"query_ids": [1]}, ShapeError, "argument 'query_ids': has 1 ids for 2 queries"),
    "too_many_keys": ([GOOD], {"query_ids": [1, 2, 3]}, ShapeError, "argument 'query_ids': has 3 ids for 2 queries"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused(name: str) -> None:
    arguments, fields, kind, message = REFUSED[name]
    with pytest.raises(kind) as caught:
        nvmine.ensemble(arguments, **fields)
    assert message in str(caught.value)


@pytest.mark.parametrize("top", [0, -1, N + 1, 2.5, True, "4", None])
def test_a_top_that_cannot_be_is_refused(top: Any) -> None:
    for call in (lambda: nvmine.jaccard(GOOD, GOOD, top=top), lambda: nvmine.jaccard_matrix([GOOD], top=top)):
        with pytest.raises(PolicyError, match="argument 'top'"):
            call()


def test_agreement_of_other_rows_is_refused() -> None:
    other = negatives_of([[1]])
    with pytest.raises(ShapeError, match="teacher 1 has 1 rows, but teacher 0 has 2"):
        nvmine.jaccard(GOOD, other)
    with pytest.raises(ShapeError, match="at least one"):
        nvmine.jaccard_matrix([])

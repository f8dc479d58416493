"""The library against its slow twin, on generated queries and on scores right at the threshold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings

import nvmine
import oracle
from nvmine.audit import REASONS
from nvmine.errors import IdError, NvmineError, ScoreError, ShortError

try:
    import torch
except ImportError:
    torch = None

METHODS = ("naive", "shift", "abs", "margin", "perc")
SAMPLINGS = ("top", "uniform", "softmax", "simans", "bins")
ANCHORS = ("min", "max", "mean", "each")
SCORE_TYPES = ("float16", "bfloat16", "float32", "float64")
ID_TYPES = (None, "int32", "int64", "uint32", "uint64")
PASSAGES = 20
REFUSALS = {"score": ScoreError, "short": ShortError, "id": IdError}


def needs_torch(dtype: str) -> None:
    if dtype == "bfloat16" and torch is None:
        pytest.skip("bfloat16 arrays come from torch")


# --- Arrays of every type and layout -------------------------------------------------------------------------------


def vector(values: Sequence[float], dtype: str) -> Any:
    """The nearest numbers of a type, in one dimension."""
    if dtype == "bfloat16":
        return torch.tensor(values, dtype=torch.float64).to(torch.bfloat16)
    with np.errstate(over="ignore"):
        return np.array(values, np.float64).astype(dtype)


def exact(array: Any) -> list[float]:
    """What the elements are worth, as Python numbers."""
    return (array.double() if torch is not None and isinstance(array, torch.Tensor) else array).tolist()


def matrix(rows: list[Any]) -> Any:
    return torch.stack(rows) if torch is not None and isinstance(rows[0], torch.Tensor) else np.stack(rows)


def list_series(rows: list[Any]) -> pl.Series:
    inner = pl.Series(rows[0]).dtype
    return pl.Series([row.tolist() for row in rows], dtype=pl.List(inner))


LAYOUTS: dict[str, Callable[[list[Any]], Any]] = {
    "arrays": list,
    "matrix": matrix,
    "fortran": lambda rows: np.asfortranarray(matrix(rows)),
    "tensor": lambda rows: torch.from_numpy(matrix(rows)),
    "list": list_series,
    "array": lambda rows: list_series(rows).cast(pl.Array(pl.Series(rows[0]).dtype, len(rows[0]))),
}


def layouts(dtype: str, dense: bool) -> list[str]:
    if dtype == "bfloat16":
        return ["arrays", "matrix"] if dense else ["arrays"]
    if not dense:
        return ["arrays", "list"]
    return [
        name
        for name in LAYOUTS
        if (name != "tensor" or (torch is not None and not dtype.startswith("uint"))) and name != "array"
    ] + ["array"] * (dtype != "float16")


# --- Generated cases -----------------------------------------------------------------------------------------------


@st.composite
def rules(draw: st.DrawFn, method: str | None = None, sampling: str | None = None) -> oracle.Rule:
    """A policy of the small numbers at which its fields meet."""
    n = draw(st.integers(1, 4))
    fields: dict[str, Any] = {
        "method": method or draw(st.sampled_from(METHODS)),
        "percentage": draw(st.sampled_from([0.95, 0.5, 1.0, 1.05, 0.0])),
        "margin": draw(st.sampled_from([0.05, 0.25, 0.0, -0.25])),
        "max_score": draw(st.sampled_from([None, None, None, 0.7, 0.5, 0.0])),
        "min_score": draw(st.sampled_from([None, None, None, -0.25, -1.0])),
        "shift": draw(st.sampled_from([None, 0, 1, 2])),
        "pool": draw(st.sampled_from([None, "all", n, n + 1, n + 3])),
        "n": n,
        "sampling": sampling or draw(st.sampled_from(SAMPLINGS)),
        "first": draw(st.sampled_from([0, 0, 1, n])),
        "temperature": draw(st.sampled_from([1.0, 0.05, 20.0])),
        "simans_a": draw(st.sampled_from([0.5, 10.0])),
        "simans_b": draw(st.sampled_from([0.0, -0.3])),
        "bins": draw(st.sampled_from([1, 2, 3, 10])),
        "anchor": draw(st.sampled_from(ANCHORS)),
        "on_short": draw(st.sampled_from(["keep", "keep", "drop", "raise"])),
        "on_missing": draw(st.sampled_from(["skip", "skip", "raise"])),
        "seed": draw(st.sampled_from([0, 1, 2**64 - 1])),
    }
    return oracle.Rule(**fields)


@st.composite
def score_tables(draw: st.DrawFn, rule: oracle.Rule, positives: list[float]) -> list[float]:
    """Scores for a query's candidates to be drawn from: few levels, no numbers, and what lies around its ceilings."""
    table = 3 * [0.5, 0.25, 0.0, -0.0, -0.25, -0.5, -0.75, -1.0] + [1.0, 0.75, math.nan, math.inf, -math.inf]
    for anchor in oracle.anchors(positives, rule) if positives else []:
        ceiling = oracle.ceiling_of(anchor, rule)
        if math.isfinite(ceiling):
            table += [anchor, ceiling, math.nextafter(ceiling, math.inf), math.nextafter(ceiling, -math.inf)]
    return table + draw(st.lists(st.floats(-2, 2, width=16), max_size=6))


@st.composite
def batches(
    draw: st.DrawFn,
    *,
    method: str | None = None,
    sampling: str | None = None,
    dtype: str | None = None,
    ids_type: str | None = "any",
) -> tuple[oracle.Rule, list[oracle.Query], dict[str, Any]]:
    """A policy, some queries, and the same queries as arguments of ``nvmine.mine``."""
    rule = draw(rules(method, sampling))
    known = [name for name in SCORE_TYPES if torch is not None or name != "bfloat16"]
    dtype = dtype or draw(st.sampled_from(known))
    ids_type = draw(st.sampled_from(ID_TYPES)) if ids_type == "any" else ids_type
    count = draw(st.integers(1, 10))
    dense = draw(st.booleans())
    width = st.just(draw(st.integers(0, PASSAGES))) if dense else st.sampled_from([0, 1, 2, 5, 10, 15, PASSAGES])
    one_each = st.lists(st.integers(-2, PASSAGES), min_size=PASSAGES, max_size=PASSAGES)
    classes = draw(st.none() | st.none() | one_each)
    passages = list(range(PASSAGES))
    if ids_type is not None:
        info = np.iinfo(ids_type)
        sentinels = [info.max] if info.min == 0 else [-1, -7, info.min]
        # Without a table of classes, any other number is a passage, the largest included.
        known_ids = [
            *passages,
            *passages,
            *sentinels,
            *([] if classes else [info.max - 1 if info.min == 0 else info.max]),
        ]
    one_positive = draw(st.booleans())
    level = st.sampled_from([0.5, 0.75, 1.0, 1.0, 0.25, 0.3, 0.0, -0.0, -0.5]) | st.floats(-1, 1)

    queries, scores, ids, positive_scores = [], [], [], []
    keys = draw(
        st.none() | st.lists(st.integers(-(2**63), 2**63 - 1) | st.text(max_size=3), min_size=count, max_size=count)
    )
    if keys is not None and len({type(key) for key in keys}) > 1:
        keys = [str(key) for key in keys]
    for row in range(count):
        levels = draw(st.lists(level, min_size=int(one_positive), max_size=1 if one_positive else 3))
        positive_scores.append(vector(levels, dtype))
        positives = exact(positive_scores[-1])
        cells = draw(width)
        table = draw(score_tables(rule, positives))
        scores.append(vector([table[cell] for cell in draw(many(len(table), cells))], dtype))
        if ids_type is not None:
            numbers = [known_ids[cell] for cell in draw(many(len(known_ids), cells))]
            ids.append(np.array(numbers, ids_type))
        queries.append(
            oracle.Query(
                scores=exact(scores[-1]),
                positive_scores=positives,
                ids=None if ids_type is None else numbers,
                ids_type=ids_type or "int64",
                excluded=draw(st.lists(st.integers(-1, PASSAGES - 1), max_size=2)),
                classes=classes,
                key=row if keys is None else oracle.key_of(keys[row]),
            )
        )

    # The excluded go by two lists: the positives and the others.
    cut = draw(st.integers(0, 1))
    arguments = {
        "scores": LAYOUTS[draw(st.sampled_from(layouts(dtype, dense)))](scores),
        "pos_scores": np.concatenate(positive_scores)
        if one_positive and dtype != "bfloat16" and draw(st.booleans())
        else positive_scores,
        "ids": LAYOUTS[draw(st.sampled_from(layouts(ids_type, dense)))](ids) if ids_type is not None else None,
        "pos_ids": [np.array(query.excluded[:cut], np.int64) for query in queries],
        "exclude_ids": [np.array(query.excluded[cut:], np.int32) for query in queries],
        "identity": None if classes is None else np.array(classes),
        "query_ids": keys,
    }
    return rule, queries, arguments


def many(choices: int, count: int) -> st.SearchStrategy[list[int]]:
    """Places in a table: cheaper to draw, and to make smaller, than what the table holds."""
    return st.lists(st.integers(0, choices - 1), min_size=count, max_size=count)


# --- The comparison ------------------------------------------------------------------------------------------------


def assert_as_oracle(rule: oracle.Rule, queries: list[oracle.Query], arguments: dict[str, Any]) -> None:
    rows: list[tuple[int, int, oracle.Outcome]] = []
    refused: tuple[int, type[NvmineError]] | None = None
    for number, query in enumerate(queries):
        try:
            outcomes = oracle.mine(query, rule)
        except oracle.RefusalError as refusal:
            refused = number, REFUSALS[refusal.kind]
            break
        # Logarithms of two libraries may differ in their last bit.
        assume(not any(outcome.photo_finish for outcome in outcomes))
        each = rule.anchor == "each"
        rows += [(number, place if each else -1, outcome) for place, outcome in enumerate(outcomes)]

    if refused is not None:
        for counts in ("reasons", "total"):
            with pytest.raises(NvmineError) as caught:
                nvmine.mine(**arguments, **asdict(rule), counts=counts)
            assert (caught.value.row, type(caught.value)) == refused
        return

    result = nvmine.mine(**arguments, **asdict(rule), ranks=True)
    assert result.ranks is not None
    assert len(result) == len(rows)
    assert result.queries.tolist() == [number for number, _, _ in rows]
    assert result.positives.tolist() == [place for _, place, _ in rows]
    for row, (_, _, outcome) in enumerate(rows):
        short = rule.n - len(outcome.ids)
        assert result.counts[row] == len(outcome.ids)
        assert result.ids[row].tolist() == outcome.ids + [-1] * short
        expected = np.array(outcome.scores + [math.nan] * short, np.float64).astype(result.scores.dtype)
        np.testing.assert_array_equal(result.scores[row], expected)
        assert result.ranks[row].tolist() == outcome.ranks + [0] * short
        np.testing.assert_array_equal(result.ceilings[row], outcome.ceiling)
        fates = Counter(outcome.fates)
        assert dict(zip(REASONS, result.audit.rejected[row].tolist(), strict=True)) == {
            reason: fates[reason] for reason in oracle.REASONS
        }
        # Conservation: each candidate has one fate.
        emitted, rejected = int(result.audit.emitted[row]), int(result.audit.rejected[row].sum())
        assert result.audit.candidates[row] == len(outcome.fates) == emitted + rejected
        assert emitted == fates["emitted"] == len(outcome.ids) <= rule.n
    result.audit.check()
    # Without ranks, and without reasons, other kernels do the work.
    for counts in ("reasons", "total"):
        fast = nvmine.mine(**arguments, **asdict(rule), counts=counts)
        for name in ("ids", "scores", "counts", "ceilings", "queries", "positives"):
            np.testing.assert_array_equal(getattr(fast, name), getattr(result, name))
        np.testing.assert_array_equal(fast.audit.candidates, result.audit.candidates)
        if counts == "reasons":
            np.testing.assert_array_equal(fast.audit.rejected, result.audit.rejected)
        else:
            assert fast.audit.rejected is None


def test_the_reasons_are_those_of_the_design() -> None:
    assert REASONS == oracle.REASONS


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_every_method_and_sampler_equals_the_oracle(method: str, sampling: str, data: st.DataObject) -> None:
    assert_as_oracle(*data.draw(batches(method=method, sampling=sampling)))


@pytest.mark.parametrize("ids_type", ID_TYPES)
@pytest.mark.parametrize("dtype", SCORE_TYPES)
@given(data=st.data())
def test_every_type_of_scores_and_ids_equals_the_oracle(dtype: str, ids_type: str | None, data: st.DataObject) -> None:
    needs_torch(dtype)
    assert_as_oracle(*data.draw(batches(dtype=dtype, ids_type=ids_type)))


@st.composite
def batches_with_texts(draw: st.DrawFn, sampling: str | None = None) -> tuple[oracle.Rule, list[Any], dict[str, Any]]:
    """A batch whose texts are made of three words, so that many are alike; some ids may have none."""
    ids_type = draw(st.sampled_from([None, "int64", "uint32"]))
    rule, queries, arguments = draw(batches(sampling=sampling, ids_type=ids_type))
    rule = replace(rule, near_duplicate=draw(st.sampled_from([0.2, 1 / 3, 0.5, 2 / 3, 1.0])))
    text = st.lists(st.sampled_from(["a", "b", "A", "c,", "-"]), max_size=7).map(" ".join)
    count = draw(st.sampled_from([PASSAGES, PASSAGES, PASSAGES, PASSAGES - 5]))
    # Copies are common: texts are drawn from a few, and may lose their last word.
    few = draw(st.lists(text, min_size=1, max_size=6))
    texts = [few[at][: draw(st.sampled_from([-2, 99]))] for at in draw(many(len(few), count))]
    own = [few[at] for at in draw(many(len(few), len(queries)))] if draw(st.booleans()) else None
    given_positives = arguments["pos_ids"] if draw(st.booleans()) else None
    if given_positives is None:
        arguments["exclude_ids"] = [np.array(query.excluded, np.int64) for query in queries]
    queries = [
        replace(
            query,
            texts=texts,
            text=None if own is None else own[row],
            positives=[] if given_positives is None else given_positives[row].tolist(),
        )
        for row, query in enumerate(queries)
    ]
    passages = nvmine.Shingles.of(texts) if draw(st.booleans()) else texts
    return rule, queries, arguments | {"pos_ids": given_positives, "passage_texts": passages, "query_texts": own}


@pytest.mark.parametrize("sampling", SAMPLINGS)
@settings(max_examples=150)
@given(data=st.data())
def test_near_duplicates_are_those_of_the_oracle(sampling: str, data: st.DataObject) -> None:
    assert_as_oracle(*data.draw(batches_with_texts(sampling)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=10_000)
@given(batch=batches())
def test_ten_thousand_cases_equal_the_oracle(batch: tuple[oracle.Rule, list[oracle.Query], dict[str, Any]]) -> None:
    assert_as_oracle(*batch)


# --- Scores at the threshold ---------------------------------------------------------------------------------------

# Thresholds that every type holds exactly: half of a positive of 0.5, -0.5 or 0, and a quarter from it.
FILTERS: dict[str, dict[str, Any]] = {
    "naive": {"method": "naive"},
    "shift": {"method": "shift", "shift": 0},
    "abs": {"method": "abs", "max_score": 0.25},
    "margin": {"method": "margin", "margin": 0.25},
    "perc": {"method": "perc", "percentage": 0.5},
    "floor": {"method": "naive", "min_score": -0.25},
}
POSITIVES = {"positive": 0.5, "zero": 0.0, "negative": -0.5, "minus_zero": -0.0}
OTHERS = {"min": [1.0], "max": [-1.0], "mean": []}


def neighbour(value: float, towards: float, dtype: str) -> float:
    """The next number of a type."""
    if dtype == "bfloat16":
        number = torch.tensor(value, dtype=torch.bfloat16)
        return float(torch.nextafter(number, torch.tensor(towards, dtype=torch.bfloat16)))
    return float(np.nextafter(np.array(value, dtype), np.array(towards, dtype)))


@pytest.mark.parametrize("sign", POSITIVES)
@pytest.mark.parametrize("dtype", SCORE_TYPES)
@pytest.mark.parametrize("anchor", OTHERS)
@pytest.mark.parametrize("name", FILTERS)
def test_only_scores_below_the_threshold_survive(name: str, anchor: str, dtype: str, sign: str) -> None:
    needs_torch(dtype)
    positive, fields = POSITIVES[sign], FILTERS[name]
    threshold = {
        "abs": 0.25,
        "margin": positive - 0.25,
        "perc": {0.5: 0.25, 0.0: 0.0, -0.5: -0.75}[positive],
        "floor": -0.25,
    }.get(name, positive)
    places = {
        "above": neighbour(threshold, math.inf, dtype),
        "at": threshold,
        "below": neighbour(threshold, -math.inf, dtype),
    }
    assert places["above"] > places["at"] > places["below"]
    emitted = {
        "naive": ["above", "at", "below"],
        "shift": ["above", "at", "below"],
        "floor": ["above", "at"],
    }.get(name, ["below"])
    scores = vector(list(places.values()), dtype)
    assert exact(scores) == list(places.values())
    positives = vector([positive, *OTHERS[anchor]], dtype)
    result = nvmine.mine(matrix([scores]), matrix([positives]), anchor=anchor, n=3, **fields)
    assert [list(places)[column] for column in result.ids[0] if column >= 0] == emitted
    reason = "floor" if name == "floor" else "ceiling"
    assert result.audit.by_reason[reason].tolist() == [3 - len(emitted)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", ["margin", "perc"])
def test_no_rounding_decides(name: str, dtype: str) -> None:
    """Around thresholds that no type holds, the decision is that of exact arithmetic."""
    needs_torch(dtype)
    random = np.random.default_rng(0)
    positives = vector(random.uniform(-1, 1, 2000).tolist(), dtype)
    share, margin = Fraction(0.95), Fraction(0.05)
    thresholds, rows = [], []
    for positive in map(Fraction, exact(positives)):
        exactly = positive - margin if name == "margin" else positive - (1 - share) * abs(positive)
        nearest = exact(vector([float(exactly)], dtype))[0]
        thresholds.append(exactly)
        rows.append([neighbour(nearest, math.inf, dtype), nearest, neighbour(nearest, -math.inf, dtype)])
    scores = matrix([vector(row, dtype) for row in rows])
    assert exact(scores) == rows
    result = nvmine.mine(scores, positives, method=name, percentage=0.95, margin=0.05, n=3)
    below = [[Fraction(score) < threshold for score in row] for row, threshold in zip(rows, thresholds, strict=True)]
    assert result.counts.tolist() == [sum(row) for row in below]
    assert {tuple(row) for row in below} == {(False, False, True), (False, True, True)}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_stored_scores_lie_below_the_stored_ceiling(dtype: str) -> None:
    """Whoever checks a result has its scores and ceilings, and not the scores it was mined from."""
    needs_torch(dtype)
    random = np.random.default_rng(0)
    positives = exact(vector(random.uniform(-1, 1, 500).tolist(), dtype))
    nearest = [exact(vector([positive - 0.05], dtype))[0] for positive in positives]
    rows = matrix([vector([score, neighbour(score, -math.inf, dtype)], dtype) for score in nearest])
    result = nvmine.mine(rows, vector(positives, dtype), method="margin", margin=0.05, n=2)
    held = result.ids >= 0
    assert held.sum() >= 500
    assert (result.scores.astype(np.float64) < result.ceilings[:, None])[held].all()


def test_the_mean_adds_positives_in_ascending_order() -> None:
    positives = np.random.default_rng(0).uniform(-1, 1, (500, 7))
    result = nvmine.mine(np.zeros((500, 1)), positives, method="margin", margin=0.0, anchor="mean")
    rule = oracle.Rule(anchor="mean")
    means = [oracle.anchors(row, rule)[0] for row in positives.tolist()]
    assert result.ceilings.tolist() == means
    assert means != positives.mean(axis=1).tolist()


def test_stored_scores_stay_finite() -> None:
    result = nvmine.mine(np.array([[1e300, 1e299]]), np.array([1e305]), n=2)
    assert np.isfinite(result.scores[result.ids >= 0]).all()
    assert result.counts.tolist() == [int((result.ids[0] >= 0).sum())]


def test_a_mean_that_overflows_does_not_switch_the_ceiling_off() -> None:
    scores, positives = np.array([[1.75e308, 1.0]]), np.array([[1.7e308, 1.7e308]])
    result = nvmine.mine(scores, positives, anchor="mean", n=2)
    assert result.ids.tolist() == [[1, -1]]
    assert result.ceilings[0] < 1.7e308

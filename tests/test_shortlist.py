"""Matrices cut to a shortlist where they lie: the result and the account of the whole matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nvmine
from nvmine import shortlist
from nvmine.errors import NvmineError, PolicyError, ScoreError, ShapeError, ShortError

torch = pytest.importorskip("torch")

POLICIES: dict[str, dict[str, Any]] = {
    "perc": {},
    "margin": {"method": "margin", "margin": 0.25, "n": 2},
    "naive": {"method": "naive", "n": 3},
    "abs": {"method": "abs", "max_score": 0.5, "min_score": 0.0},
    "shift": {"method": "shift", "shift": 2, "n": 1},
    "uniform": {"sampling": "uniform", "pool": 5, "seed": 7},
    "softmax": {"sampling": "softmax", "pool": 4, "first": 1, "method": "naive"},
    "mean": {"anchor": "mean", "min_score": -0.5},
    "drop": {"method": "margin", "margin": 0.75, "on_short": "drop"},
    "skip": {"on_missing": "skip"},
}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every tensor counts as one on a device; tells how many scores crossed in each call."""
    crossed: list[int] = []
    cut = shortlist.cut

    def counted(*arguments: Any) -> shortlist.Cut:
        found = cut(*arguments)
        crossed.append(len(found.scores))
        return found

    monkeypatch.setattr(shortlist, "is_elsewhere", lambda _: True)
    monkeypatch.setattr(shortlist, "cut", counted)
    return crossed


def assert_same(here: nvmine.Negatives, there: nvmine.Negatives) -> None:
    for field in ("ids", "scores", "counts", "ceilings", "queries", "positives"):
        mine, other = getattr(here, field), getattr(there, field)
        assert mine.dtype == other.dtype, field
        np.testing.assert_array_equal(mine, other, err_msg=field)
    there.audit.check()
    np.testing.assert_array_equal(here.audit.candidates, there.audit.candidates)
    if here.audit.rejected is None:
        assert there.audit.rejected is None
    else:
        np.testing.assert_array_equal(here.audit.rejected, there.audit.rejected)


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_equals_the_whole_matrix(name: str, data: st.DataObject) -> None:
    """Few distinct scores: ties, scores at the very bounds, what is not finite among positives too."""
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    queries, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 90))
    dtype = data.draw(st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]))
    levels = [-1.0, -0.5, 0.0, 0.25, 0.5, 0.7, 0.75, 1.0, np.nan, np.inf, -np.inf]
    scores = torch.from_numpy(draw.choice(levels, (queries, width), p=[0.1] * 9 + [0.05] * 2)).to(dtype)
    fewest = 0 if name == "skip" else 1
    lengths = draw.integers(fewest, 4, queries)
    options: dict[str, Any] = {
        "pos_ids": [draw.integers(-1, width + 3, count) for count in lengths],
        "exclude_ids": data.draw(st.sampled_from([None, [draw.integers(-1, width + 3, 2) for _ in range(queries)]])),
        "query_ids": data.draw(st.sampled_from([None, [f"q{row}" for row in range(queries)]])),
        "counts": data.draw(st.sampled_from(["reasons", "total"])),
        **POLICIES[name],
    }
    positives = [draw.choice(levels[:8], count) for count in lengths]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortlist, "_AT_ONCE", data.draw(st.integers(1, 300)))
        patch.setattr(shortlist, "_LEAST_GAIN", 1)
        there = nvmine.mine(scores, positives, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortlist, "is_elsewhere", lambda _: False)
        here = nvmine.mine(scores, positives, **options)
    assert_same(here, there)


def test_little_crosses(elsewhere: list[int]) -> None:
    scores = torch.rand(50, 2000, generator=torch.Generator().manual_seed(0))
    nvmine.mine(scores, torch.full((50,), 0.9), method="margin")
    nvmine.mine(scores, torch.full((50,), 0.9), sampling="uniform", shift=3)
    assert elsewhere == [50 * 4, 50 * 13]


@pytest.mark.parametrize(
    "options",
    [
        {"ids": torch.arange(40).repeat(3, 1)},
        {"identity": np.arange(40)},
        {"ranks": True},
        {"anchor": "each"},
        {"sampling": "uniform", "pool": "all"},
        {"n": 30},
        {"near_duplicate": 0.5, "passage_texts": [f"text {row}" for row in range(40)]},
    ],
    ids=str,
)
def test_what_a_shortlist_cannot_answer_crosses_whole(options: dict[str, Any], elsewhere: list[int]) -> None:
    scores = torch.rand(3, 40, generator=torch.Generator().manual_seed(0))
    assert nvmine.mine(scores, [0.9] * 3, **options).counts.sum() > 0
    assert not elsewhere


@pytest.mark.parametrize(
    ("options", "error", "row"),
    [
        ({"pos_scores": [0.5, np.nan]}, ScoreError, 1),
        ({"pos_scores": [[0.5], []]}, ScoreError, 1),
        ({"pos_scores": [0.5]}, ShapeError, None),
        ({"pos_scores": [0.5, -5.0], "on_short": "raise"}, ShortError, 1),
        ({"pos_scores": [0.5, 0.5], "pos_ids": [1]}, ShapeError, None),
        ({"pos_scores": [0.5, 0.5], "exclude_ids": [1, 2, 3]}, ShapeError, None),
        ({"pos_scores": [0.5, 0.5], "counts": "all"}, PolicyError, None),
        ({"pos_scores": [0.5, 0.5], "query_ids": [1]}, ShapeError, None),
    ],
    ids=str,
)
def test_errors_are_those_of_the_whole_matrix(options: dict[str, Any], error: type[NvmineError], row: int) -> None:
    scores = torch.rand(2, 40, generator=torch.Generator().manual_seed(0))
    raised = []
    for matrix in (scores, scores.numpy()):
        with pytest.raises(error) as caught:
            nvmine.mine(matrix, **options)
        raised.append(caught.value)
    assert raised[0].row == raised[1].row == row
    assert raised[0].query == raised[1].query

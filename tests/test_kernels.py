"""The fast kernels against the general way, on matrices of every width about every boundary.

With ``ranks`` each row goes the general way, candidate by candidate; without, rows of a dense matrix go eight at a time
and rows in order are only looked at about their ceiling. All of them must give the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nvmine
import oracle
from nvmine.errors import PolicyError

WIDTHS = [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 127, 128, 129, 300, 1000, 1023, 1024, 1025, 2100]
RULES: list[dict[str, Any]] = [
    {"method": "margin", "margin": 0.05},
    {"method": "naive", "n": 1},
    {"method": "perc", "percentage": 0.8, "n": 3, "shift": 2},
    {"method": "abs", "max_score": 0.6, "min_score": 0.2, "n": 10},
    {"method": "perc", "sampling": "uniform", "first": 1},
    {"method": "margin", "sampling": "softmax", "temperature": 0.1, "pool": 13, "n": 5},
    {"method": "naive", "sampling": "simans", "pool": 40, "n": 35},
    {"method": "margin", "sampling": "bins", "pool": 12, "n": 4, "on_short": "drop"},
    {"method": "margin", "margin": -0.5, "n": 200},
]


def matrix(width: int, seed: int, *, kind: str, dtype: str = "float32") -> dict[str, Any]:
    """Rows of which most are plain; the others repeat ids, hold padding, NaN and infinities, or many equal scores."""
    draw = np.random.default_rng(seed)
    rows = 83
    scores = draw.normal(0.4, 0.15, (rows, width))
    ids = np.argsort(draw.random((rows, 4 * width)), axis=1)[:, :width].astype(np.int64)
    ids[::3] *= 1 << 40
    if kind != "plain":
        scores[draw.random((rows, width)) < 0.02] = np.nan
        scores[1::7] = np.round(scores[1::7], 1)
        scores[2::7, 0], scores[3::7, -1] = np.inf, -np.inf
        ids[4::7, width // 2] = ids[4::7, 0]
        ids[5::7, width // 3] = -1
        # A copy above the ceiling takes the one below with it.
        scores[4::7, 0], scores[4::7, width // 2] = 5.0, 0.61
    if kind == "sorted":
        scores = -np.sort(-scores, axis=1)
    positives = np.where(draw.random(rows) < 0.75, ids[np.arange(rows), draw.integers(0, width, rows)], 99)
    return {
        "scores": scores.astype(dtype),
        "pos_scores": draw.normal(0.7, 0.1, rows),
        "ids": ids,
        "pos_ids": positives,
    }


def assert_equal(arguments: dict[str, Any], rule: dict[str, Any]) -> None:
    slow = nvmine.mine(**arguments, **rule, ranks=True)
    slow.audit.check()
    for counts in ("reasons", "total"):
        for threads in (1, 3):
            fast = nvmine.mine(**arguments, **rule, counts=counts, threads=threads)
            for name in ("ids", "scores", "counts", "ceilings"):
                np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name))
            if counts == "reasons":
                np.testing.assert_array_equal(fast.audit.rejected, slow.audit.rejected)


@pytest.mark.parametrize("kind", ["plain", "mixed", "sorted"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_kernel_gives_the_same(width: int, kind: str) -> None:
    for number, rule in enumerate(RULES):
        arguments = matrix(width, 100 * width + number, kind=kind)
        assert_equal(arguments, rule)
        assert_equal({name: arguments[name] for name in ("scores", "pos_scores", "pos_ids")}, rule)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("ids_type", ["int32", "uint32", "uint64"])
def test_every_type_gives_the_same(dtype: str, ids_type: str) -> None:
    for width in (9, 100, 130):
        arguments = matrix(width, width, kind="mixed", dtype=dtype)
        ids = arguments["ids"] % 100_003
        arguments |= {"ids": ids.astype(ids_type), "pos_ids": ids[:, 0]}
        arguments["ids"][5::7, width // 3] = np.iinfo(ids_type).max if ids_type[0] == "u" else -1
        for rule in RULES[:5]:
            assert_equal(arguments, rule)


@pytest.mark.parametrize("ids", [True, False])
def test_a_positive_named_twice_is_one_candidate(ids: bool) -> None:
    arguments = matrix(20, 1, kind="plain")
    arguments["ids"] = np.argsort(arguments["ids"], axis=1) if ids else None
    arguments["pos_ids"] = np.stack([np.full(83, 7), np.full(83, 7), np.full(83, 3)], axis=1)
    for rule in RULES:
        assert_equal(arguments, rule)
    assert (nvmine.mine(**arguments, method="naive").audit.by_reason["positive"] == 2).all()


@pytest.mark.parametrize("kind", ["plain", "mixed", "sorted"])
def test_the_oracle_agrees(kind: str) -> None:
    for number, fields in enumerate(RULES):
        arguments = matrix(130, number, kind=kind)
        fast = nvmine.mine(**arguments, **fields, counts="total")
        for row in range(0, 83, 5):
            query = oracle.Query(
                scores=arguments["scores"][row].astype(float).tolist(),
                positive_scores=[float(arguments["pos_scores"][row])],
                ids=arguments["ids"][row].tolist(),
                excluded=[int(arguments["pos_ids"][row])],
                key=row,
            )
            (outcome,) = oracle.mine(query, oracle.Rule(**fields))
            if not outcome.photo_finish:
                assert fast.ids[row, : fast.counts[row]].tolist() == outcome.ids


def test_scores_that_differ_in_their_last_bits_alone() -> None:
    """A network that lets places have the last bits of a score must not take one score for another."""
    steps = np.float32(0.5).view(np.int32) + np.random.default_rng(0).integers(0, 300, (64, 100)).astype(np.int32)
    arguments = {"scores": steps.view(np.float32), "pos_scores": np.full(64, 0.9), "ids": None}
    for rule in RULES[:4]:
        assert_equal(arguments, rule)
        assert_equal(arguments | {"scores": -arguments["scores"], "pos_scores": np.full(64, -0.1)}, rule)


def test_only_the_number_is_told_where_no_reason_is_wanted() -> None:
    result = nvmine.mine([[0.9, 0.5, 0.1]], [0.6], n=1, counts="total")
    assert result.audit.total == {"candidates": 3, "emitted": 1, "rejected": 2}
    result.audit.check()
    assert result.to_polars().columns == ["query", "positive", "negative_ids", "negative_scores", "candidates"]
    with pytest.raises(PolicyError, match="counts='reasons'"):
        _ = result.audit.by_reason
    with pytest.raises(PolicyError, match="'reasons' or 'total'"):
        nvmine.mine([[0.5]], [0.6], counts="some")  # type: ignore[arg-type]

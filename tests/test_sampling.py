"""The samplers draw with the weights they state, and a draw depends on its own query alone.

All draws are seeded, so every test gives one result for ever; thresholds are those of one false alarm in a million.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import nvmine

DRAWS = 120_000
ANCHOR = 1.0
# No two in one place; in the bins of width 0.3: two, two and one.
SCORES = (0.9, 0.8, 0.5, 0.45, 0.0)
WEIGHTS: dict[str, tuple[dict[str, Any], list[float]]] = {
    "uniform": ({}, [1.0] * 5),
    "softmax": ({"temperature": 0.3}, [math.exp(score / 0.3) for score in SCORES]),
    "simans": ({"simans_a": 3.0, "simans_b": -0.4}, [math.exp(-3.0 * (s - ANCHOR + 0.4) ** 2) for s in SCORES]),
    "bins": ({"bins": 3}, [0.5, 0.5, 0.5, 0.5, 1.0]),
}
each_sampler = pytest.mark.parametrize("sampling", WEIGHTS)


def draw(sampling: str, n: int, *, queries: int = DRAWS, scores: Any = SCORES, **arguments: Any) -> Any:
    """Negatives of so many queries that differ in nothing but their keys."""
    fields = WEIGHTS[sampling][0]
    rows = np.broadcast_to(np.asarray(scores, np.float64), (queries, len(scores)))
    positives = np.full(queries, ANCHOR)
    return nvmine.mine(rows, positives, method="naive", sampling=sampling, n=n, **fields, **arguments).ids


def assert_distributed(drawn: Any, expected: list[float]) -> None:
    """Pearson's chi-square of counts against probabilities, which sum to 1."""
    assert math.isclose(sum(expected), 1.0)
    counts = np.bincount(drawn, minlength=len(expected))
    assert len(counts) == len(expected)
    wanted = np.array(expected) * len(drawn)
    assert wanted.min() > 5
    freedom = len(expected) - 1
    # Wilson and Hilferty 1931: the cube root is nearly normal. 4.75 standard deviations are one in a million.
    limit = freedom * (1 - 2 / (9 * freedom) + 4.75 * math.sqrt(2 / (9 * freedom))) ** 3
    assert ((counts - wanted) ** 2 / wanted).sum() < limit


def shares(weights: list[float]) -> list[float]:
    return [weight / sum(weights) for weight in weights]


def test_the_chi_square_sees_a_difference_of_six_percent() -> None:
    drawn = draw("uniform", 1)[:, 0]
    with pytest.raises(AssertionError):
        assert_distributed(drawn, shares([1.06, 1.0, 1.0, 1.0, 1.0]))


@each_sampler
def test_one_draw_follows_the_weights(sampling: str) -> None:
    assert_distributed(draw(sampling, 1)[:, 0], shares(WEIGHTS[sampling][1]))


@each_sampler
def test_two_draws_follow_the_weights_without_replacement(sampling: str) -> None:
    weights = WEIGHTS[sampling][1]
    total = sum(weights)
    pairs = list(itertools.combinations(range(len(weights)), 2))
    # First one then the other, or the other way round.
    expected = [
        weights[a] / total * weights[b] / (total - weights[a]) + weights[b] / total * weights[a] / (total - weights[b])
        for a, b in pairs
    ]
    drawn = draw(sampling, 2)
    code = {pair: number for number, pair in enumerate(pairs)}
    table = np.full((len(weights), len(weights)), -1)
    for pair, number in code.items():
        table[pair] = number
    assert_distributed(table[drawn[:, 0], drawn[:, 1]], expected)


@each_sampler
@pytest.mark.parametrize("key", ["texts", "far_apart", "negative"])
def test_keys_of_any_kind_serve(sampling: str, key: str) -> None:
    keys: Any = {
        "texts": [f"query {row}" for row in range(DRAWS)],
        "far_apart": np.arange(DRAWS, dtype=np.uint64) << np.uint64(45),
        "negative": -np.arange(DRAWS),
    }[key]
    assert_distributed(draw(sampling, 1, query_ids=keys)[:, 0], shares(WEIGHTS[sampling][1]))


@each_sampler
def test_passage_ids_far_apart_serve(sampling: str) -> None:
    ids = np.array([0, 2**20, 2**40, 2**62, 2**63 - 1])
    drawn = draw(sampling, 1, ids=np.broadcast_to(ids, (DRAWS, 5)))[:, 0]
    assert_distributed(np.searchsorted(ids, drawn), shares(WEIGHTS[sampling][1]))


@each_sampler
def test_draws_of_neighbouring_queries_are_independent(sampling: str) -> None:
    drawn = draw(sampling, 1, queries=2 * DRAWS)[:, 0]
    one = shares(WEIGHTS[sampling][1])
    assert_distributed(5 * drawn[::2] + drawn[1::2], [a * b for a in one for b in one])


@each_sampler
def test_draws_of_neighbouring_seeds_are_independent(sampling: str) -> None:
    first, second = (draw(sampling, 1, seed=seed)[:, 0] for seed in (0, 1))
    one = shares(WEIGHTS[sampling][1])
    assert_distributed(5 * first + second, [a * b for a in one for b in one])


@each_sampler
def test_the_first_are_certain_and_the_rest_follow_the_weights(sampling: str) -> None:
    drawn = draw(sampling, 2, first=1)
    assert (drawn[:, 0] == 0).all()
    # The bins are those of the ones that race: 0.8; 0.5 and 0.45; 0.0.
    weights = [1.0, 0.5, 0.5, 1.0] if sampling == "bins" else WEIGHTS[sampling][1][1:]
    assert_distributed(drawn[:, 1] - 1, shares(weights))


@each_sampler
def test_all_of_them_first_is_the_top(sampling: str) -> None:
    assert (draw(sampling, 3, first=3, queries=50) == [0, 1, 2]).all()


@each_sampler
def test_nothing_is_drawn_from_beyond_the_pool(sampling: str) -> None:
    drawn = draw(sampling, 1, pool=2, shift=1, queries=1000)
    assert set(drawn.ravel().tolist()) == {1, 2}


@each_sampler
def test_the_pool_is_ten_by_default_and_never_too_small_for_n(sampling: str) -> None:
    scores = np.linspace(0.9, 0.5, 30)
    assert draw(sampling, 1, scores=scores, queries=3000).max() == 9
    assert np.array_equal(draw(sampling, 12, scores=scores, queries=5), np.tile(np.arange(12), (5, 1)))
    assert draw(sampling, 1, scores=scores, queries=20_000, pool="all").max() > 20


@each_sampler
def test_a_draw_is_the_same_again_and_another_for_another_seed(sampling: str) -> None:
    once, again, other = (draw(sampling, 2, queries=500, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(once, again)
    assert 50 < (once != other).any(axis=1).sum() < 500


@each_sampler
def test_a_draw_is_another_for_another_key(sampling: str) -> None:
    once, other = (draw(sampling, 2, queries=500, query_ids=np.arange(500) + first) for first in (0, 10_000))
    assert 50 < (once != other).any(axis=1).sum() < 500


@each_sampler
def test_other_queries_leave_a_draw_alone(sampling: str) -> None:
    keys = np.array([f"q{row}" for row in range(400)])
    together = draw(sampling, 2, queries=400, query_ids=keys)
    chosen = np.random.default_rng(0).permutation(400)[:97]
    assert np.array_equal(draw(sampling, 2, queries=97, query_ids=keys[chosen]), together[chosen])


@each_sampler
def test_the_order_of_candidates_leaves_a_draw_alone(sampling: str) -> None:
    ids = np.tile(np.arange(5) * 11, (400, 1))
    straight = draw(sampling, 2, queries=400, ids=ids)
    order = np.random.default_rng(0).permuted(np.tile(np.arange(5), (400, 1)), axis=1)
    shuffled = nvmine.mine(
        np.array(SCORES)[order],
        np.full(400, ANCHOR),
        ids=np.take_along_axis(ids, order, axis=1),
        method="naive",
        sampling=sampling,
        n=2,
        **WEIGHTS[sampling][0],
    )
    assert np.array_equal(shuffled.ids, straight)


@each_sampler
def test_rejected_candidates_leave_a_draw_alone(sampling: str) -> None:
    more = [1.5, *SCORES, math.nan]
    drawn = draw(sampling, 2, queries=400, scores=more, ids=np.tile([9, 0, 1, 2, 3, 4, 5], (400, 1)), max_score=1.0)
    assert np.array_equal(drawn, draw(sampling, 2, queries=400))


def test_the_margin_to_the_anchor_steers_simans_and_nothing_else() -> None:
    scores = np.broadcast_to(SCORES, (2000, 5))
    for sampling, steered in (("uniform", False), ("softmax", False), ("bins", False), ("simans", True)):
        near, far = (
            nvmine.mine(scores, np.full(2000, anchor), method="naive", sampling=sampling, simans_a=20.0, n=1).ids
            for anchor in (0.9, 0.2)
        )
        assert (near.mean() < far.mean() - 1) == steered
        assert np.array_equal(near, far) != steered


@pytest.mark.parametrize("temperature", [1e-300, 1e-3, 1e308])
def test_temperatures_at_the_limits_overflow_nothing(temperature: float) -> None:
    scores = np.broadcast_to([1e308, 1.0, -1e308], (1000, 3))
    drawn = nvmine.mine(scores, np.ones(1000), method="naive", sampling="softmax", temperature=temperature, n=1).ids
    # Only a temperature as high as the scores lets another than the best win.
    assert (set(drawn.ravel().tolist()) == {0}) == (temperature < 1)

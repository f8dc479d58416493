"""The policy as a value: defaults, what it refuses, and every way out and in again."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import math
import pickle
from decimal import Decimal
from enum import StrEnum
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given

import nvmine
import oracle
from nvmine import Policy
from nvmine.errors import PolicyError

SCORES, POSITIVES = [[0.9, 0.5, 0.1]], [0.8]


def policies() -> st.SearchStrategy[Policy]:
    """Any policy that is valid."""
    finite = st.floats(allow_nan=False, allow_infinity=False)
    positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)

    @st.composite
    def build(draw: st.DrawFn) -> Policy:
        n = draw(st.integers(1, 2**20))
        bounds = [(None, None), (None, -1.0), (1e-300, None), (0.5, -0.5), (1e308, -1e308), (-0.0, -5e-324)]
        max_score, min_score = draw(st.sampled_from(bounds))
        return Policy(
            method=draw(st.sampled_from(["naive", "shift", "abs", "margin", "perc"])),
            percentage=draw(st.floats(0, 2)),
            margin=draw(finite),
            max_score=max_score,
            min_score=min_score,
            near_duplicate=draw(st.none() | st.floats(0, 1, exclude_min=True)),
            shift=draw(st.none() | st.integers(0, 2**64 - 1)),
            pool=draw(st.none() | st.just("all") | st.integers(n, 2**64 - 1)),
            n=n,
            sampling=draw(st.sampled_from(["top", "uniform", "softmax", "simans", "bins"])),
            first=draw(st.integers(0, n)),
            temperature=draw(positive),
            simans_a=draw(positive),
            simans_b=draw(finite),
            bins=draw(st.integers(1, 2**20)),
            anchor=draw(st.sampled_from(["min", "max", "mean", "each"])),
            on_short=draw(st.sampled_from(["keep", "drop", "raise"])),
            on_missing=draw(st.sampled_from(["raise", "skip"])),
            seed=draw(st.integers(0, 2**64 - 1)),
        )

    return build()


def test_defaults_are_those_of_the_design() -> None:
    assert dataclasses.asdict(Policy()) == dataclasses.asdict(oracle.Rule())


@given(policy=policies())
@example(policy=Policy())
def test_json_brings_back_the_same_policy(policy: Policy) -> None:
    text = policy.to_json()
    again = Policy.from_json(text)
    assert again == policy
    assert again.to_json() == text
    assert list(json.loads(text)) == [field.name for field in dataclasses.fields(Policy)]


@given(policy=policies())
def test_copies_are_equal(policy: Policy) -> None:
    for other in (pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy), dataclasses.replace(policy)):
        assert other == policy
        assert hash(other) == hash(policy)


@given(policy=policies(), anchor=st.floats(-1e6, 1e6))
def test_ceiling_is_the_oracles(policy: Policy, anchor: float) -> None:
    assert policy.ceiling(anchor) == oracle.ceiling_of(anchor, oracle.Rule(**dataclasses.asdict(policy)))


@pytest.mark.parametrize("percentage", [0.0, 0.5, 0.95, 0.999])
@pytest.mark.parametrize("anchor", [0.8, 1e-300, -1e-300, -0.8, -1e300])
def test_perc_lies_at_or_below_any_anchor(percentage: float, anchor: float) -> None:
    ceiling = Policy(percentage=percentage).ceiling(anchor)
    assert ceiling <= anchor
    assert math.isclose(anchor - ceiling, (1 - percentage) * abs(anchor), rel_tol=1e-12, abs_tol=1e-300)


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Policy().n = 5  # type: ignore[misc]


def test_fields_go_by_name_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        Policy("margin")  # type: ignore[misc]


class Method(StrEnum):
    MARGIN = "margin"


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ({"n": np.int32(3)}, {"n": 3}),
        ({"margin": np.float32(0.5)}, {"margin": 0.5}),
        ({"margin": 1}, {"margin": 1.0}),
        ({"margin": Decimal("0.25")}, {"margin": 0.25}),
        ({"seed": 2**64 - 1}, {"seed": 2**64 - 1}),
        ({"max_score": np.float64(1)}, {"max_score": 1.0}),
        ({"method": Method.MARGIN}, {"method": "margin"}),
    ],
    ids=lambda value: "_".join(map(str, value)) if isinstance(value, dict) else None,
)
def test_numbers_and_strings_of_any_type_are_stored_as_pythons_own(given_: Any, stored: Any) -> None:
    policy = Policy(**given_)
    assert policy == Policy(**stored)
    assert policy.to_json() == Policy(**stored).to_json()


BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "method_unknown": ({"method": "percent"}, "method"),
    "method_in_capitals": ({"method": "PERC"}, "method"),
    "method_none": ({"method": None}, "method"),
    "sampling_unknown": ({"sampling": "random"}, "sampling"),
    "anchor_unknown": ({"anchor": "median"}, "anchor"),
    "on_short_unknown": ({"on_short": "pad"}, "on_short"),
    "on_missing_unknown": ({"on_missing": "ignore"}, "on_missing"),
    "percentage_as_percent": ({"percentage": 95}, "percentage"),
    "percentage_negative": ({"percentage": -0.01}, "percentage"),
    "percentage_nan": ({"percentage": math.nan}, "percentage"),
    "percentage_text": ({"percentage": "0.95"}, "percentage"),
    "percentage_bool": ({"percentage": True}, "percentage"),
    "percentage_none": ({"percentage": None}, "percentage"),
    "margin_infinite": ({"method": "margin", "margin": math.inf}, "margin"),
    "margin_complex": ({"margin": 1j}, "margin"),
    "margin_array": ({"margin": np.array([0.1, 0.2])}, "margin"),
    "margin_past_float": ({"margin": 10**400}, "margin"),
    "max_score_nan": ({"max_score": math.nan}, "max_score"),
    "min_score_infinite": ({"min_score": -math.inf}, "min_score"),
    "min_score_at_max_score": ({"min_score": 0.5, "max_score": 0.5}, "min_score"),
    "min_score_above_the_default_of_abs": ({"method": "abs", "min_score": 0.8}, "min_score"),
    "near_duplicate_zero": ({"near_duplicate": 0}, "near_duplicate"),
    "near_duplicate_as_percent": ({"near_duplicate": 80}, "near_duplicate"),
    "near_duplicate_nan": ({"near_duplicate": math.nan}, "near_duplicate"),
    "near_duplicate_bool": ({"near_duplicate": True}, "near_duplicate"),
    "shift_negative": ({"shift": -1}, "shift"),
    "shift_fraction": ({"shift": 1.5}, "shift"),
    "pool_below_n": ({"pool": 3, "n": 4}, "pool"),
    "pool_unknown_word": ({"pool": "everything"}, "pool"),
    "pool_whole_float": ({"pool": 10.0}, "pool"),
    "n_zero": ({"n": 0}, "n"),
    "n_negative": ({"n": -4}, "n"),
    "n_bool": ({"n": True}, "n"),
    "n_none": ({"n": None}, "n"),
    "n_absurd": ({"n": 2**20 + 1}, "n"),
    "n_past_64_bits": ({"n": 2**64}, "n"),
    "first_above_n": ({"first": 5, "n": 4}, "first"),
    "temperature_zero": ({"sampling": "softmax", "temperature": 0}, "temperature"),
    "temperature_nan": ({"sampling": "softmax", "temperature": math.nan}, "temperature"),
    "simans_a_negative": ({"sampling": "simans", "simans_a": -1.0}, "simans_a"),
    "simans_b_infinite": ({"sampling": "simans", "simans_b": math.inf}, "simans_b"),
    "bins_zero": ({"sampling": "bins", "bins": 0}, "bins"),
    "seed_negative": ({"seed": -1}, "seed"),
    "seed_past_64_bits": ({"seed": 2**64}, "seed"),
    "seed_text": ({"seed": "0"}, "seed"),
    "unknown_field": ({"depth": 100}, "depth"),
    # Also where the method or the sampler has no use for the field: a policy is stored, and replaced from.
    "percentage_out_of_range_unused": ({"method": "margin", "percentage": 95}, "percentage"),
    "margin_nan_unused": ({"margin": math.nan}, "margin"),
    "temperature_nan_unused": ({"temperature": math.nan}, "temperature"),
    "simans_b_infinite_unused": ({"simans_b": math.inf}, "simans_b"),
}


@pytest.mark.parametrize(("fields", "column"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_bad_field_is_named(fields: dict[str, Any], column: str) -> None:
    """By every way in that takes fields."""
    with pytest.raises(PolicyError) as by_mine:
        nvmine.mine(SCORES, POSITIVES, **fields)
    with pytest.raises(PolicyError) as by_dict:
        Policy.from_dict(fields)
    for caught in (by_mine, by_dict):
        assert caught.value.argument == column
        assert str(caught.value).startswith(f"argument {column!r}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    {
        "no_json": ("method=perc", "not JSON"),
        "cut": ('{"n": 4', "not JSON"),
        "list": ("[4]", "named fields, not list"),
        "number": ("4", "named fields, not int"),
        "null": ("null", "named fields, not NoneType"),
        "not_finite": ('{"margin": NaN}', "margin"),
    }.values(),
    ids=["no_json", "cut", "list", "number", "null", "not_finite"],
)
def test_json_that_is_not_a_policy_is_refused(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        Policy.from_json(text)


def test_json_of_an_unknown_field_names_it() -> None:
    with pytest.raises(PolicyError, match="the fields are method, percentage") as caught:
        Policy.from_json('{"n": 2, "topk": 3}')
    assert caught.value.argument == "topk"


def test_json_is_read_by_other_languages() -> None:
    """NaN and Infinity are no JSON, though Python writes them."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    assert json.loads(Policy(max_score=1e308).to_json(), parse_constant=refuse)["max_score"] == 1e308


@pytest.mark.parametrize(
    ("arguments", "message"),
    {
        "both": ({"policy": Policy(), "n": 2}, "either policy or its fields"),
        "a_dict": ({"policy": {"n": 2}}, "argument 'policy': must be a Policy, not dict"),
        "a_name": ({"policy": "perc"}, "argument 'policy': must be a Policy, not str"),
    }.values(),
    ids=["both", "a_dict", "a_name"],
)
def test_a_policy_comes_whole_or_by_fields(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        nvmine.mine(SCORES, POSITIVES, **arguments)


def test_whole_and_by_fields_is_the_same() -> None:
    fields: dict[str, Any] = {"method": "margin", "margin": 0.25, "n": 2}
    whole = nvmine.mine(SCORES, POSITIVES, policy=Policy(**fields))
    assert whole.ids.tolist() == nvmine.mine(SCORES, POSITIVES, **fields).ids.tolist() == [[1, 2]]


def test_help_spells_the_fields_out() -> None:
    parameters = inspect.signature(nvmine.mine).parameters
    for field in dataclasses.fields(Policy):
        assert parameters[field.name].default == field.default
        assert parameters[field.name].kind is inspect.Parameter.KEYWORD_ONLY
    assert "fields" not in parameters


@pytest.mark.parametrize(
    ("fields", "needed"),
    [({}, 4), ({"shift": 3}, 7), ({"method": "shift"}, 14), ({"sampling": "uniform"}, 10), ({"pool": 50}, 4)],
    ids=["top", "shifted", "method_shift", "sampled", "top_of_a_pool"],
)
def test_survivors_needed_are_enough(fields: dict[str, Any], needed: int) -> None:
    policy = Policy(**fields)
    assert policy.survivors_needed == needed
    # So many suffice: others, with lower scores, change nothing.
    scores = np.linspace(0.5, 0.4, 100)[None]
    full = nvmine.mine(scores, [1.0], policy=policy)
    cut = nvmine.mine(scores[:, :needed], [1.0], policy=policy)
    assert cut.ids.tolist() == full.ids.tolist()

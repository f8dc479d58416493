"""The policy: the whole mining rule as one immutable, validated value.

Every entry point takes the same policy, either whole or as its fields. The defaults are the best setting that
NV-Retriever found (arXiv 2407.15831v2, Table 3). Use ``method="margin"`` for a teacher whose scores keep one scale,
``"perc"`` (the default) when positives differ in scale, ``"abs"`` for calibrated scores; ``"naive"`` and ``"shift"``
look at no score and are there for comparison.
"""

from __future__ import annotations

import inspect
import json
import operator
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar

import numpy as np

from nvmine import _core
from nvmine.errors import PolicyError

Method = Literal["naive", "shift", "abs", "margin", "perc"]
Sampling = Literal["top", "uniform", "softmax", "simans", "bins"]
Anchor = Literal["min", "max", "mean", "each"]
OnShort = Literal["keep", "drop", "raise"]
OnMissing = Literal["raise", "skip"]

DEFAULT_SHIFT = 10
DEFAULT_POOL = 10
DEFAULT_MAX_SCORE = 0.7

_OPTIONAL_NUMBERS = ("max_score", "min_score", "near_duplicate")


class PolicyFields(TypedDict, total=False):
    """The fields of a policy as keyword arguments."""

    method: Method
    percentage: float
    margin: float
    max_score: float | None
    min_score: float | None
    near_duplicate: float | None
    shift: int | None
    pool: int | Literal["all"] | None
    n: int
    sampling: Sampling
    first: int
    temperature: float
    simans_a: float
    simans_b: float
    bins: int
    anchor: Anchor
    on_short: OnShort
    on_missing: OnMissing
    seed: int


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Which candidates are negatives, and which of those are picked.

    Parameters
    ----------
    method
        How the ceiling follows from the anchor `a`; a negative's score is strictly below it. ``naive`` and ``shift``:
        none; ``abs``: `max_score`; ``margin``: ``a - margin``; ``perc``: ``a - (1 - percentage) * |a|``, which lies
        below `a` for a negative anchor too.
    percentage
        For ``perc``; a share in [0, 2], the paper's best is 0.95.
    margin
        For ``margin``; any finite number.
    max_score, min_score
        Exclusive upper and inclusive lower bound, with any method. None: no bound, except 0.7 for ``abs``.
    near_duplicate
        A share in (0, 1]: survivors are gone through best first, and one is rejected whose word shingles have a Jaccard
        similarity of this or more with those of a positive, of the query's own text or of a better survivor that was
        kept. They are looked at until `shift` and `pool` are full (`shift` and `n` for ``top``); later ones are counted
        as ever, without being compared. A text without words is near nothing. None: nothing is compared.
    shift
        Survivors left out at the top. None: 10 for ``method="shift"``, else 0.
    pool
        Survivors, after `shift`, that picks are made from; at least `n`, or ``"all"``. None: all for
        ``sampling="top"``, else 10.
    n
        Negatives per query, at least 1.
    sampling
        ``top``: the best; the others draw without replacement with weight 1 (``uniform``),
        ``exp(score / temperature)`` (``softmax``), ``exp(-simans_a * (score - a - simans_b)**2)`` (``simans``), or so
        that all of `bins` equal-width score bins weigh the same (``bins``).
    first
        Of the `n`, so many are the best survivors whatever the sampling: 1 is the paper's "top-1 + sampled top-k".
    temperature
        For ``softmax``; positive.
    simans_a, simans_b
        For ``simans`` (arXiv 2210.11773): sharpness, positive, and offset from the anchor.
    bins
        For ``bins`` (TAS-Balanced, arXiv 2104.06967), at least 1.
    anchor
        The positive score that the ceiling is relative to, for several positives: the ``min``, ``max`` or ``mean``, or
        ``each`` in a result of its own.
    on_short
        A query with fewer than `n` negatives keeps them, has them dropped, or raises.
    on_missing
        A query without a positive raises, or is skipped.
    seed
        Of the draws, in [0, 2**64).

    Raises
    ------
    PolicyError
        A field is unknown, of the wrong type, out of range or in contradiction to another; `column` names it.

    Examples
    --------
    >>> Policy(method="margin", margin=0.05).ceiling(0.75)
    0.7
    """

    method: Method = "perc"
    percentage: float = 0.95
    margin: float = 0.05
    max_score: float | None = None
    min_score: float | None = None
    near_duplicate: float | None = None
    shift: int | None = None
    pool: int | Literal["all"] | None = None
    n: int = 4
    sampling: Sampling = "top"
    first: int = 0
    temperature: float = 1.0
    simans_a: float = 0.5
    simans_b: float = 0.0
    bins: int = 10
    anchor: Anchor = "min"
    on_short: OnShort = "keep"
    on_missing: OnMissing = "raise"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("method", "sampling", "anchor", "on_short", "on_missing"):
            if not isinstance(getattr(self, name), str):
                raise PolicyError(f"must be a string, not {getattr(self, name)!r}", argument=name)
        for name in ("percentage", "margin", "temperature", "simans_a", "simans_b", *_OPTIONAL_NUMBERS):
            self._set(name, _number(name, getattr(self, name), optional=name in _OPTIONAL_NUMBERS))
        for name in ("n", "first", "bins", "shift", "seed"):
            self._set(name, _whole(name, getattr(self, name), optional=name == "shift"))
        if not isinstance(self.pool, str) or self.pool != "all":
            self._set("pool", _whole("pool", self.pool, optional=True))
        self.compile()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def compile(self) -> _core.Policy:
        """The policy as the core takes it."""
        return _core.Policy(**self.resolved())

    def resolved(self) -> dict[str, Any]:
        """The fields, with every default that depends on another field filled in; a `pool` of all is None."""
        max_score = DEFAULT_MAX_SCORE if self.method == "abs" and self.max_score is None else self.max_score
        shift = (DEFAULT_SHIFT if self.method == "shift" else 0) if self.shift is None else self.shift
        pool = self.pool
        if pool is None:
            # A pool smaller than n could never feed a query, so a large n widens the default.
            pool = "all" if self.sampling == "top" else max(DEFAULT_POOL, self.n)
        return asdict(self) | {"max_score": max_score, "shift": shift, "pool": None if pool == "all" else pool}

    def ceiling(self, anchor: float) -> float:
        """The exclusive upper bound on a negative's score for a query with this anchor; infinite where there is none.

        A NaN anchor has a NaN ceiling.

        Examples
        --------
        >>> Policy(percentage=0.5).ceiling(-0.5)
        -0.75
        """
        return self.compile().ceiling(anchor)

    @property
    def survivors_needed(self) -> int:
        """How many survivors a query must have so that deeper candidates cannot change its negatives.

        With ``pool="all"`` and a sampler there is no such number; then as many as fill the row.
        """
        shift = (DEFAULT_SHIFT if self.method == "shift" else 0) if self.shift is None else self.shift
        if self.sampling == "top" or self.pool == "all":
            return shift + self.n
        return shift + (max(DEFAULT_POOL, self.n) if self.pool is None else self.pool)

    @property
    def decisive(self) -> int | None:
        """How many of a query's survivors, best first, decide its negatives; None: all of them."""
        fields = self.resolved()
        pool = fields["pool"]
        if pool is None and self.sampling == "top":
            pool = self.n
        return None if pool is None else int(fields["shift"] + pool)

    def to_json(self) -> str:
        """The policy as one JSON object with a key a field, in a fixed order.

        Examples
        --------
        >>> Policy.from_json(Policy(n=2).to_json()) == Policy(n=2)
        True
        """
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Policy:
        """The policy that :meth:`to_json` wrote.

        Raises
        ------
        PolicyError
            The text is no JSON object, or a key names no field.
        """
        try:
            stored = json.loads(text)
        except (ValueError, TypeError) as error:
            raise PolicyError(f"not JSON: {error}") from None
        return cls.from_dict(stored)

    @classmethod
    def from_dict(cls, stored: object) -> Policy:
        """The policy with these fields; an unknown one is refused by name."""
        if not isinstance(stored, dict):
            raise PolicyError(f"a policy is an object with named fields, not {type(stored).__name__}")
        known = [field.name for field in fields(cls)]
        for name in stored:
            if name not in known:
                raise PolicyError(f"no such field; the fields are {', '.join(known)}", argument=str(name))
        return cls(**stored)

    @classmethod
    def of(cls, policy: Policy | None, fields: PolicyFields) -> Policy:
        """The policy given whole or by its fields, as entry points take it.

        Raises
        ------
        PolicyError
            Both ways at once, or an unknown field.
        """
        if policy is None:
            return cls.from_dict(fields)
        if not isinstance(policy, cls):
            raise PolicyError(f"policy must be a Policy, not {type(policy).__name__}")
        if fields:
            given = ", ".join(fields)
            raise PolicyError(
                f"give either policy or its fields, not both; use dataclasses.replace(policy, {given}=...)"
            )
        return policy


P = ParamSpec("P")
R = TypeVar("R")


def takes_policy_fields(function: Callable[P, R]) -> Callable[P, R]:
    """Spells out the policy's fields, with their defaults, in the signature that ``help`` shows."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    policy = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(Policy)
    ]
    function.__signature__ = signature.replace(parameters=own + policy)  # type: ignore[attr-defined]
    return function


def _number(name: str, value: Any, *, optional: bool) -> float | None:
    if value is None and optional:
        return None
    if not isinstance(value, bool | np.bool_ | str | bytes | bytearray):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise PolicyError(f"must be a number, not {value!r}", argument=name)


def _whole(name: str, value: Any, *, optional: bool) -> int | None:
    if value is None and optional:
        return None
    if not isinstance(value, bool | np.bool_):
        try:
            whole = operator.index(value)
        except TypeError:
            pass
        else:
            if 0 <= whole < 2**64:
                return whole
            raise PolicyError(f"must lie in [0, 2**64), not {whole}", argument=name)
    raise PolicyError(f"must be a whole number, not {value!r}", argument=name)

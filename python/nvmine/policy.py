"""The policy: the whole mining rule as one immutable, validated value.

Every entry point takes the same policy, either as one value or as keyword arguments. The defaults are the best setting
of NV-Retriever (arXiv 2407.15831v2, Table 3). Use ``method="perc"`` (the default) if the scores of positives differ in
scale, ``"margin"`` if the teacher's scores keep one scale, and ``"abs"`` if they are calibrated. ``"naive"`` and
``"shift"`` ignore the scores; use them for comparison.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar

from nvmine import _core
from nvmine.errors import PolicyError
from nvmine.inputs.numbers import number, unsigned

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
    """The fields of a :class:`Policy`, as keyword arguments."""

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
    """Decides which candidates can be negatives, and which of those are picked.

    Parameters
    ----------
    method
        How the ceiling follows from the anchor `a`: ``naive`` and ``shift`` set no ceiling, ``abs`` sets `max_score`,
        ``margin`` sets ``a - margin``, and ``perc`` sets ``a - (1 - percentage) * |a|``. A `percentage` below 1
        puts it below a negative anchor too. The score of a negative is strictly below the ceiling.
    percentage
        Share for ``perc``, in [0, 2]. The paper's best is 0.95.
    margin
        Margin for ``margin``, any finite number.
    max_score, min_score
        Exclusive upper and inclusive lower bound on the scores of negatives, for any method. None: no bound, except
        that `max_score` is 0.7 for ``abs``.
    near_duplicate
        Jaccard similarity of word shingles, in (0, 1], from which a survivor is rejected as a near-duplicate of a
        positive, of the query's own text, or of a better survivor that was kept. Survivors are compared best first,
        until `shift` and `pool` are full (`shift` and `n` for ``sampling="top"``). Later ones are counted without a
        comparison. A text without words is similar to no text. None: texts are not compared.
    shift
        Number of best survivors to skip. None: 10 for ``method="shift"``, else 0.
    pool
        Number of survivors after `shift` to pick from, at least `n`, or ``"all"``. None: all for ``sampling="top"``;
        for the other samplers 10, or `n` if that is larger.
    n
        Number of negatives per query, in [1, 2**20].
    sampling
        How negatives are picked from the pool. ``top`` takes the best. The others draw without replacement, with the
        weight 1 (``uniform``), ``exp(score / temperature)`` (``softmax``),
        ``exp(-simans_a * (score - a - simans_b)**2)`` (``simans``, arXiv 2210.11773), or weights that make `bins` score
        bins of equal width equally likely (``bins``, TAS-Balanced, arXiv 2104.06967).
    first
        Number of the `n` negatives, in [0, n], that are the best of the pool whatever the sampling. 1 is the paper's
        "top-1 + sampled top-k".
    temperature
        Temperature for ``softmax``, positive.
    simans_a, simans_b
        Sharpness (positive) and offset from the anchor, for ``simans``.
    bins
        Number of bins for ``bins``, in [1, 2**20]. Empty bins do not count.
    anchor
        Which score of a query's positives the ceiling is relative to: ``min``, ``max`` or ``mean``; or ``each``, which
        gives one result for each positive.
    on_short
        What happens to a query with fewer than `n` negatives: ``keep`` them, ``drop`` them, or ``raise`` a ShortError.
    on_missing
        What happens to a query without a positive: ``raise`` a ScoreError, or ``skip`` the query.
    seed
        Seed of the random draws, in [0, 2**64).

    Raises
    ------
    PolicyError
        A field is unknown, of the wrong type, out of range, or contradicts another. The error's `argument` is its name.

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
            object.__setattr__(self, name, number(name, getattr(self, name), optional=name in _OPTIONAL_NUMBERS))
        for name in ("n", "first", "bins", "shift", "seed"):
            object.__setattr__(self, name, unsigned(name, getattr(self, name), optional=name == "shift"))
        if not isinstance(self.pool, str) or self.pool != "all":
            object.__setattr__(self, "pool", unsigned("pool", self.pool, optional=True))
        self.compile()

    def compile(self) -> _core.Policy:
        """Returns the policy in the form that the core takes."""
        return _core.Policy(**self.resolved())

    def resolved(self) -> dict[str, Any]:
        """Returns the fields, with the defaults that depend on other fields filled in. ``pool="all"`` becomes None."""
        max_score = DEFAULT_MAX_SCORE if self.method == "abs" and self.max_score is None else self.max_score
        shift = (DEFAULT_SHIFT if self.method == "shift" else 0) if self.shift is None else self.shift
        pool = self.pool
        if pool is None:
            # A pool smaller than n would leave every query short.
            pool = "all" if self.sampling == "top" else max(DEFAULT_POOL, self.n)
        return asdict(self) | {"max_score": max_score, "shift": shift, "pool": None if pool == "all" else pool}

    def ceiling(self, anchor: float) -> float:
        """Returns the exclusive upper bound on the scores of negatives of a query with this anchor.

        The ceiling is infinite if the policy sets none, and NaN for a NaN anchor if the method depends on the anchor.

        Examples
        --------
        >>> Policy(percentage=0.5).ceiling(-0.5)
        -0.75
        """
        return self.compile().ceiling(anchor)

    @property
    def decisive(self) -> int | None:
        """The number of best survivors that decide a query's negatives and its account by reason. None: all of them.

        A search that accounts for the whole corpus must find this many. For ``sampling="top"`` with a `pool`, the pool
        counts: it tells survivors that are ``not_sampled`` from those that are ``beyond_pool``.
        """
        fields = self.resolved()
        pool = fields["pool"]
        if pool is None and self.sampling == "top":
            pool = self.n
        return None if pool is None else int(fields["shift"] + pool)

    @property
    def survivors_needed(self) -> int:
        """The number of survivors of a query at which a run stops searching for deeper candidates.

        A run accounts for the candidates that it keeps, not for the corpus. So it needs only the survivors that decide
        the negatives, whatever the `pool` is for ``sampling="top"``. If all survivors decide, it fills the row.
        """
        decisive = self.decisive
        if self.sampling == "top" or decisive is None:
            return int(self.resolved()["shift"]) + self.n
        return decisive

    def to_json(self) -> str:
        """Returns the policy as a JSON object with one key for each field, in a fixed order.

        Examples
        --------
        >>> Policy.from_json(Policy(n=2).to_json()) == Policy(n=2)
        True
        """
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Policy:
        """Returns the policy that :meth:`to_json` wrote.

        Raises
        ------
        PolicyError
            The text is not a JSON object, a key is not a field, or a value is invalid.
        """
        try:
            stored = json.loads(text)
        except (ValueError, TypeError) as error:
            raise PolicyError(f"a policy must be a JSON object, but this is not JSON: {error}") from None
        return cls.from_dict(stored)

    @classmethod
    def from_dict(cls, stored: object) -> Policy:
        """Returns the policy with the fields of a dict, and raises :class:`PolicyError` for an unknown field."""
        if not isinstance(stored, dict):
            raise PolicyError(f"a policy must be an object with named fields, not {type(stored).__name__}")
        known = [field.name for field in fields(cls)]
        for name in stored:
            if name not in known:
                raise PolicyError(f"is not a field of a policy; the fields are {', '.join(known)}", argument=str(name))
        return cls(**stored)

    @classmethod
    def of(cls, policy: Policy | None, fields: PolicyFields) -> Policy:
        """Returns the policy of a call that takes either `policy` or its fields as keyword arguments.

        Raises
        ------
        PolicyError
            Both were given, `policy` is not a :class:`Policy`, or a field is unknown or invalid.
        """
        if policy is None:
            return cls.from_dict(fields)
        if not isinstance(policy, cls):
            raise PolicyError(f"must be a Policy, not {type(policy).__name__}", argument="policy")
        if fields:
            change = ", ".join(f"{name}=..." for name in fields)
            raise PolicyError(f"pass either policy or its fields, not both: dataclasses.replace(policy, {change})")
        return policy


P = ParamSpec("P")
R = TypeVar("R")


def takes_policy_fields(function: Callable[P, R]) -> Callable[P, R]:
    """Lists the policy's fields, with their defaults, in the signature that ``help`` shows for the function."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    policy = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(Policy)
    ]
    function.__signature__ = signature.replace(parameters=own + policy)  # type: ignore[attr-defined]
    return function

"""The fields of the policy as options of the command line, for every command that takes a policy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import typer

from nvmine.cli.options import takes_options
from nvmine.policy import Anchor, Method, OnMissing, OnShort, Sampling

# The type of each field on the command line, and what it does.
POLICY_OPTIONS: dict[str, tuple[Any, str]] = {
    "method": (
        Method,
        (
            "How the ceiling of negative scores is computed. perc: --percentage of the anchor, which is the positive's "
            "score. margin: the anchor minus --margin. abs: --max-score. naive, shift: no ceiling."
        ),
    ),
    "percentage": (float, "For perc: share of the anchor that a negative must score below."),
    "margin": (float, "For margin: how far below the anchor a negative must score."),
    "max_score": (float, "Score that a negative must stay below, with any method. Default for abs: 0.7."),
    "min_score": (float, "Lowest score of a negative, with any method."),
    "near_duplicate": (
        float,
        (
            "Reject a negative whose words overlap this much or more with a positive, the query or a better negative: "
            "a Jaccard similarity of word shingles, above 0 and up to 1."
        ),
    ),
    "shift": (int, "Number of best survivors to skip. Default: 10 for --method shift, else 0."),
    "pool": (
        str,
        "Number of best survivors to pick negatives from, or all. Default: all for --sampling top, else 10.",
    ),
    "n": (int, "Number of negatives per query."),
    "sampling": (
        Sampling,
        (
            "How negatives are picked from the survivors. top: the best ones. The others draw at random: uniform; "
            "softmax, by score; simans, near the anchor; bins, evenly over the range of scores."
        ),
    ),
    "first": (int, "Number of negatives that are always the best survivors, before the others are drawn."),
    "temperature": (float, "For softmax: temperature of the weights."),
    "simans_a": (float, "For simans: how sharply weights fall with the distance from the anchor."),
    "simans_b": (float, "For simans: offset from the anchor at which the weights peak."),
    "bins": (int, "For bins: number of bins."),
    "anchor": (
        Anchor,
        "Which positive score is the anchor of a query with several positives. each: one result for every positive.",
    ),
    "on_short": (OnShort, "What to do with a query that gets fewer than n negatives."),
    "on_missing": (OnMissing, "What to do with a query that has no positive, or no score for it."),
    "seed": (int, "Seed of the random draws."),
}


def takes_policy(*, defaults: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds an option for each field of the policy to a command, which gets the fields that are given as `fields`.

    `defaults` are the values to show in the help.
    """
    options = {}
    for name, (kind, text) in POLICY_OPTIONS.items():
        flags = ["--n", "-n"] if name == "n" else []
        shown = str(defaults[name]) if defaults.get(name) else False
        options[name] = (kind, typer.Option(*flags, help=text, rich_help_panel="Policy", show_default=shown))

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_policy(*, fields: dict[str, Any], **given: Any) -> None:
            pool = fields.get("pool")
            if pool is not None and pool.isdecimal():
                fields["pool"] = int(pool)
            command(**given, fields=fields)

        return takes_options("fields", options)(with_policy)

    return decorate

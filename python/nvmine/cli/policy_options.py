"""The policy's fields as options of the command line, for every command that takes a policy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from nvmine.policy import Anchor, Method, OnMissing, OnShort, Sampling

# What each field of the policy does, and its type here.
POLICY_OPTIONS: dict[str, tuple[Any, str]] = {
    "method": (Method, "How the ceiling follows from the anchor."),
    "percentage": (float, "For perc: below this share of the anchor."),
    "margin": (float, "For margin: this far below the anchor."),
    "max_score": (float, "Strictly below this. Default for abs: 0.7."),
    "min_score": (float, "At least this."),
    "near_duplicate": (float, "Reject what shares this much with a better one, a positive or the query."),
    "shift": (int, "Survivors left out at the top. Default for shift: 10."),
    "pool": (str, "Survivors drawn from, or all. Default: 10 for samplers, all for top."),
    "n": (int, "Negatives per query."),
    "sampling": (Sampling, "How they are drawn."),
    "first": (int, "So many of them are the best survivors anyway."),
    "temperature": (float, "For softmax."),
    "simans_a": (float, "For simans: sharpness."),
    "simans_b": (float, "For simans: offset from the anchor."),
    "bins": (int, "For bins: how many."),
    "anchor": (Anchor, "Which positive score counts, of several."),
    "on_short": (OnShort, "What to do with fewer than n."),
    "on_missing": (OnMissing, "What to do with a query without a positive."),
    "seed": (int, "Of the draws."),
}


def takes_policy(*, defaults: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds an option for each field of the policy to a command; those that are given reach it as `fields`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def wrapped(**given: Any) -> None:
            fields = {name: given.pop(name) for name in POLICY_OPTIONS}
            pool = fields["pool"]
            if pool is not None and pool.isdecimal():
                fields["pool"] = int(pool)
            command(**given, fields={name: value for name, value in fields.items() if value is not None})

        own = inspect.signature(command, eval_str=True).parameters.values()
        options = []
        for name, (kind, text) in POLICY_OPTIONS.items():
            flags = ["--n", "-n"] if name == "n" else []
            shown = defaults.get(name)
            option = typer.Option(
                *flags, help=text, rich_help_panel="The rule", show_default=str(shown) if shown else False
            )
            annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
            options.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
        parameters = [parameter for parameter in own if parameter.name != "fields"] + options
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
        return wrapped

    return decorate

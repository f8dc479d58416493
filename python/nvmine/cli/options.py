"""How commands declare their options: panels of the help, options that commands share, options from a table."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer

from nvmine.ensemble import Duplicates, How
from nvmine.errors import DataError

TEACHER, BM25, ENSEMBLE = "Teacher", "BM25", "Several teachers, and rerankers"
RANKED, DATA, SEARCH, JUDGE = "Ranked lists", "Data", "Search", "Judge"


def option(panel: str, text: str, *names: str) -> Any:
    """Returns an option of a command that is shown in a panel of its help."""
    return typer.Option(*names, help=text, rich_help_panel=panel)


HowOption = Annotated[
    How,
    option(
        ENSEMBLE,
        "How several teachers share the n negatives of a query. intra: they take turns, one negative each. cross: one "
        "teacher, drawn at random, gives them all.",
    ),
]
DuplicatesOption = Annotated[
    Duplicates,
    option(
        ENSEMBLE,
        "With --how intra, what to do when a teacher's next negative was already given by another. keep: repeat it. "
        "replace: take the next one that is new.",
    ),
]
MemoryOption = Annotated[str, option(SEARCH, "Memory budget for blocks of scores, such as 512M or 4G.")]
ThreadsOption = Annotated[int | None, option(SEARCH, "Number of CPU threads. Default: as many as the process may use.")]


def refuse(context: typer.Context, names: Iterable[str], other: str) -> None:
    """Raises a DataError for the first of these options that the user gave, because `other` would ignore it."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise DataError(f"this option has no meaning with {other}", argument=name)


def takes_options(
    parameter: str, options: Mapping[str, tuple[Any, Any]]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Puts options in the place of one parameter of a command, which gets those that are given as a dictionary.

    `options` are the type and the ``typer.Option`` of each name.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def wrapped(**given: Any) -> None:
            values = {name: given.pop(name) for name in options}
            command(**given, **{parameter: {name: value for name, value in values.items() if value is not None}})

        parameters: list[inspect.Parameter] = []
        for own in inspect.signature(command, eval_str=True).parameters.values():
            if own.name == parameter:
                parameters += [
                    own.replace(name=name, default=None, annotation=Annotated[kind | None, option])
                    for name, (kind, option) in options.items()
                ]
            else:
                parameters.append(own)
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
        return wrapped

    return decorate

"""The application that every command belongs to, and what it prints: the totals of a run, and errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvmine import __version__
from nvmine.errors import NvmineError, TeacherError, quote

if TYPE_CHECKING:
    from nvmine.run import Run

app = typer.Typer(
    name="nvmine",
    help="Mine hard negatives for training text retrievers: exact, never starved, reproducible.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

# Arguments of the library that have an option of another name, by the kind of error.
_OTHER_NAMES: dict[tuple[type[NvmineError], str], str] = {
    (TeacherError, "method"): "--bm25-method",
    (TeacherError, "api_key"): "--api-key-env",
}

_REPLACED = re.compile(
    r"""
    # An assignment such as on_missing='skip', but not inside a path.
    (?<![\w./-]) (?P<name>[a-z]\w*) = (?: '(?P<quoted>[\w.-]+)' | (?P<bare>\w+(?:\.\w+)*) )? (?![\w/=])
    # Quoted text is the user's own and stays as it is.
    | (?<!\w) '(?:[^'\\]|\\.)*' (?!\w)
    | (?<!\w) "(?:[^"\\]|\\.)*" (?!\w)
    """,
    re.VERBOSE,
)


def in_options(error: NvmineError) -> str:
    """Returns the text of an error in which options of the command line replace arguments of the library.

    ``argument 'passage_column'`` becomes ``--passage-column``, and advice such as ``on_missing='skip'`` becomes
    ``--on-missing skip``. Quoted text, paths and names that are no options stay as they are.
    """
    parameters = _parameters()
    options = {
        name: next((option for option in parameter.opts if option.startswith("--")), name.upper())
        for name, parameter in parameters.items()
    }
    flags = {name for name, parameter in parameters.items() if getattr(parameter, "is_flag", False)}

    def shown(name: str) -> str | None:
        return _OTHER_NAMES.get((type(error), name), options.get(name))

    def replaced(match: re.Match[str]) -> str:
        name = None if match["name"] is None else shown(match["name"])
        if name is None:
            return match[0]
        value = match["quoted"] or match["bare"]
        return name if match["name"] in flags and value == "True" else " ".join(filter(None, [name, value]))

    text = str(error)
    place = text.removesuffix(error.message)
    if error.argument is not None and (name := shown(error.argument)) is not None:
        place = place.replace(f"argument {quote(error.argument)}", name, 1)
    return place + _REPLACED.sub(replaced, error.message)


def _parameters() -> dict[str, Any]:
    """Returns the parameters of all commands by name."""
    commands = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    return {parameter.name: parameter for command in commands for parameter in command.params}


def tell(run: Run, out: Path, state: str) -> None:
    """Prints the totals of a run, and where its files are."""
    totals = run.manifest.audit or {}
    typer.echo(f"{out} {state}: {totals['emitted']:,} negatives for {totals['queries']:,} queries")
    if totals["short"]:
        typer.echo(f"{totals['short']:,} have fewer than {run.n}: {run.short_because}")
    typer.echo(f"negatives: {out}/negatives-*.parquet   why the other candidates were rejected: nvmine audit {out}")


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit

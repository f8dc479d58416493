"""The application that every command is part of, and what they have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvmine import __version__
from nvmine.errors import DataError, NvmineError, TeacherError, quote

if TYPE_CHECKING:
    from nvmine.run import Run

app = typer.Typer(
    name="nvmine",
    help="Hard negatives for training text retrievers: exact, never starved, reproducible.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

TEACHER, SEARCH, DATA = "The teacher", "The search", "The data"
RANKED, BM25, JUDGE = "Ranked lists", "BM25", "The judge"
ENSEMBLE = "Several teachers, and rerankers"


def option(panel: str, text: str, *names: str) -> Any:
    """An option of a command, shown in a panel of its help."""
    return typer.Option(*names, help=text, rich_help_panel=panel)


def refuse(context: typer.Context, names: Iterable[str], other: str) -> None:
    """Refuses options that were given and would be passed over."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise DataError(f"this option has no meaning with {other}", argument=name)


# Arguments whose option has another name.
_OPTIONS: dict[str, dict[type[NvmineError], str]] = {"method": {TeacherError: "--bm25-method"}}


def in_options(error: NvmineError) -> str:
    """Returns the text of an error with every argument as the option that sets it.

    ``argument 'passage_column'`` becomes ``--passage-column``, and a way out such as ``on_missing='skip'`` becomes
    ``--on-missing skip``.
    """
    commands = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    known = {parameter.name for command in commands for parameter in command.params}

    def option(name: str) -> str:
        return _OPTIONS.get(name, {}).get(type(error), "--" + name.replace("_", "-"))

    def assigned(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"] or ""
        return f"{option(name)} {value}".rstrip() if name in known else match[0]

    text = str(error)
    if error.argument is not None:
        text = text.replace(f"argument {quote(error.argument)}", option(error.argument), 1)
    return re.sub(r"\b(?P<name>[a-z_]+)=(?P<quote>['\"]?)(?P<value>[\w.]+)?(?P=quote)", assigned, text)


def tell(run: Run, out: Path, state: str) -> None:
    """What a run amounts to, in three lines."""
    totals = run.manifest.audit or {}
    typer.echo(f"{out} {state}: {totals['emitted']:,} negatives for {totals['queries']:,} queries")
    if totals["short"]:
        typer.echo(f"{totals['short']:,} are short of {run.n}: {run.short_because}")
    typer.echo(f"negatives: {out}/negatives-*.parquet   what became of the rest: nvmine audit {out}")


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit

"""The application that every command is part of, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvmine import __version__
from nvmine.errors import DataError

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
            raise DataError(f"this option has no meaning with {other}", column="--" + name.replace("_", "-"))


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

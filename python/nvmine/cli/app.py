"""The application that every command belongs to, and the totals that commands print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nvmine import __version__

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

"""``nvmine audit``: proves that a run is right, and summarises it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nvmine.cli.app import app


@app.command()
def audit(run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.")]) -> None:
    """Prove that a RUN is right, and summarise it.

    The audit checks that every file is the one that was written, that every candidate is either a negative or rejected
    for exactly one reason, and that every negative is legal: not a positive, not the query itself, and below its
    ceiling. It then prints how many candidates were rejected for each reason, how many results have fewer than n
    negatives, and the quantiles of the scores.

    Example:

    ```
    nvmine audit run
    ```
    """
    from nvmine.run import check_run, open_run, summary_text

    opened = open_run(run)
    typer.echo(summary_text(opened, check_run(opened)))

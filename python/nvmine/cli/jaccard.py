"""``nvmine jaccard``: how far teachers agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nvmine.cli.app import app


@app.command()
def jaccard(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUNS", help="Finished runs of the same data. An ensemble counts as its members."),
    ],
    *,
    top: Annotated[
        int,
        typer.Option(help="Number of best negatives of each query to compare, at most what every run has."),
    ] = 4,
) -> None:
    """Print how far the teachers of RUNS agree: the mean Jaccard similarity of their negatives.

    For each query and each pair of teachers, the similarity is the share of negatives that both teachers gave, among
    all that either gave in its first --top. This is Table 6 of NV-Retriever.

    Example:

    ```
    nvmine jaccard run-e5 run-bm25 --top 4
    ```
    """
    from nvmine.run import agreement, agreement_text

    typer.echo(agreement_text(agreement(runs, top=top)))

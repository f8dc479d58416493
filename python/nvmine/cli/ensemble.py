"""``nvmine ensemble``: the negatives of several runs as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nvmine.cli.app import app, tell
from nvmine.cli.options import DuplicatesOption, HowOption, ThreadsOption


@app.command()
def ensemble(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUNS", help="Finished runs of the same data, the most accurate teacher's first."),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the new run. It may hold an ensemble of fewer of these teachers, which is then extended."
        ),
    ],
    how: HowOption = "intra",
    duplicates: DuplicatesOption = "keep",
    n: Annotated[
        int | None, typer.Option("--n", "-n", help="Number of negatives per query. Default: that of the first run.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random draws of --how cross.")] = 0,
    threads: ThreadsOption = None,
) -> None:
    """Combine the negatives of several RUNS into one run.

    The new run contains a copy of each of RUNS and does not need the old ones any more. Files that both share take up
    disk space only once. Nothing is encoded or searched again.

    Example:

    ```
    nvmine ensemble run-e5 run-bm25 --how intra --duplicates replace --out both
    ```
    """
    from nvmine.run import ensemble_runs

    mined = ensemble_runs(runs, out=out, how=how, duplicates=duplicates, n=n, seed=seed, threads=threads)
    tell(mined, out, "is combined")

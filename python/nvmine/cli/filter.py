"""``nvmine filter``: another policy for a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nvmine.cli.app import app, tell
from nvmine.cli.options import SEARCH, MemoryOption, ThreadsOption, option
from nvmine.cli.policy_options import takes_policy


@app.command(name="filter")
@takes_policy(defaults={})
def filter_(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder. It is not changed.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the new run. A run that was interrupted is continued.")],
    device: Annotated[
        str | None,
        option(
            SEARCH,
            "Torch device to search on where the kept candidates do not suffice, such as cuda, or several: "
            "cuda:0,cuda:1. Default: the CPU.",
        ),
    ] = None,
    memory: MemoryOption = "1G",
    threads: ThreadsOption = None,
    fields: dict[str, Any],
) -> None:
    """Apply another policy to a finished RUN.

    Fields of the policy that are not given keep their values from RUN. No text is encoded again: the kept candidates
    are filtered, and the queries that they do not suffice for are searched again below their ceilings, with the kept
    vectors. The new run is the one that `nvmine mine` would make with this policy. Files that both runs share take up
    disk space only once.

    Example:

    ```
    nvmine filter run --method margin --margin 0.1 --n 8 --out stricter
    ```
    """
    from nvmine.run import filter_run

    devices = None if device in (None, "cpu") else device.split(",")
    mined = filter_run(run, out=out, memory=memory, device=devices, threads=threads, **fields)
    tell(mined, out, "is mined")

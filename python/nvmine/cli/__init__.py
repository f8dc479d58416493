"""The command line: ``nvmine mine``, ``filter``, ``ensemble``, ``judge``, ``jaccard``, ``audit`` and ``demo``.

Every command calls one public function. An error in the input ends it with one line on standard error and exit code 2.
``python -m nvmine`` does the same as ``nvmine``.
"""

from __future__ import annotations

import logging
import sys

import typer

from nvmine.cli.app import app
from nvmine.cli.messages import in_options
from nvmine.errors import NvmineError

# Importing a command adds it to the application; `nvmine --help` lists the commands in this order.
from nvmine.cli import mine, filter as filter_, ensemble, judge, jaccard, audit, demo  # isort: skip

__all__ = ["app", "audit", "demo", "ensemble", "filter_", "in_options", "jaccard", "judge", "main", "mine"]

_INTERRUPTED = 130


def main() -> None:
    """Runs the command line; an error of nvmine ends it with one line and exit code 2."""
    logger = logging.getLogger("nvmine")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    try:
        app()
    except NvmineError as error:
        typer.echo(f"nvmine: {type(error).__name__}: {in_options(error)}", err=True)
        sys.exit(2)
    except SystemExit as ended:
        # typer turns an interrupt into this exit code, without a word.
        if ended.code == _INTERRUPTED:
            message = "interrupted; run the same command again to start over or to continue a run folder"
            typer.echo(f"nvmine: {message}", err=True)
        raise

"""The command line: ``nvmine mine``, ``filter``, ``ensemble``, ``judge``, ``audit`` and more.

Every command calls one public function; what is wrong with the input is one line on standard error and exit code 2.
``python -m nvmine`` is the same.
"""

from __future__ import annotations

import logging
import sys

import typer

from nvmine.cli import mine, runs
from nvmine.cli.app import app, in_options
from nvmine.errors import NvmineError

__all__ = ["app", "main", "mine", "runs"]


def main() -> None:
    """Run the command line; errors of nvmine end it with one line and exit code 2."""
    logger = logging.getLogger("nvmine")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    try:
        app()
    except NvmineError as error:
        typer.echo(f"nvmine: {type(error).__name__}: {in_options(error)}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("nvmine: interrupted; the same command starts again, or continues a run folder", err=True)
        sys.exit(130)

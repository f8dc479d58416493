"""Runs: the stages put together, and the folder they write."""

from nvmine.run.check import Summary, check_run
from nvmine.run.filter import filter_run
from nvmine.run.folder import Run, open_run
from nvmine.run.pipeline import mine_dataset
from nvmine.run.summary import summary_text

__all__ = ["Run", "Summary", "check_run", "filter_run", "mine_dataset", "open_run", "summary_text"]

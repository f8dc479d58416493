"""Runs: the stages put together, and the folder they write."""

from nvmine.run.check import Summary, check_run
from nvmine.run.ensemble import ensemble_runs
from nvmine.run.filter import filter_run
from nvmine.run.folder import Run, open_run
from nvmine.run.judging import judge_run
from nvmine.run.overlap import agreement, agreement_text
from nvmine.run.pipeline import mine_dataset
from nvmine.run.prepare import Teacher
from nvmine.run.rescoring import Rescorer
from nvmine.run.summary import summary_text

__all__ = [
    "Rescorer",
    "Run",
    "Summary",
    "Teacher",
    "agreement",
    "agreement_text",
    "check_run",
    "ensemble_runs",
    "filter_run",
    "judge_run",
    "mine_dataset",
    "open_run",
    "summary_text",
]

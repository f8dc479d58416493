"""Runs: the stages put together, and the folder they write."""

from nvmine.run.agreement import agreement, agreement_text
from nvmine.run.ensemble import ensemble_runs
from nvmine.run.filter import filter_run
from nvmine.run.judge import judge_run
from nvmine.run.mine import mine_dataset
from nvmine.run.proof.check import Summary, check_run
from nvmine.run.proof.summary import summary_text
from nvmine.run.store.folder import Run, open_run
from nvmine.teachers import Rescorer, Teacher

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

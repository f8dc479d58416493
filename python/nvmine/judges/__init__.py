"""Judges: language models and functions that read a negative and decide whether it is relevant to the query after all.

Importing this package loads no HTTP client; :class:`ChatJudge` imports one when it is made.
"""

from nvmine.judges.chat import ChatJudge
from nvmine.judges.judge import CallableJudge, Judge, OnRelevant, Question, Verdict

__all__ = ["CallableJudge", "ChatJudge", "Judge", "OnRelevant", "Question", "Verdict"]

"""Judges: language models and functions that read a negative and say whether it answers the query after all."""

from nvmine.judges.chat import ChatJudge
from nvmine.judges.judge import CallableJudge, Judge, OnRelevant, Question, Verdict

__all__ = ["CallableJudge", "ChatJudge", "Judge", "OnRelevant", "Question", "Verdict"]

"""Judges: anything that decides whether a mined passage is relevant to its query, and so is a false negative.

A score cannot tell a hard negative from a positive that nobody labelled, but reading both texts can. Language models do
this well: retrievers get better when they are trained on data relabelled by them (RLHN: Thakur et al. 2025, arXiv
2505.16967). This module holds the question, the verdict and the judge that calls a function.
:mod:`nvmine.judges.prompt` puts a question to a language model, and :class:`~nvmine.judges.chat.ChatJudge` asks a model
behind an HTTP endpoint.

Judging costs money or hours, pair by pair, so only pass suspicious pairs. If there are plenty of candidates and losing
a hard negative does no harm, prefer a stricter ceiling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from nvmine.errors import TeacherError, quote, reason

OnRelevant = Literal["drop", "relabel"]
"""What happens to a relevant passage: "drop" only removes it from the negatives, "relabel" makes it a positive too."""

_LONGEST_ANSWER = 1000
# Floats represent every whole number up to here.
_LARGEST = 2**53


@dataclass(frozen=True, slots=True)
class Question:
    """The question whether a passage is relevant to a query.

    Parameters
    ----------
    query_id, passage_id
        Ids of the query and the passage.
    query, passage
        Texts of the query and the passage.
    positives
        Texts of the query's positives.
    """

    query_id: str
    passage_id: str
    query: str
    passage: str
    positives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's answer to a question, and its cost.

    Parameters
    ----------
    relevant
        Whether the passage is relevant to the query, and so a false negative.
    answer
        The text that the model wrote, truncated to 1000 characters.
    tokens_in, tokens_out
        Number of tokens read and written, at least 0, including retries.
    cost
        Cost in the currency of the judge's prices, at least 0.

    Raises
    ------
    TeacherError
        A field has another type or is out of range.
    """

    relevant: bool
    answer: str
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.relevant, bool) or not isinstance(self.answer, str):
            kinds = f"{type(self.relevant).__name__} and {type(self.answer).__name__}"
            raise TeacherError(f"a verdict needs a bool and a text, not {kinds}")
        for name in ("tokens_in", "tokens_out", "cost"):
            value = getattr(self, name)
            expected = int | float if name == "cost" else int
            if not isinstance(value, expected) or isinstance(value, bool) or not 0 <= value < _LARGEST:
                raise TeacherError(f"{name} of a verdict must be a number of at least 0 and below 2**53")
        object.__setattr__(self, "answer", encodable(self.answer)[:_LONGEST_ANSWER])


class Judge(Protocol):
    """Anything that answers questions."""

    def describe(self) -> dict[str, Any]:
        """Returns everything that changes verdicts, ready for JSON: no secrets, and no settings of speed or cost."""
        ...

    def ask(self, questions: Sequence[Question], answered: Callable[[int, Verdict], None]) -> None:
        """Answers questions.

        Parameters
        ----------
        questions
            Any number of questions.
        answered
            Called in the caller's thread with the number of a question and its verdict: once per question, as soon as
            the verdict is known, in any order.

        Raises
        ------
        TeacherError
            A question cannot be answered. Every verdict that was paid for has been passed to `answered` before.
        """
        ...


class CallableJudge:
    """A judge that calls a function: a model in this process, a table of labels, or a rule.

    Parameters
    ----------
    name
        Name of the judge in the run folder.
    decide
        Takes a question and returns whether the passage is relevant, as a bool or a :class:`Verdict`. For a language
        model, use :class:`Prompt` and :func:`read_answer`.
    version
        A text that changes whenever the verdicts of `decide` do. A run is not continued with another version.
    """

    def __init__(self, name: str, decide: Callable[[Question], bool | Verdict], *, version: str = "") -> None:
        self._name = name
        self._decide = decide
        self._version = version

    def describe(self) -> dict[str, Any]:
        """Returns what identifies the function and changes its verdicts, ready for JSON."""
        return {"kind": "callable", "name": self._name, "version": self._version}

    def ask(self, questions: Sequence[Question], answered: Callable[[int, Verdict], None]) -> None:
        """Answers questions in order, as :meth:`Judge.ask`.

        Raises
        ------
        TeacherError
            The function raises, or returns neither a bool nor a :class:`Verdict`; the error names the query.
        """
        for number, question in enumerate(questions):
            try:
                decision = self._decide(question)
            except Exception as error:  # the function may raise anything; the caller gets one type
                message = f"judge {quote(self._name)} fails on passage {quote(question.passage_id)} ({reason(error)})"
                raise TeacherError(message, query=question.query_id) from error
            if isinstance(decision, bool):
                decision = Verdict(decision, "")
            if not isinstance(decision, Verdict):
                raise TeacherError(
                    f"judge {quote(self._name)} returned a {type(decision).__name__} for passage"
                    f" {quote(question.passage_id)}; expected a bool or a Verdict",
                    query=question.query_id,
                )
            answered(number, decision)


def encodable(text: str) -> str:
    """Returns `text` with U+FFFD for each lone surrogate, which no encoding can represent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

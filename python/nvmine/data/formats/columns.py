"""Column names of ranked lists and of relevance judgements: the defaults, and how a column is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nvmine.errors import DataError, quote

QUERY = ("query_id", "query-id", "qid", "query")
PASSAGE = (
    "passage_id",
    "passage-id",
    "pid",
    "docid",
    "doc_id",
    "doc-id",
    "document_id",
    "corpus_id",
    "corpus-id",
)
SCORE = ("score", "similarity", "sim")
RELEVANCE = ("relevance", "score", "label", "rel")
POS_SCORE = ("pos_score", "positive_score")
IDS = ("ids", "passage_ids", "docids", "doc_ids", "corpus_ids")
SCORES = ("scores",)
POS_IDS = ("pos_ids", "positive_ids")
POS_SCORES = ("pos_scores", "positive_scores")


def choose(
    columns: Iterable[str],
    named: str | None,
    known: Sequence[str],
    role: str,
    path: Path,
    *,
    way_out: str | None = None,
) -> str:
    """Returns the column that the caller names, or else the first one with a known name.

    Parameters
    ----------
    columns
        The columns of the file.
    named
        The name that the caller gave, if any.
    known
        Known names, in order of preference.
    role
        What the column holds: ``"query"``, ``"passage"`` or ``"score"``.
    path
        The file, for the message.
    way_out
        What the user can do about a missing column. Default: set the argument ``<role>_column``.

    Raises
    ------
    DataError
        There is no such column; the message lists the columns.
    """
    there = list(columns)
    for name in known if named is None else [named]:
        if name in there:
            return name
    problem = f"none of the columns is known as {role}" if named is None else "no such column"
    listed = ", ".join(map(quote, there))
    remedy = way_out or f"name one with {role}_column="
    raise DataError(f"{problem}; the columns are: {listed}; {remedy}", path=path, column=named)


def choose_all(
    columns: Iterable[str], named: Mapping[str, str | None], known: Sequence[Sequence[str]], path: Path
) -> tuple[str, str, str]:
    """Returns the columns of the query, the passage and the score; see :func:`choose`.

    Parameters
    ----------
    named
        By role, the names that the caller gave: ``"query"``, ``"passage"`` and ``"score"``, in this order.
    known
        The known names of each role.

    Raises
    ------
    DataError
        A column is missing.
    """
    there = list(columns)
    query, passage, score = (
        choose(there, name, defaults, role, path) for (role, name), defaults in zip(named.items(), known, strict=True)
    )
    return query, passage, score


def refuse_names(named: Mapping[str, str | None], path: Path) -> None:
    """Refuses column names for a TREC run file, whose columns are known by their position.

    Raises
    ------
    DataError
        A name was given.
    """
    for role, name in named.items():
        if name is not None:
            message = f"is {quote(name)}, but the columns of a TREC run file have no names; leave it out"
            raise DataError(message, path=path, argument=f"{role}_column")


def find(columns: Iterable[str], known: Sequence[str]) -> str | None:
    """Returns the first column with a known name, or None if there is none."""
    there = list(columns)
    return next((name for name in known if name in there), None)

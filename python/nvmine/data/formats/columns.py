"""What the columns of ranked lists and judgements are called where nobody says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def choose(columns: Iterable[str], named: str | None, known: Sequence[str], option: str, path: Path) -> str:
    """The named column, or the first that is known by its name.

    Raises
    ------
    DataError
        There is none; the message lists the columns, and names the option that says which it is.
    """
    there = list(columns)
    for name in known if named is None else [named]:
        if name in there:
            return name
    wanted = f"none of the columns is known as {option.removesuffix('_column')}" if named is None else "no such column"
    listed = ", ".join(map(quote, there))
    raise DataError(f"{wanted}; the columns are: {listed}; name one with {option}=", path=path, column=named)


def find(columns: Iterable[str], known: Sequence[str]) -> str | None:
    """The first column that is known by its name, if there is one."""
    there = list(columns)
    return next((name for name in known if name in there), None)

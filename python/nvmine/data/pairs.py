"""Pairs of a query and its positive in any table, read as a dataset.

Most fine-tuning data has this shape: no ids, and no separate corpus. Equal query texts are one query, and equal
positive texts are one passage. The corpus consists of all positives, and of the passages in a corpus file if one is
given. Mining the positives alone is quick, but the only negatives are then positives of other queries; pass `corpus`
if you have one. Prefer the BEIR layout (:mod:`nvmine.data.beir`) for data with ids and graded labels.
"""

from __future__ import annotations

from nvmine.data.dataset import Dataset, OnMissing, compressed_rows
from nvmine.data.formats.jsonl import as_id, type_of
from nvmine.data.formats.tables import Table
from nvmine.errors import DataError, quote

DEFAULT_COLUMNS = (
    ("query", "positive"),
    ("anchor", "positive"),
    ("question", "answer"),
    ("question", "positive"),
    ("query", "answer"),
    ("query", "document"),
    ("query", "passage"),
    ("query", "pos"),
)
"""(query, positive) column names, tried in this order if the caller names none."""


def read_pairs(
    table: Table,
    *,
    query_column: str | None = None,
    positive_column: str | None = None,
    corpus: Table | None = None,
    on_missing: OnMissing = "raise",
) -> Dataset:
    """Builds a dataset from two columns of a table.

    Texts are compared exactly and kept unchanged. Queries are in the order of their first rows, with ids ``q<row>``.
    Passages are those of `corpus`, in its order and with its ids (``c<row>`` if it has none), followed by the positives
    that are not among them, with ids ``p<row>``, or ``p<row>.<i>`` for item ``i > 0`` of a list. Rows are counted
    from 0, without blank lines.

    Parameters
    ----------
    table
        Rows of a query text and a positive text. A positive may be a list of texts, each of which is a positive.
    query_column, positive_column
        Names of the two columns. Default: the first pair of :data:`DEFAULT_COLUMNS` that the table has; if you name
        one column, only the other one is looked up.
    corpus
        Further passages, in a column ``text``, with ids in a column ``_id`` or ``id`` if there is one. Other columns,
        such as a title, are not used. A repeated text is merged into its first passage.
    on_missing
        ``"skip"`` leaves out rows whose positive is null, blank or an empty list; ``"raise"`` refuses them.

    Raises
    ------
    DataError
        A column is missing, a cell is not text, a query or an item of a list is null or blank, two passages have
        the same id, or there are no rows; the message names the line or row, and the column.

    Examples
    --------
    >>> from nvmine.data.formats.tables import list_table
    >>> rows = [("who?", "she"), ("where?", ["here", "there"]), ("who?", "he")]
    >>> data = read_pairs(list_table(rows, ["query", "positive"], "pairs"))
    >>> data.query_ids, data.passage_ids, data.positives(0)
    (['q0', 'q1'], ['p0', 'p1', 'p1.1', 'p2'], array([0, 3]))
    """
    query_column, positive_column = _choose_columns(table, query_column, positive_column)
    queries, passages = _Unique(), _Unique()
    if corpus is not None:
        _add_corpus(passages, corpus)
    taken = set(passages.ids)
    positives: list[list[int]] = []
    for row, (place, (query_cell, positive_cell)) in enumerate(table.read((query_column, positive_column))):
        query = _text(query_cell, table, place, query_column)
        texts = _positive_texts(positive_cell, table, place, positive_column)
        if not texts and on_missing == "raise":
            message = 'the positive is null or empty; remove the row, or use on_missing="skip"'
            raise table.error(message, place=place, column=positive_column)
        if not texts:
            continue
        number = queries.add(query, f"q{row}")
        if number == len(positives):
            positives.append([])
        for item, text in enumerate(texts):
            name = f"p{row}.{item}" if item else f"p{row}"
            if text not in passages.numbers and name in taken:
                message = (
                    f"this positive would get the id {quote(name)}, which the corpus uses; rename it in the corpus"
                )
                raise table.error(message, place=place, column=positive_column)
            positives[number].append(passages.add(text, name))
    if not positives:
        raise table.error("no row has a query and a positive")
    offsets, values = compressed_rows(positives)
    return Dataset(
        name=table.name,
        query_ids=queries.ids,
        query_texts=list(queries.numbers),
        passage_ids=passages.ids,
        passage_texts=list(passages.numbers),
        positive_offsets=offsets,
        positive_passages=values,
    )


class _Unique:
    """Unique texts in the order in which they were added, each with the id that came with it first."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.numbers: dict[str, int] = {}

    def add(self, text: str, name: str) -> int:
        number = self.numbers.setdefault(text, len(self.ids))
        if number == len(self.ids):
            self.ids.append(name)
        return number


def _choose_columns(table: Table, query: str | None, positive: str | None) -> tuple[str, str]:
    for default_query, default_positive in DEFAULT_COLUMNS:
        pair = (query or default_query, positive or default_positive)
        if pair[0] != pair[1] and set(pair) <= set(table.columns):
            return pair
    columns = ", ".join(map(quote, table.columns))
    missing = [name for name in (query, positive) if name is not None and name not in table.columns]
    problem = f"no column {quote(missing[0])}" if missing else "no two columns are known as query and positive"
    message = f"{problem}; the columns are: {columns}; name two with query_column= and positive_column="
    raise table.error(message, column=missing[0] if missing else None)


def _add_corpus(passages: _Unique, corpus: Table) -> None:
    if "text" not in corpus.columns:
        columns = ", ".join(map(quote, corpus.columns))
        raise corpus.error(f"a corpus needs this column; the columns are: {columns}", column="text")
    id_column = next((name for name in ("_id", "id") if name in corpus.columns), None)
    places: dict[str, int] = {}
    for row, (place, (cell, *rest)) in enumerate(corpus.read(("text",) if id_column is None else ("text", id_column))):
        if not isinstance(cell, str):
            raise corpus.error(f"expected text, found {type_of(cell)}", place=place, column="text")
        name = _corpus_id(rest[0], corpus, place, id_column) if id_column else f"c{row}"
        if places.setdefault(name, place) != place:
            message = f"id {quote(name)} was already used on {corpus.unit} {places[name]}"
            raise corpus.error(message, place=place, column=id_column)
        passages.add(cell, name)
    if not places:
        raise corpus.error("the corpus has no passages")


def _corpus_id(cell: object, corpus: Table, place: int, column: str) -> str:
    try:
        return as_id(cell, corpus.name)
    except DataError as error:
        raise corpus.error(error.message, place=place, column=column) from None


def _positive_texts(cell: object, table: Table, place: int, column: str) -> list[str]:
    """Returns the positives of a row; there are none if the cell is null, blank or an empty list."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return []
    # A bare string is one positive; iterating over it would give its letters.
    items = cell if isinstance(cell, list | tuple) else [cell]
    return [_text(item, table, place, column) for item in items]


def _text(cell: object, table: Table, place: int, column: str) -> str:
    if not isinstance(cell, str):
        raise table.error(f"expected text, found {type_of(cell)}", place=place, column=column)
    if not cell.strip():
        raise table.error("the text is empty", place=place, column=column)
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        raise table.error("a lone surrogate is not text", place=place, column=column) from error
    return cell

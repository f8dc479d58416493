"""BEIR folders: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/<split>.tsv``.

This is the layout of the BEIR benchmark, in which most retrieval collections are published. Both JSONL files may be
gzipped (``.jsonl.gz``). Prefer a pairs file (:mod:`nvmine.data.pairs`) for data without ids.

Labels are tab-separated lines of query id, passage id and score, with or without the header ``query-id corpus-id
score``. TREC's four columns (query, iteration, passage, score; the iteration is ignored) are read too, and a line
without a tab is split at white space. A score above 0 makes a positive. Any other score says that the passage does not
answer the query. Such a passage may be mined, so its line only has to be well-formed.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from pathlib import Path

import numpy as np

from nvmine.data.dataset import Dataset, OnMissing, Taken, compressed_rows
from nvmine.data.formats.jsonl import Record, id_field, read_jsonl, text_field
from nvmine.data.formats.lines import read_lines
from nvmine.errors import DataError, quote

_HEADER = ["query-id", "corpus-id", "score"]

Qrels = dict[str, dict[str, tuple[float, int]]]
"""By query id and then passage id: the score, and the line that it stands on."""


def read_beir(folder: Path, *, split: str = "train", on_missing: OnMissing = "raise") -> Dataset:
    """Reads the queries that a split labels, and the whole corpus.

    Queries keep the order of ``queries.jsonl``. A passage's text is its title, a space and its text, stripped. It may
    be empty, as in some published collections; a query's text may not.

    Parameters
    ----------
    folder
        The folder with the three parts.
    split
        Name of a file in ``qrels/``, without its suffix.
    on_missing
        ``"skip"`` leaves out queries without a score above 0 in the split; ``"raise"`` refuses them.

    Raises
    ------
    DataError
        A part is missing, empty or malformed, or contradicts another one; the message names file, line and id.

    Examples
    --------
    >>> read_beir(Path("scifact"), split="test").query_ids[:2]
    ['1', '3']
    """
    qrels_path = _qrels_path(folder, split)
    qrels = read_qrels(qrels_path)
    queries_path = _jsonl_path(folder, "queries")
    known_queries, query_rows, query_texts = _read_queries(queries_path, qrels)
    query_ids = list(query_rows)
    corpus_path = _jsonl_path(folder, "corpus")
    numbers, passage_texts = _read_corpus(corpus_path)

    for query, judged in qrels.items():
        if query not in known_queries:
            line = min(line for _, line in judged.values())
            raise DataError(f"this query is not in {queries_path.name}", path=qrels_path, line=line, query=query)
        for passage, (_, line) in judged.items():
            if passage not in numbers:
                message = f"passage {quote(passage)} is not in {corpus_path.name}"
                raise DataError(message, path=qrels_path, line=line, query=query)

    positives = [[numbers[name] for name, (score, _) in qrels[query].items() if score > 0] for query in query_ids]
    for query, found in zip(query_ids, positives, strict=True):
        if not found and on_missing == "raise":
            message = 'no passage has a score above 0; remove the lines of this query, or use on_missing="skip"'
            raise DataError(message, path=qrels_path, query=query)
    kept = [number for number, found in enumerate(positives) if found]
    if not kept:
        raise DataError("no query has a passage with a score above 0", path=qrels_path)
    offsets, passages = compressed_rows(positives[number] for number in kept)
    rows = np.array([query_rows[query_ids[number]] for number in kept], np.int64)
    return Dataset(
        name=str(folder),
        query_ids=[query_ids[number] for number in kept],
        query_texts=[query_texts[number] for number in kept],
        passage_ids=list(numbers),
        passage_texts=passage_texts,
        positive_offsets=offsets,
        positive_passages=passages,
        queries_taken=Taken(rows, len(known_queries)) if len(rows) < len(known_queries) else None,
    )


def _jsonl_path(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"):
        if path.is_file():
            return path
    raise DataError(f"no {name}.jsonl; a BEIR folder has corpus.jsonl, queries.jsonl and qrels/", path=folder)


def _qrels_path(folder: Path, split: str) -> Path:
    if not folder.is_dir():
        raise DataError("no such folder", path=folder)
    splits = {path.stem: path for path in sorted((folder / "qrels").glob("*.tsv"))}
    if split not in splits:
        found = ", ".join(map(quote, splits)) or "none"
        raise DataError(f"no split {quote(split)}: qrels/ holds {found}; choose one with split=", path=folder)
    return splits[split]


def read_qrels(path: Path) -> Qrels:
    """Reads a file of labels.

    Raises
    ------
    DataError
        A line is malformed, a (query, passage) pair has two different scores, or there are no labels.
    """
    qrels: Qrels = {}
    width = None
    for line, text in read_lines(path):
        content = text.rstrip("\r\n")
        fields = content.split("\t") if "\t" in content else content.split()
        if not fields or (line == 1 and [name.replace("_", "-") for name in fields] == _HEADER):
            continue
        width = width or len(fields)
        if len(fields) != width or width not in (3, 4):
            expected = width if width in (3, 4) else "3 (query-id, corpus-id, score)"
            raise DataError(f"{len(fields)} columns, expected {expected}", path=path, line=line)
        query, passage = fields[0], fields[-2]
        if not query or not passage:
            raise DataError("the id is empty", path=path, line=line, column=_HEADER[0 if not query else 1])
        score = _score(fields[-1], path, line)
        earlier = qrels.setdefault(query, {}).setdefault(passage, (score, line))
        if earlier[0] != score:
            message = f"passage {quote(passage)} has score {score:g} here and {earlier[0]:g} on line {earlier[1]}"
            raise DataError(message, path=path, line=line, query=query)
    if not qrels:
        raise DataError("the split has no labels", path=path)
    return qrels


def _score(text: str, path: Path, line: int) -> float:
    try:
        score = float(text)
    except ValueError:
        score = float("nan")
    if not score.is_integer():
        raise DataError(f"score {quote(text)} is not an integer", path=path, line=line, column="score")
    return score


def _read_queries(path: Path, wanted: Container[str]) -> tuple[set[str], dict[str, int], list[str]]:
    """Returns all query ids, the row numbers of the wanted queries by id, and their texts."""
    known: set[str] = set()
    rows: dict[str, int] = {}
    texts: list[str] = []
    for line, name, record in _identified(path):
        if name in known:
            raise _duplicate(path, name, line)
        known.add(name)
        if name in wanted:
            text = text_field(record, "text", path, line).strip()
            if not text:
                raise DataError("the text is empty", path=path, line=line, column="text", query=name)
            rows[name] = len(known) - 1
            texts.append(text)
    if not known:
        raise DataError("the file has no queries", path=path)
    return known, rows, texts


def _read_corpus(path: Path) -> tuple[dict[str, int], list[str]]:
    numbers: dict[str, int] = {}
    texts: list[str] = []
    for line, name, record in _identified(path):
        if name in numbers:
            raise _duplicate(path, name, line)
        numbers[name] = len(texts)
        title = "" if record.get("title") is None else text_field(record, "title", path, line)
        texts.append(f"{title} {text_field(record, 'text', path, line)}".strip())
    if not texts:
        raise DataError("the file has no passages", path=path)
    return numbers, texts


def _identified(path: Path) -> Iterator[tuple[int, str, Record]]:
    for line, record in read_jsonl(path):
        yield line, id_field(record, "_id", path, line), record


def _duplicate(path: Path, name: str, line: int) -> DataError:
    # Reading the file again needs less memory than a line number for every id.
    first = next(earlier for earlier, other, _ in _identified(path) if other == name)
    return DataError(f"id {quote(name)} was already used on line {first}", path=path, line=line, column="_id")

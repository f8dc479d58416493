"""Texts in the run folder, once, by id, so that results can be read without the data they came from."""

from __future__ import annotations

import polars as pl
from nvmine.data import Dataset
from nvmine.files import table_writer
from nvmine.run.store.workspace import PASSAGES, QUERIES, Workspace


def store_texts(workspace: Workspace, dataset: Dataset) -> None:
    """Writes ``queries.parquet`` and ``passages.parquet``; a row's number is what candidates call it."""
    for name, ids, texts, column in (
        (QUERIES, dataset.query_ids, dataset.query_texts, "query_id"),
        (PASSAGES, dataset.passage_ids, dataset.passage_texts, "passage_id"),
    ):
        if not workspace.has(name):
            table = pl.DataFrame({column: ids, "text": texts}, schema={column: pl.String, "text": pl.String})
            workspace.commit(name, table.height, table_writer(table))

"""The texts of a run, stored once by id, so that results can be read without the data they came from."""

from __future__ import annotations

import numpy as np
import polars as pl

from nvmine.data import Dataset
from nvmine.files import table_writer
from nvmine.inputs.rows import offsets_of
from nvmine.run.store.folder import Run
from nvmine.run.store.workspace import PASSAGES, QUERIES, Workspace


def store_texts(workspace: Workspace, dataset: Dataset) -> None:
    """Writes ``queries.parquet`` and ``passages.parquet``; candidates refer to a passage by its row number."""
    for name, ids, texts, column in (
        (QUERIES, dataset.query_ids, dataset.query_texts, "query_id"),
        (PASSAGES, dataset.passage_ids, dataset.passage_texts, "passage_id"),
    ):
        if not workspace.has(name):
            table = pl.DataFrame({column: ids, "text": texts}, schema={column: pl.String, "text": pl.String})
            workspace.commit(name, table.height, table_writer(table))


def stored_dataset(source: Run) -> Dataset:
    """Returns the data set as the run stores it."""
    queries, passages = source.queries().collect(), source.passages().collect()
    positives = source.scan_candidates().select("pos_ids").collect()["pos_ids"]
    return Dataset(
        name=source.manifest.data["name"],
        query_ids=queries["query_id"].to_list(),
        query_texts=queries["text"].to_list(),
        passage_ids=passages["passage_id"].to_list(),
        passage_texts=passages["text"].to_list(),
        positive_offsets=offsets_of(positives.list.len().to_numpy().astype(np.int64)),
        positive_passages=positives.explode(empty_as_null=False).to_numpy().astype(np.int64),
    )

"""Ranked lists that were computed elsewhere: by a search engine, a late-interaction model, a reranker or a judge.

The file has one row per candidate: a TREC run, or a table in Parquet, CSV, TSV or JSONL. A passage that is not in a
query's list has no score, so the lists cannot be searched deeper. Prefer :func:`nvmine.mine_ranked` if you have no
texts but a file of positives: it streams, and never holds a whole file in memory.

This teacher holds the candidates of the dataset's queries as sorted numbers. Of a TREC run it also holds every id once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nvmine.data import Dataset
from nvmine.data.formats import columns, trec
from nvmine.data.formats.scan import first_bad_cell, scan, unreadable
from nvmine.data.formats.suffixes import RANKED_LISTS, RUNS, require_suffix
from nvmine.data.ranked_forms import fits, wrong_type
from nvmine.errors import DataError, quote
from nvmine.files import sha256_of
from nvmine.inputs.rows import offsets_of
from nvmine.teachers.protocols import RankedLists


class RankedTeacher:
    """Ranked lists from a file, opened by :meth:`open`."""

    def __init__(self, path: Path, names: tuple[str, str, str] | None, digest: str) -> None:
        self._path, self._names, self._digest = path, names, digest

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        query_column: str | None = None,
        passage_column: str | None = None,
        score_column: str | None = None,
    ) -> RankedTeacher:
        """Opens a file and reads it once to compute its digest.

        Parameters
        ----------
        path
            A TREC run (``.trec``, ``.run`` or ``.txt``) or a table (``.parquet``, ``.csv``, ``.tsv``, ``.jsonl`` or
            ``.json``). All formats but Parquet may be compressed, with the suffix ``.gz``.
        query_column, passage_column, score_column
            Names of the columns of a table. By default, the first column with a known name, such as ``query_id``,
            ``qid``, ``passage_id``, ``docid``, ``corpus-id`` or ``score``.

        Raises
        ------
        DataError
            The file is missing or damaged, its suffix is unknown, or it lacks a column.
        DtypeError
            A column holds neither ids nor scores.
        """
        path = Path(path)
        suffix = require_suffix(path, RANKED_LISTS)
        named = {"query": query_column, "passage": passage_column, "score": score_column}
        if suffix in RUNS:
            columns.refuse_names(named, path)
            names = None
        else:
            schema = scan(path, suffix).collect_schema()
            names = columns.choose_all(schema, named, (columns.QUERY, columns.PASSAGE, columns.SCORE), path)
            _check_types(schema, names, path)
        return cls(path, names, sha256_of(path))

    def describe(self) -> dict[str, Any]:
        """Returns everything that changes the lists, ready for JSON. Equal files give equal descriptions anywhere."""
        return {
            "kind": "ranked",
            "name": self._path.stem,
            "digest": self._digest,
            "columns": None if self._names is None else list(self._names),
        }

    def lists(self, dataset: Dataset) -> RankedLists:
        """Returns the lists of the dataset's queries, in its order. A query without rows in the file has an empty list.

        If a passage is listed twice for a query, the best score counts. Rows of other queries are ignored.

        Raises
        ------
        DataError
            A passage is not in the dataset, a score is missing or not finite in float32, no query has a list, or the
            file is malformed; the message names query and passage, or the line.
        """
        queries = pl.LazyFrame({"query": dataset.query_ids}, {"query": pl.String}).with_row_index("q")
        passages = pl.LazyFrame({"passage": dataset.passage_ids}, {"passage": pl.String}).with_row_index("p")
        rows = self._rows().join(queries, on="query", how="left").join(passages, on="passage", how="left")
        # A null matches no query, so without this it would be ignored like a row of another query.
        rows = rows.filter(pl.col("q").is_not_null() | pl.col("query").is_null())
        invalid = pl.any_horizontal(pl.col("q", "p").is_null()) | ~pl.col("score").is_finite().fill_null(value=False)
        try:
            found = rows.select("q", "p", "score").collect(engine="streaming")
            if found.select(invalid.any()).item():
                raise self._error(rows.filter(invalid).head(1).collect().row(0, named=True))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise unreadable(self._path, error) from None
        if not len(found):
            message = f"has no candidates for any of {len(dataset.query_ids)} queries; pass the lists of these queries"
            raise DataError(message, path=self._path)
        best = found.group_by("q", "p").agg(pl.max("score")).sort("q", "score", "p", descending=[False, True, False])
        lengths = np.bincount(best["q"].to_numpy(), minlength=len(dataset.query_ids))
        return RankedLists(offsets_of(lengths), best["p"].cast(pl.Int64).to_numpy(), best["score"].to_numpy())

    def _rows(self) -> pl.LazyFrame:
        """Returns the rows of the file: `query` and `passage` as text, `score` as float32."""
        if self._names is None:
            # Categoricals hold each id once, so the whole run fits into memory for the joins.
            ids = pl.col("query", "passage")
            pieces = [piece.with_columns(ids.cast(pl.Categorical)) for piece in trec.read_run(self._path)]
            return pl.concat(pieces).lazy().with_columns(ids.cast(pl.String), pl.col("score").cast(pl.Float32))
        query, passage, score = map(pl.col, self._names)
        return scan(self._path, require_suffix(self._path, RANKED_LISTS)).select(
            query.cast(pl.String).alias("query"),
            passage.cast(pl.String).alias("passage"),
            # Through float64, because text cast to float32 directly is rounded differently.
            score.cast(pl.Float64, strict=False).cast(pl.Float32).alias("score"),
        )

    def _error(self, row: dict[str, Any]) -> DataError:
        """Returns the error of a row that is not a valid candidate."""
        missing = next((name for name in ("query", "passage", "score") if row[name] is None), None)
        if missing is not None and self._names is not None and self._path.suffix.lower() != ".parquet":
            return first_bad_cell(self._path, self._names)
        passage = "a candidate" if row["passage"] is None else f"passage {quote(row['passage'])}"
        if missing is not None:
            message = f"{passage} has a null {missing}; remove rows with unknown values"
        elif row["p"] is None:
            message = f"{passage} is not in the dataset; pass lists over this corpus"
        else:
            message = f"{passage} has score {row['score']} in float32; remove the row, or give it a finite score"
        return DataError(message, path=self._path, query=row["query"])


def _check_types(schema: pl.Schema, names: tuple[str, str, str], path: Path) -> None:
    for name in names:
        is_score = name == names[2]
        # Scores are text in CSV and TSV, and may be text in JSONL.
        is_text = schema[name] == pl.String and path.suffix.lower() != ".parquet"
        if not (is_text or fits(schema[name], scores=is_score)):
            raise wrong_type(name, schema[name], scores=is_score).at(path=path)

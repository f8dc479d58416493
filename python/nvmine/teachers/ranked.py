"""Ranked lists that were computed elsewhere: by a search engine, a late-interaction model, a reranker, a judge.

A file with a row a candidate, as any engine writes it: a TREC run, or a table in Parquet, CSV, TSV or JSONL. What is in
the lists is all that is known: a passage that is not in a query's list has no score, so no depth can be added to it.
Prefer :func:`nvmine.mine_ranked` where there are no texts and the file has the form of its positives too; it holds
nothing whole.

The candidates of the dataset's queries are held as numbers and sorted, and of a TREC run every id once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from nvmine.data import Dataset
from nvmine.data.formats import columns, trec
from nvmine.data.formats.scan import FORMS, RUNS, first_bad_cell, kind, scan, unreadable
from nvmine.errors import DataError, DtypeError, quote
from nvmine.files import sha256_of
from nvmine.inputs.rows import offsets_of

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]


class RankedLists(NamedTuple):
    """The lists of a dataset's queries, one after the other, each best first and equal scores by row number.

    Query q's are the passages ``ids[offsets[q]:offsets[q + 1]]``, by their row numbers in the dataset, each once, with
    their scores. int64 of shape (Q + 1,), int64 and float32.
    """

    offsets: Int64Array
    ids: Int64Array
    scores: Float32Array


class RankedTeacher:
    """Ranked lists from a file, made by :meth:`open`."""

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
        """Open a file, and read it once for its digest.

        Parameters
        ----------
        path
            ``.trec``, ``.run`` or ``.txt`` for a TREC run; ``.parquet``, ``.csv``, ``.tsv``, ``.jsonl`` or ``.json``
            for a table. All but Parquet may end in ``.gz``.
        query_column, passage_column, score_column
            What the columns of a table are called. Default: the first that is known, such as ``query_id``, ``qid``,
            ``passage_id``, ``docid``, ``corpus-id``, ``score``.

        Raises
        ------
        DataError
            The file is missing or damaged, its suffix is unknown, or it has no such column.
        DtypeError
            A column holds something else than ids or scores.
        """
        path = Path(path)
        suffix = kind(path, FORMS)
        wanted = {"query_column": query_column, "passage_column": passage_column, "score_column": score_column}
        if suffix in RUNS:
            named = next((name for name in wanted.values() if name is not None), None)
            if named is not None:
                raise DataError("a TREC run file has no names for its columns", path=path, column=named)
            names = None
        else:
            schema = scan(path, suffix).collect_schema()
            known = (columns.QUERY, columns.PASSAGE, columns.SCORE)
            query, passage, score = (
                columns.choose(schema, name, defaults, option, path)
                for (option, name), defaults in zip(wanted.items(), known, strict=True)
            )
            names = (query, passage, score)
            _check_types(schema, names, path)
        return cls(path, names, sha256_of(path))

    def describe(self) -> dict[str, Any]:
        """Everything that changes the lists, ready for JSON; equal for equal files wherever they lie."""
        return {
            "kind": "ranked",
            "name": self._path.stem,
            "digest": self._digest,
            "columns": None if self._names is None else list(self._names),
        }

    def lists(self, dataset: Dataset) -> RankedLists:
        """The lists of the dataset's queries, in its order; that of a query which the file has not is empty.

        Of a passage that is listed twice the best score counts. Other queries of the file are passed over.

        Raises
        ------
        DataError
            A passage is not in the dataset, a score is missing or not finite in float32, no query has a list, or the
            file is malformed; the message names query and passage, or the line.
        """
        queries = pl.LazyFrame({"query": dataset.query_ids}, {"query": pl.String}).with_row_index("q")
        passages = pl.LazyFrame({"passage": dataset.passage_ids}, {"passage": pl.String}).with_row_index("p")
        rows = self._rows().join(queries, on="query", how="left").join(passages, on="passage", how="left")
        # A null would find no partner and pass for another query.
        rows = rows.filter(pl.col("q").is_not_null() | pl.col("query").is_null())
        unfit = pl.any_horizontal(pl.col("q", "p").is_null()) | ~pl.col("score").is_finite().fill_null(value=False)
        try:
            found = rows.select("q", "p", "score").collect(engine="streaming")
            if found.select(unfit.any()).item():
                raise self._error(rows.filter(unfit).head(1).collect().row(0, named=True))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise unreadable(self._path, error) from None
        if not len(found):
            message = f"has no candidate for any of {len(dataset.query_ids)} queries; give the lists of these queries"
            raise DataError(message, path=self._path)
        best = found.group_by("q", "p").agg(pl.max("score")).sort("q", "score", "p", descending=[False, True, False])
        lengths = np.bincount(best["q"].to_numpy(), minlength=len(dataset.query_ids))
        return RankedLists(offsets_of(lengths), best["p"].cast(pl.Int64).to_numpy(), best["score"].to_numpy())

    def _rows(self) -> pl.LazyFrame:
        """The file as text `query` and `passage`, and `score` in float32."""
        if self._names is None:
            # Categories, which hold each id once, let a run be held and be joined in one piece.
            ids = pl.col("query", "passage")
            pieces = [piece.with_columns(ids.cast(pl.Categorical)) for piece in trec.read_run(self._path)]
            return pl.concat(pieces).lazy().with_columns(ids.cast(pl.String), pl.col("score").cast(pl.Float32))
        query, passage, score = map(pl.col, self._names)
        return scan(self._path, kind(self._path, FORMS)).select(
            query.cast(pl.String).alias("query"),
            passage.cast(pl.String).alias("passage"),
            # By way of float64: text would be rounded to float32 in another way.
            score.cast(pl.Float64, strict=False).cast(pl.Float32).alias("score"),
        )

    def _error(self, row: dict[str, Any]) -> DataError:
        """What is wrong with a candidate."""
        missing = next((name for name in ("query", "passage", "score") if row[name] is None), None)
        if missing is not None and self._names is not None and self._path.suffix.lower() != ".parquet":
            return first_bad_cell(self._path, self._names)
        passage = "a passage" if row["passage"] is None else f"passage {quote(row['passage'])}"
        if missing is not None:
            message = f"{passage} has a null for its {missing}; leave out what is not known"
        elif row["p"] is None:
            message = f"{passage} is not in the dataset; give the lists of this corpus"
        else:
            message = f"{passage} has score {row['score']} in float32; leave it out, or give it a finite one"
        return DataError(message, path=self._path, query=row["query"])


def _check_types(schema: pl.Schema, names: tuple[str, str, str], path: Path) -> None:
    for name in names:
        found, score = schema[name], name == names[2]
        # Numbers are text in CSV and TSV, and may be in JSONL.
        text = found == pl.String and not (score and path.suffix.lower() == ".parquet")
        if not (text or found.is_integer() or (score and found.is_float())):
            wanted = "numbers" if score else "whole numbers or String"
            raise DtypeError(f"holds {found}, expected {wanted}; cast the column", path=path, column=name)

"""Files of judgements to a frame: `query`, `passage`, `relevance` and perhaps `score`.

BEIR and TREC labels as :mod:`nvmine.data.beir` reads them, or a table with named columns, Parquet for large ones.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nvmine.data.beir import read_qrels
from nvmine.data.formats import columns
from nvmine.data.formats.scan import kind, scan, unreadable

LABELS = (".tsv", ".txt", ".qrels", ".qrel", ".trec")
FORMS = (".parquet", ".csv", ".jsonl", ".json", *LABELS)


def open_qrels(path: Path) -> pl.DataFrame:
    """Read judgements, a row a pair; those of a text file are text.

    Raises
    ------
    DataError
        The file is missing, empty or malformed, its suffix is unknown, or it has no columns that are known.
    """
    suffix = kind(path, FORMS)
    if suffix in LABELS:
        rows = [
            (query, passage, score)
            for query, found in read_qrels(path).items()
            for passage, (score, _) in found.items()
        ]
        return pl.DataFrame(rows, {"query": pl.String, "passage": pl.String, "relevance": pl.Float64}, orient="row")
    frame = scan(path, suffix)
    schema = frame.collect_schema()
    names = {
        "query": columns.choose(schema, None, columns.QUERY, "query_id", path),
        "passage": columns.choose(schema, None, columns.PASSAGE, "passage_id", path),
    }
    optional = {"relevance": columns.find(schema, columns.RELEVANCE), "score": columns.find(schema, columns.POS_SCORE)}
    names |= {role: name for role, name in optional.items() if name is not None}
    chosen = []
    for role, name in names.items():
        number = role in optional and schema[name] == pl.String
        chosen.append((pl.col(name).cast(pl.Float64) if number else pl.col(name)).alias(role))
    try:
        return frame.select(chosen).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise unreadable(path, error) from error

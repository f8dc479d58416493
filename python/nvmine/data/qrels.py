"""Files of relevance judgements (qrels), read as a frame: `query`, `passage`, `relevance` and perhaps `score`.

A file holds BEIR or TREC labels, which :mod:`nvmine.data.beir` reads, or is a table with named columns. Prefer Parquet
for large ones.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nvmine.data.beir import read_qrels
from nvmine.data.formats import columns
from nvmine.data.formats.scan import POLARS_FAILURES, scan, unreadable
from nvmine.data.formats.suffixes import LABELS, QRELS, require_suffix


def open_qrels(path: Path) -> pl.DataFrame:
    """Reads judgements, one (query, passage) pair per row; ids of a text file are strings.

    Parameters
    ----------
    path
        A file with one of the suffixes :data:`nvmine.data.formats.suffixes.QRELS`.

    Raises
    ------
    DataError
        The file is missing, empty or malformed, its suffix is unknown, or it has no known columns of ids.
    """
    suffix = require_suffix(path, QRELS)
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
        role: columns.choose(schema, None, known, role, path, way_out=f"rename one to {known[0]}")
        for role, known in (("query", columns.QUERY), ("passage", columns.PASSAGE))
    }
    optional = {"relevance": columns.find(schema, columns.RELEVANCE), "score": columns.find(schema, columns.POS_SCORE)}
    names |= {role: name for role, name in optional.items() if name is not None}
    chosen = []
    for role, name in names.items():
        is_text = role in optional and schema[name] == pl.String
        chosen.append((pl.col(name).cast(pl.Float64) if is_text else pl.col(name)).alias(role))
    try:
        return frame.select(chosen).collect()
    except POLARS_FAILURES as error:
        raise unreadable(path, error) from error

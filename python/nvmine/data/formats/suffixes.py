"""The suffixes of all files that can be read, and the one of a file: it decides which reader reads the file."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path

from nvmine.errors import DataError

# Tables of pairs and texts, see nvmine.data.formats.tables.
TABLES = (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".txt")
# Ranked lists, see nvmine.data.ranked_lists: tables, and runs in the format of TREC.
RUNS = (".trec", ".run", ".txt")
RANKED_LISTS = (".parquet", ".csv", ".tsv", ".jsonl", ".json", *RUNS)
# Judgements, see nvmine.data.qrels: tables, and labels in the formats of BEIR and TREC.
LABELS = (".tsv", ".txt", ".qrels", ".qrel", ".trec")
QRELS = (".parquet", ".csv", ".jsonl", ".json", *LABELS)
# Vectors, see nvmine.data.vector_files.
VECTORS = (".npy", ".safetensors", ".parquet")


def suffix_of(path: Path, known: Container[str]) -> str | None:
    """Returns the lower-case suffix of a file name without a final ``.gz``, or None if it is not a known one.

    Parquet files compress their own pages, so ``.parquet.gz`` is not known.

    Examples
    --------
    >>> suffix_of(Path("pairs.CSV.gz"), (".csv", ".parquet"))
    '.csv'
    """
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    suffix = plain.suffix.lower()
    return suffix if suffix in known and (plain is path or suffix != ".parquet") else None


def require_suffix(path: Path, known: Iterable[str]) -> str:
    """Returns the known suffix of a file that exists.

    Raises
    ------
    DataError
        The suffix is not a known one, or there is no such file.
    """
    suffixes = tuple(known)
    suffix = suffix_of(path, suffixes)
    if suffix is None:
        raise DataError(f"unknown kind of file; expected one of {', '.join(suffixes)}", path=path)
    if not path.is_file():
        raise DataError("no such file", path=path)
    return suffix

"""The journal of verdicts: each paid verdict is on disk before the next one is processed.

The other files of a run are written whole or not at all, which loses up to a shard of work when a run is killed. But
verdicts cost money, so they are appended to one file, one JSON line each, and synced one by one. A kill in the middle
of a write leaves at most one incomplete line, which the next start cuts off. Every line carries its own checksum, so
any other damage is reported instead of read as a verdict.

Lines are in the order in which answers arrive, which varies; the order of :meth:`VerdictJournal.table` is fixed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from nvmine.errors import RunError, TeacherError
from nvmine.files import sync_folder
from nvmine.judges.judge import Question, Verdict

SCHEMA = {
    "query_id": pl.String,
    "passage_id": pl.String,
    "relevant": pl.Boolean,
    "answer": pl.String,
    "tokens_in": pl.Int64,
    "tokens_out": pl.Int64,
    "cost": pl.Float64,
}
"""Columns of :meth:`VerdictJournal.table`."""

Pair = tuple[str, str]


class VerdictJournal:
    """A journal that one process appends to, opened by :meth:`open`. Leaving its context closes it.

    Its length is the number of pairs that have a verdict.

    Attributes
    ----------
    spent : float
        Total cost of its lines.
    """

    def __init__(self, path: Path, file: FileIO, lines: Iterable[tuple[Pair, Verdict]]) -> None:
        self._path = path
        self._file = file
        self._verdicts: dict[Pair, Verdict] = {}
        self.spent = 0.0
        for pair, verdict in lines:
            self._add(pair, verdict)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens a journal, or starts a new one.

        Parameters
        ----------
        path
            The file, in an existing folder. An incomplete last line is cut off.

        Raises
        ------
        RunError
            A line is damaged, or the file cannot be read or written.
        """
        lines = []
        complete_bytes = 0
        try:
            path.touch()
            sync_folder(path.parent)
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.endswith(b"\n"):
                        lines.append(_read(line, path, number))
                        complete_bytes += len(line)
            journal = path.open("ab", buffering=0)
            journal.truncate(complete_bytes)
        except OSError as error:
            raise RunError(f"cannot be opened as a journal of verdicts: {error.strerror}", path=path) from error
        return cls(path, journal, lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._verdicts)

    def get(self, query_id: str, passage_id: str) -> Verdict | None:
        """Returns the first verdict on a pair, or None if there is none yet."""
        return self._verdicts.get((query_id, passage_id))

    def append(self, question: Question, verdict: Verdict) -> None:
        """Appends a verdict, which is synced to disk on return.

        A second verdict on a pair only adds its cost.

        Raises
        ------
        RunError
            The verdict cannot be written, for example because the disk is full; no part of it stays in the file.
        """
        pair = question.query_id, question.passage_id
        line = _line(pair, verdict)
        descriptor = self._file.fileno()
        before = os.fstat(descriptor).st_size
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):  # a partial line would damage the next one
                self._file.truncate(before)
            message = f"cannot be written: {error.strerror}; free the disk and start again to continue"
            raise RunError(message, path=self._path) from error
        self._add(pair, verdict)

    def close(self) -> None:
        """Closes the file. Every verdict is on disk already."""
        self._file.close()

    def table(self) -> pl.DataFrame:
        """Returns the verdicts, one per pair, sorted by query and passage, whatever the order of the answers."""
        rows = [
            {"query_id": query, "passage_id": passage, **asdict(verdict)}
            for (query, passage), verdict in sorted(self._verdicts.items(), key=lambda item: item[0])
        ]
        return pl.DataFrame(rows, SCHEMA, orient="row")

    def _add(self, pair: Pair, verdict: Verdict) -> None:
        self._verdicts.setdefault(pair, verdict)
        self.spent += verdict.cost


def _line(pair: Pair, verdict: Verdict) -> bytes:
    content = {"query_id": pair[0], "passage_id": pair[1], **asdict(verdict)}
    return _canonical(content | {"checksum": _checksum(content)}) + b"\n"


def _read(line: bytes, path: Path, number: int) -> tuple[Pair, Verdict]:
    try:
        content = json.loads(line)
        if content.pop("checksum") != _checksum(content):
            raise ValueError
        return (content.pop("query_id"), content.pop("passage_id")), Verdict(**content)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, TeacherError):
        message = "has been changed or damaged; delete the line to ask its question again"
        raise RunError(message, path=path, line=number) from None


def _checksum(content: dict[str, Any]) -> str:
    return blake2b(_canonical(content), digest_size=8).hexdigest()


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()

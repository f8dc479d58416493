"""Small collections for the readers, intact or broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

BEIR = {
    "corpus.jsonl": '{"_id": "d1", "title": "Cats", "text": "They purr."}\n{"_id": "d2", "text": "Dogs bark."}\n'
    '{"_id": "d3", "title": "", "text": ""}\n',
    "queries.jsonl": '{"_id": "q2", "text": "who barks?"}\n{"_id": "q1", "text": "who purrs?"}\n'
    '{"_id": "q3", "text": "unused"}\n',
    "qrels/train.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\nq2\td1\t0\n",
}


@pytest.fixture
def beir_folder(tmp_path: Path) -> Callable[..., Path]:
    """Returns a function that writes a BEIR folder; its argument replaces files by name, and None leaves a file out."""

    def write(changes: dict[str, str | bytes | None] | None = None) -> Path:
        folder = tmp_path / "beir"
        (folder / "qrels").mkdir(parents=True)
        for name, content in (BEIR | (changes or {})).items():
            if content is not None:
                (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write

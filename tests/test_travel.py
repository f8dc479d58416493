"""CONTRIBUTING.md lists the files that a call passes, in order: these tests follow two calls and compare."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import nvmine

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(nvmine.__file__).parent


def listed(after: str) -> list[str]:
    """The files of the numbered list that follows a sentence of the page."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    lines = page[page.index(after) :].split("\n\n")[1]
    return re.findall(r"^\d+\. `([\w/]+\.py)`", lines, re.MULTILINE)


def entered(call: Callable[[], Any]) -> list[str]:
    """The files of nvmine whose functions a call enters, in the order in which it first enters them."""
    files: dict[str, None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        path = frame.f_code.co_filename
        # Modules and the bodies of classes run too, when they are loaded, but are not functions.
        is_function = bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)
        if event == "call" and is_function and path.startswith(f"{PACKAGE}{os.sep}"):
            files.setdefault(Path(path).relative_to(PACKAGE).as_posix())

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return list(files)


def test_scores_pass_four_files_on_their_way_to_the_core() -> None:
    path = listed("`nvmine.mine(scores, ...)`")
    assert len(path) == 4
    scores = np.array([[0.9, 0.5, 0.1]], np.float32)
    found = entered(lambda: nvmine.mine(scores, np.array([0.6], np.float32), n=2))
    assert [file for file in found if file in path] == path


def test_a_pairs_file_passes_twenty_files_on_its_way_to_the_negatives(tmp_path: Path) -> None:
    pytest.importorskip("bm25s")
    pytest.importorskip("Stemmer")
    from typer.testing import CliRunner

    from nvmine.cli import app

    path = listed("A pairs file from")
    assert len(path) <= 20
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"query": f"word{row} river", "positive": f"word{row} by the river"} for row in range(20)]
    pairs.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    found = entered(lambda: CliRunner().invoke(app, ["mine", str(pairs), "--out", str(tmp_path / "run")]))
    assert (tmp_path / "run/negatives-00000.parquet").is_file()
    assert set(path) <= set(found)
    # Stages are entered in the order of the list; a file that serves several stages is entered by the first of them.
    stages = [file for file in path if file not in ("teachers/bm25.py", "data/dataset.py")]
    assert sorted(stages, key=found.index) == stages

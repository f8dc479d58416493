"""The house rules that a reader relies on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import nvmine

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "python/nvmine").rglob("*.py")) + sorted((ROOT / "rust").glob("*/src/*.rs"))


def test_importing_nvmine_loads_nothing_heavy() -> None:
    program = "import sys, nvmine; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint(
        {"torch", "polars", "faiss", "datasets", "bm25s", "sentence_transformers", "tqdm", "typer"}
    )


def test_mine_needs_numpy_alone() -> None:
    program = """
import sys
for name in ("polars", "tqdm", "typer", "torch"):
    sys.modules[name] = None
import nvmine
print(nvmine.mine([[0.9, 0.5, 0.1]], [0.6], n=2).ids.tolist())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[[1, 2]]"


def test_every_public_name_can_be_had() -> None:
    for name in nvmine.__all__:
        assert getattr(nvmine, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'mime'"):
        _ = nvmine.mime


# Who may import whom, within the package: the layers of the house.
ARRAYS = {
    "_core",
    "arrays",
    "audit",
    "bfloat16",
    "ensemble",
    "errors",
    "extras",
    "foreign",
    "keys",
    "mining",
    "negatives",
    "policy",
    "ragged",
    "rounding",
    "share",
    "shingles",
    "shortlisted",
    "whole_numbers",
    "words",
}
ALLOWED = {
    **dict.fromkeys(ARRAYS, ARRAYS),
    "polars": ARRAYS | {"polars"},
    "data": ARRAYS | {"data"},
    "teachers": ARRAYS | {"data", "teachers"},
    "search": ARRAYS | {"data", "search"},
    "run": ARRAYS | {"data", "teachers", "search", "run"},
    "embeddings": ARRAYS | {"data", "search", "embeddings"},
    "ranked": ARRAYS | {"data", "polars", "ranked", "run"},
}


def test_modules_import_only_what_lies_below() -> None:
    for path in sorted((ROOT / "python/nvmine").rglob("*.py")):
        layer = path.relative_to(ROOT / "python/nvmine").parts[0].removesuffix(".py")
        if layer in ALLOWED:
            imported = set(re.findall(r"^\s*(?:from|import) nvmine\.(\w+)", path.read_text("utf-8"), re.MULTILINE))
            assert imported <= ALLOWED[layer], path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_say_what_they_are_for(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 320
    assert lines[0].startswith(('"""', "/*!", "//!"))


def test_the_core_knows_no_python_and_no_files() -> None:
    for path in (ROOT / "rust/core/src").glob("*.rs"):
        text = path.read_text("utf-8")
        assert not re.search(r"pyo3|numpy::|std::(fs|io|net|env|process)", text), path

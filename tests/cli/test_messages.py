"""How errors of the library read on the command line, and that its help loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nvmine.cli.messages import in_options
from nvmine.errors import DataError, NvmineError, PolicyError, RunError, TeacherError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DataError("is missing", argument="passage_column"), "--passage-column: is missing"),
        (DataError("bad", path="a.csv", line=3, argument="qrels"), "a.csv:3, --qrels: bad"),
        (PolicyError("must be at least 1", argument="n"), "--n: must be at least 1"),
        (PolicyError("too few", argument="runs"), "RUNS: too few"),
        (DataError("cannot be read", argument="data"), "DATA: cannot be read"),
        (TeacherError("is unknown", argument="method"), "--bm25-method: is unknown"),
        (PolicyError("is unknown", argument="method"), "--method: is unknown"),
        (TeacherError("is not a key", argument="api_key"), "--api-key-env: is not a key"),
    ],
)
def test_an_argument_becomes_its_option(error: NvmineError, text: str) -> None:
    assert in_options(error) == text


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("or use on_missing='skip'", "or use --on-missing skip"),
        ("use method='naive'; then mine", "use --method naive; then mine"),
        ("choose n=8.", "choose --n 8."),
        ("choose max_score=0.5, or none", "choose --max-score 0.5, or none"),
        ("judge it with known= this one", "judge it with --known this one"),
        ("pass trust_remote_code=True to run it", "pass --trust-remote-code to run it"),
        (
            "query_vectors= and passage_vectors= belong together",
            "--query-vectors and --passage-vectors belong together",
        ),
    ],
)
def test_advice_becomes_options(message: str, text: str) -> None:
    assert in_options(DataError(message)) == text


@pytest.mark.parametrize(
    "error",
    [
        DataError("nothing to read", argument="passage_texts"),
        DataError("nothing like 'method=naive'"),
        DataError("found 'a text with margin=0.1 in it', expected another"),
        DataError('found "it\'s seed=3 of many", expected another'),
        DataError("leave out grouped=True"),
        DataError("was mined from other data than runs/seed=3/e5"),
        DataError("was mined from other data than /runs/n=4"),
        DataError("is a passage's: margins=3"),
        RunError("is missing", path="/runs/seed=3/depth=100"),
        DataError("appears twice", query="n=4", column="depth=3"),
        DataError("argument 'depth' is quoted", path="/argument 'depth'/x"),
    ],
    ids=lambda error: error.message,
)
def test_what_is_not_an_option_stays_as_it_is(error: NvmineError) -> None:
    assert in_options(error) == str(error)


def test_advice_after_quoted_text_becomes_an_option() -> None:
    error = DataError("the query's positive 'p' has no score; use on_missing='skip'")
    assert in_options(error) == "the query's positive 'p' has no score; use --on-missing skip"


def test_help_imports_no_polars_and_no_torch() -> None:
    program = "import sys, nvmine.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"torch", "polars", "faiss", "bm25s", "sentence_transformers", "datasets"})


def test_similarity_belongs_to_vectors_from_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nvmine", "mine", str(tmp_path), "--out", str(tmp_path / "run")]
    done = subprocess.run([*command, "--similarity", "dot"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "nvmine: TeacherError: --similarity: is for vectors from files, and none are given\n"

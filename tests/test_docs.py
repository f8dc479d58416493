"""Every code block of the documentation holds: it runs, or its commands are checked against the command line.

The blocks of one page run in order, in one folder with small data. Encoders and language models have stand-ins, so no
block needs torch or a network. A block of an unknown kind fails, so that nobody adds one that is not checked.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import random
import re
import shlex
import textwrap
import tokenize
import tomllib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

import nvmine
from chat_server import NO, ChatServer
from nvmine.cli import app
from nvmine.errors import MissingExtraError
from nvmine.teachers import CrossEncoderTeacher, DenseTeacher, PairScorer
from vectors_teacher import WordTeacher

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# A page that needs one of these is skipped where it is not installed.
OPTIONAL = {"datasets", "faiss", "bm25s", "Stemmer", "httpx2", "anyio"}

each_page = pytest.mark.parametrize("page", PAGES, ids=[path.name for path in PAGES])


@dataclass(frozen=True)
class Block:
    """A fenced block: the number of its first line in the page, the language after the fence, and what it holds."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    opened: int | None = None
    lines = page.read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.strip().startswith("```"):
            if opened is not None:
                text = textwrap.dedent("\n".join(lines[opened + 1 : number]))
                yield Block(page, opened + 2, lines[opened].strip().removeprefix("```"), text)
            opened = number if opened is None else None
        elif opened is None:
            assert not re.match(r"(    |\t|\s*~~~)", line), f"{page.name}:{number + 1}: write a code block with ```"
    assert opened is None, f"{page.name}:{opened}: the block has no end"


@each_page
def test_every_code_block_holds(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_ins: None, judge: ChatServer
) -> None:
    write_small_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": page.stem}
    for block in blocks_of(page):
        try:
            if block.language == "python":
                run_python(block, namespace)
            elif block.language == "sh":
                run_shell(block, judge)
            else:
                assert block.language == "text", f"{block}: blocks of {block.language!r} are not checked; see test_docs"
        except MissingExtraError as error:
            pytest.skip(f"{block}: {error}")
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                raise
            pytest.skip(f"{block}: {error}")


def run_python(block: Block, namespace: dict[str, Any]) -> None:
    """Executes a block. A line `expression  # literal` must have that value."""
    source = "\n" * (block.line - 1) + block.text
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string[1:].strip() for token in tokens if token.type == tokenize.COMMENT}
    for statement in ast.parse(source).body:
        comment = comments.get(statement.end_lineno or 0, "")
        if isinstance(statement, ast.Expr) and re.match(r"[\d\[({'\"-]|(True|False|None)\b", comment):
            code = compile(ast.Expression(statement.value), block.page, "eval", dont_inherit=True)
            value = eval(code, namespace)
            value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            assert value == literal(comment), f"{block.page.name}:{statement.end_lineno}"
        else:
            exec(compile(ast.Module([statement], []), block.page, "exec", dont_inherit=True), namespace)


def literal(comment: str) -> Any:
    try:
        return ast.literal_eval(comment)
    except (SyntaxError, ValueError):
        pytest.fail(f"a comment that begins with a value must hold nothing else: {comment}")


def run_shell(block: Block, judge: ChatServer) -> None:
    """Runs or checks every command of a block."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] in PROGRAMS, f"{block}: commands of {words[0]!r} are not checked; see test_docs"
            PROGRAMS[words[0]](words[1:], judge)


def check_nvmine(words: list[str], judge: ChatServer) -> None:
    if words[0] == "demo" or any("cuda" in word for word in words):
        # Too slow here, or without the device: the command and its options must exist.
        typer.main.get_command(app).commands[words[0]].make_context(words[0], words[1:])
        return
    local = [judge.base_url if word.startswith("https://") else word for word in words]
    done = CliRunner().invoke(app, local, catch_exceptions=False)
    assert done.exit_code == 0, f"nvmine {shlex.join(words)}\n{done.output}"


def check_pip(words: list[str], judge: ChatServer) -> None:
    assert words[0] == "install"
    for requirement in words[1:]:
        found = re.fullmatch(r"(?:nvmine|\.)(?:\[([\w,-]+)\])?", requirement)
        assert found, requirement
        assert set((found[1] or "").split(",")) - {""} <= set(PROJECT["optional-dependencies"])


def check_make(words: list[str], judge: ChatServer) -> None:
    for word in words:
        assert "=" in word or word in make_targets()


PROGRAMS: dict[str, Callable[[list[str], ChatServer], None]] = {
    "nvmine": check_nvmine,
    "pip": check_pip,
    "make": check_make,
}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for name, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        target = page.parent / name if name else page
        assert target.is_file(), name
        titles = re.findall(r"^#+ (.*)", target.read_text("utf-8"), re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
        assert not anchor or anchor in anchors, anchor


@each_page
def test_files_and_targets_named_in_the_text_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for name in re.findall(r"\b((?:benches|tests|nvmine)/[\w/]+\.(?:py|rs|sh))\b", text):
        assert (ROOT / "python" / name if name.startswith("nvmine/") else ROOT / name).is_file(), name
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= make_targets()


@each_page
def test_options_and_names_in_the_text_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    commands = typer.main.get_command(app).commands.values()
    options = {name for command in commands for option in command.params for name in option.opts}
    assert set(re.findall(r"`(--[a-z0-9-]+)", text)) <= options
    for dotted in re.findall(r"`nvmine((?:\.\w+)+)", text):
        found: Any = nvmine
        for name in dotted[1:].split("."):
            found = getattr(found, name)


def test_tables_of_the_readme_name_real_options() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    section = re.search(r"^## Coming from sentence-transformers\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section
    options = re.findall(r"^\| [^|]* \| `(\w+)(?:=[^|]*|` )[^|]*\|", section[1], re.MULTILINE)
    assert len(options) > 15
    assert set(options) <= set(inspect.signature(nvmine.mine_dataset).parameters)
    policy = re.search(r"^## The policy\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert policy
    rows = re.findall(r"^\| (`[^|]*) \|", policy[1], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    # Parameters of a single sampler, and the seed, are left to the help of the class.
    assert named == {field.name for field in fields(nvmine.Policy)} - {
        "temperature",
        "simans_a",
        "simans_b",
        "bins",
        "seed",
    }


def test_the_readme_names_every_extra_and_the_least_versions() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    rust = tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))["workspace"]["package"]["rust-version"]
    python = PROJECT["requires-python"].removeprefix(">=")
    assert f"Python {python} or newer, Rust {rust} or newer" in text
    table = re.findall(r"^\| (`[^|]*) \|", text[: text.index("## From pairs")], re.MULTILINE)
    extras = {name for row in table for name in re.findall(r"`([\w-]+)`", row)}
    assert extras <= set(PROJECT["optional-dependencies"])


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads small stand-ins for models of any name; options must be those of the real loaders."""

    def stand_in(kind: Any, make: Callable[[str], Any]) -> None:
        signature = inspect.signature(kind.load)

        def load(*arguments: Any, **options: Any) -> Any:
            return make(signature.bind(*arguments, **options).arguments["name"])

        load.__signature__ = signature  # type: ignore[attr-defined]
        monkeypatch.setattr(kind, "load", staticmethod(load))

    stand_in(DenseTeacher, lambda name: WordTeacher(name, seed=zlib.crc32(name.encode()) % 1000))
    stand_in(CrossEncoderTeacher, lambda name: PairScorer(name, lambda pairs: [shared_words(*pair) for pair in pairs]))


def shared_words(query: str, passage: str) -> float:
    asked = set(query.split())
    return len(asked & set(passage.split())) / len(asked)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """An endpoint whose model finds no passage relevant."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ChatServer(lambda asked: NO) as server:
        yield server


WORDS = ["river", "stone", "bridge", "ship", "iron", "cold", "red", "moon", "tower", "glass", "north", "winter"]
WORDS += ["bread", "salt", "cloud", "bird"]


def write_small_data(folder: Path) -> None:
    """Writes a collection of 40 queries and 60 passages in every form that the pages read."""
    draw = random.Random(0)
    passages = [" ".join(draw.sample(WORDS, 6)) for _ in range(60)]
    queries = [" ".join(draw.sample(text.split(), 3)) for text in passages[:40]]
    pl.DataFrame({"query": queries, "positive": passages[:40]}).write_parquet(folder / "pairs.parquet")
    (folder / "data" / "qrels").mkdir(parents=True)
    for name, letter, texts in (("queries", "q", queries), ("corpus", "p", passages)):
        lines = [json.dumps({"_id": f"{letter}{row}", "text": text}) for row, text in enumerate(texts)]
        (folder / "data" / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        np.save(folder / f"{name}.npy", WordTeacher().encode_passages(texts))
    labels = "query-id\tcorpus-id\tscore\n" + "".join(f"q{row}\tp{row}\t1\n" for row in range(40))
    for path in (folder / "data" / "qrels" / "train.tsv", folder / "qrels.tsv"):
        path.write_text(labels, "utf-8")
    scores = WordTeacher().encode_queries(queries) @ WordTeacher().encode_passages(passages).T
    ranked = np.argsort(-scores, axis=1)[:, :30]
    rows = [(query, passage, float(scores[query, passage])) for query in range(40) for passage in ranked[query]]
    (folder / "run.trec").write_text("".join(f"q{q} Q0 p{p} 1 {score} words\n" for q, p, score in rows), "utf-8")
    run = {"query_id": [q for q, _, _ in rows], "passage_id": [int(p) for _, p, _ in rows]}
    pl.DataFrame(run | {"score": [score for _, _, score in rows]}).write_parquet(folder / "run.parquet")
    qrels = {"query_id": range(40), "passage_id": range(40), "relevance": [1] * 40}
    pl.DataFrame(qrels).write_parquet(folder / "qrels.parquet")
    lists = {"scores": np.take_along_axis(scores, ranked, 1).tolist(), "ids": ranked.tolist()}
    pl.DataFrame(lists | {"pos_scores": scores.diagonal()}).write_parquet(folder / "lists.parquet")

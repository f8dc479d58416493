"""The Rust crates keep their layout: no circle of files, no long file, no crowded folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CRATES = ("rust/core/src", "rust/python/src")
LONGEST_FILE = 300
LARGEST_FOLDER = 12

# A module as the names on the way to it from the crate's root, which is the empty tuple.
Module = tuple[str, ...]

SOURCES = [path for crate in CRATES for path in sorted((ROOT / crate).rglob("*.rs"))]


def modules_of(crate: Path) -> dict[Module, Path]:
    """Returns every module of a crate that is a file."""
    modules: dict[Module, Path] = {}
    for path in sorted(crate.rglob("*.rs")):
        names = path.relative_to(crate).with_suffix("").parts
        modules[names[:-1] if names[-1] in {"mod", "lib"} else names] = path
    return modules


def code_of(text: str) -> str:
    """Returns Rust code without its comments and strings."""
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', " ", text, flags=re.DOTALL)


def paths_in(tokens: list[str], at: int) -> Iterator[Module]:
    """Yields every path of a tree of paths, such as a::{b, c::d}, that starts at a token."""
    name, at = tokens[at], at + 1
    if at + 1 >= len(tokens) or tokens[at] != "::":
        yield (name,)
    elif tokens[at + 1] != "{":
        yield from ((name, *path) for path in paths_in(tokens, at + 1))
    else:
        depth, starts = 0, [at + 2]
        for place in range(at + 1, len(tokens)):
            depth += {"{": 1, "}": -1}.get(tokens[place], 0)
            if depth == 0:
                break
            if depth == 1 and tokens[place] == ",":
                starts.append(place + 1)
        for start in starts:
            yield from ((name, *path) for path in paths_in(tokens, start) if path != ("}",))


def uses_of(text: str, module: Module) -> set[Module]:
    """Returns the paths that start at the crate, at a parent, at the file itself or at one of its child modules."""
    tokens = re.findall(r"\w+|::|[^\w\s]", code_of(text))
    children = {
        name for mod, name, end in zip(tokens, tokens[1:], tokens[2:], strict=False) if mod == "mod" and end == ";"
    }
    uses: set[Module] = set()
    # Modules that are written inside the file, as (name, depth of braces).
    inside: list[tuple[str, int]] = []
    depth = 0
    for at, token in enumerate(tokens):
        if token == "{":
            depth += 1
            if at >= 2 and tokens[at - 2] == "mod":
                inside.append((tokens[at - 1], depth))
        elif token == "}":
            if inside and inside[-1][1] == depth:
                inside.pop()
            depth -= 1
        elif (at == 0 or tokens[at - 1] != "::") and tokens[at + 1 : at + 2] == ["::"]:
            here = module + tuple(name for name, _ in inside)
            for path in paths_in(tokens, at):
                if token == "crate":
                    uses.add(path[1:])
                elif token in {"self", "super"}:
                    start = here
                    names = list(path)
                    while names and names[0] in {"self", "super"}:
                        start = start[:-1] if names.pop(0) == "super" else start
                    uses.add(start + tuple(names))
                elif token in children and not inside:
                    uses.add(module + path)
    return uses


def file_of(path: Module, modules: dict[Module, Path]) -> Module:
    """Returns the innermost module on a path that is a file."""
    return next(path[:length] for length in range(len(path), -1, -1) if path[:length] in modules)


def graph_of(crate: Path) -> dict[Module, set[Module]]:
    """Returns for every file of a crate the other files that it uses."""
    modules = modules_of(crate)
    return {
        module: {file_of(use, modules) for use in uses_of(path.read_text("utf-8"), module)} - {module}
        for module, path in modules.items()
    }


def circle_in(graph: dict[Module, set[Module]]) -> list[str]:
    """Returns the files of a circle, the first one again at the end, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return ["::".join(("crate", *module)) for module in error.args[1]]
    return []


@pytest.mark.parametrize("crate", CRATES)
def test_no_files_use_each_other_in_a_circle(crate: str) -> None:
    graph = graph_of(ROOT / crate)
    assert sum(len(uses) for uses in graph.values()) > len(graph)
    assert circle_in(graph) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_say_what_they_are_for(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= LONGEST_FILE
    assert lines[0].startswith(("/*!", "//!"))


def test_folders_are_small() -> None:
    crowded = {folder: len(list(folder.glob("*.rs"))) for folder in {path.parent for path in SOURCES}}
    assert {folder: count for folder, count in crowded.items() if count > LARGEST_FOLDER} == {}


FILES = {
    "lib.rs": "mod low; mod room; pub use room::Thing; pub use low::low;",
    "low.rs": "//! crate::room::high is only mentioned.\npub fn low() {}",
    "room/mod.rs": "mod high; mod middle;\npub struct Thing;",
    "room/high.rs": "use crate::{low::low, room::middle};\n#[cfg(test)] mod tests { use super::*; }",
    "room/middle.rs": 'const TEXT: &str = "crate::room::high";',
}


@pytest.mark.parametrize(
    ("file", "code", "circle"),
    [
        ("low.rs", "use std::fmt;", set()),
        ("low.rs", "use crate::room::high::run;", {"crate::low", "crate::room::high"}),
        ("low.rs", "fn f() { crate::room::high::run() }", {"crate::low", "crate::room::high"}),
        ("low.rs", "use super::room::{high::run, middle};", {"crate::low", "crate::room::high"}),
        ("low.rs", "use crate::Thing;", {"crate", "crate::low"}),
        ("room/middle.rs", "use super::high::{self, run};", {"crate::room::high", "crate::room::middle"}),
        ("room/middle.rs", "mod tests { use super::super::high; }", {"crate::room::high", "crate::room::middle"}),
        ("room/mod.rs", "fn f() { high::run() }", set()),
        ("room/high.rs", "use super::Thing;", set()),
    ],
)
def test_a_circle_is_noticed(tmp_path: Path, file: str, code: str, circle: set[str]) -> None:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n{code if name == file else ''}\n", "utf-8")
    found = circle_in(graph_of(tmp_path))
    assert set(found) == circle


def test_a_module_file_and_its_child_that_use_each_other_are_a_circle(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "lib.rs").write_text("mod room;", "utf-8")
    (tmp_path / "room/mod.rs").write_text("mod high;\npub use self::high::run;\npub struct Thing;", "utf-8")
    (tmp_path / "room/high.rs").write_text("use super::Thing;\npub fn run(_: Thing) {}", "utf-8")
    assert set(circle_in(graph_of(tmp_path))) == {"crate::room", "crate::room::high"}

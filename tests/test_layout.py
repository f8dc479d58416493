"""The layout that a reader relies on: who may import whom, no circles, short files, small folders."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import nvmine

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python/nvmine"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 300
# "About twelve": more files than this in a folder, and a reader no longer takes them in at a glance.
LARGEST_FOLDER = 14

VALUES = {"audit", "errors", "negatives", "policy"}
SHARED = {"_core", "devices", "extras", "files", "inputs", "shingles"}
# The modules at the top of the package: values and functions that users import, and what every stage shares.
ROOT_MODULES = VALUES | SHARED | {"__init__", "__main__", "ensemble", "mining", "rule", "shortlist"}
ARRAYS = VALUES | SHARED | {"rule"}
# What each room may import, beside itself. The command line is on top and may import everything.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "extras": {"errors"},
    "devices": set(),
    "files": {"errors"},
    "inputs": {"_core", "errors"},
    "policy": {"_core", "errors", "inputs"},
    "audit": {"_core", "errors"},
    "shingles": {"_core", "errors", "inputs"},
    "negatives": {"audit", "errors", "inputs"},
    "rule": VALUES | SHARED,
    "shortlist": ARRAYS,
    "mining": ARRAYS | {"shortlist"},
    "ensemble": VALUES | SHARED,
    "data": {"_core", "errors", "extras", "files", "inputs", "shingles"},
    "polars": VALUES | SHARED | {"data", "mining"},
    "embeddings": ARRAYS | {"data", "search"},
    "judges": {"errors", "extras", "files", "inputs"},
    "teachers": {"_core", "data", "devices", "errors", "extras", "files", "inputs", "judges", "shingles"},
    "search": {"_core", "data", "devices", "errors", "extras", "files", "inputs"},
    "run": ARRAYS | {"data", "ensemble", "judges", "mining", "search", "teachers"},
}
# Inside run/, what is on the disk knows nothing of mining, and the proof knows nothing of it either.
INSIDE_RUN = {"run.store": {"run.store"}, "run.proof": {"run.store", "run.proof", "run.agreement"}}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES} | {"nvmine._core"}


def imports_of(source: str) -> Iterator[tuple[str, bool]]:
    """The modules of nvmine that a source imports, wherever in it, and whether that happens when it is loaded."""

    def visit(node: ast.AST, *, at_load: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_load) for alias in node.names if alias.name.split(".")[0] == "nvmine")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "nvmine":
            for alias in node.names:
                # `from nvmine.data import lines` names a module, `from nvmine.data import Dataset` does not.
                submodule = f"{node.module}.{alias.name}"
                yield (submodule if submodule in NAMES else node.module), at_load
        is_typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_typing
        for child in ast.iter_child_nodes(node):
            yield from visit(child, at_load=at_load and not inside)

    yield from visit(ast.parse(source), at_load=True)


IMPORTS = {name_of(path): set(imports_of(path.read_text("utf-8"))) for path in MODULES}


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """A circle of a graph, or an empty list."""
    done: set[str] = set()

    def search(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            found = search(other, [*path, name])
            if found:
                return found
        done.add(name)
        return []

    return next(filter(None, (search(name, []) for name in sorted(graph))), [])


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_the_import_reader_sees_every_form_of_import() -> None:
    source = """
import nvmine.rule
from nvmine.data.formats import columns
from nvmine.data import Dataset, open_dataset as opened
from nvmine import shortlist, Policy
if TYPE_CHECKING:
    from nvmine.negatives import Negatives
def late():
    from nvmine.run import mine_dataset
"""
    assert set(imports_of(source)) == {
        ("nvmine.rule", True),
        ("nvmine.data.formats.columns", True),
        ("nvmine.data", True),
        ("nvmine.shortlist", True),
        ("nvmine", True),
        ("nvmine.negatives", False),
        ("nvmine.run", False),
    }


def test_the_search_for_circles_finds_one() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_no_module_imports_itself_by_way_of_others() -> None:
    # Imports for type checkers and inside functions count too: a reader meets them all the same. A package's list of
    # names, and the functions of the command line, do not.
    graph = {
        name: {other for other, _ in imported if other != name}
        for name, imported in IMPORTS.items()
        if (PACKAGE.parent / name.replace(".", "/")).with_suffix(".py").is_file()
    }
    assert circle(graph) == []


def test_no_package_is_loaded_by_what_it_loads() -> None:
    graph = {
        name: {other for other, at_load in imported if at_load and other != name} for name, imported in IMPORTS.items()
    }
    assert circle(graph) == []


@pytest.mark.parametrize("module", sorted(IMPORTS))
def test_modules_import_only_what_lies_below(module: str) -> None:
    room = room_of(module)
    if room in ALLOWED:
        imported = {room_of(other) for other, _ in IMPORTS[module]}
        assert imported <= ALLOWED[room] | {room}
    for part, allowed in INSIDE_RUN.items():
        if module.startswith(f"nvmine.{part}"):
            inside = {".".join(other.split(".")[1:3]) for other, _ in IMPORTS[module] if room_of(other) == "run"}
            assert inside <= allowed


def test_every_room_has_its_rule() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert files <= ROOT_MODULES
    assert rooms | files <= set(ALLOWED) | {"__init__", "__main__", "cli"}


def test_the_core_is_asked_to_mine_in_one_place() -> None:
    assert [name_of(path) for path in MODULES if "_core.mine(" in path.read_text("utf-8")] == ["nvmine.rule"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_say_what_they_are_for(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= LONGEST_FILE
    assert lines[0].startswith('"""')


def test_folders_are_small() -> None:
    folders = {path.parent for path in MODULES}
    crowded = {folder: len(list(folder.glob("*.py"))) for folder in folders if folder != PACKAGE}
    assert {folder: count for folder, count in crowded.items() if count > LARGEST_FOLDER} == {}


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


def test_teachers_and_judges_are_served_without_loading_a_model_library() -> None:
    program = """
import sys, nvmine
assert "nvmine.teachers" not in sys.modules
print(nvmine.teachers.Bm25Teacher.__name__, nvmine.judges.ChatJudge.__name__)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names, modules = done.stdout.splitlines()
    assert names == "Bm25Teacher ChatJudge"
    loaded = {name.partition(".")[0] for name in modules.split()}
    assert loaded.isdisjoint({"torch", "transformers", "sentence_transformers", "faiss", "bm25s", "httpx2"})


def test_every_public_name_can_be_had() -> None:
    for name in nvmine.__all__:
        assert getattr(nvmine, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'mime'"):
        _ = nvmine.mime


def test_the_core_knows_no_python_and_no_files() -> None:
    sources = sorted((ROOT / "rust/core/src").rglob("*.rs"))
    assert len(sources) > 30
    for path in sources:
        assert not re.search(r"pyo3|numpy::|std::(fs|io|net|env|process)", path.read_text("utf-8")), path

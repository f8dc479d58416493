"""``nvmine demo``: mines text that every machine has, the docstrings of the Python standard library, in seconds.

A query is the first line of a docstring, its positive is the rest of the docstring, and the corpus is all these rests.
The modules are parsed, not imported, so none of their code runs.
"""

from __future__ import annotations

import ast
import inspect
import json
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nvmine.cli.app import app

if TYPE_CHECKING:
    from nvmine.run import Run

# Tests and generated tables have few docstrings worth reading, and third-party packages are not the standard library.
_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "__pycache__", "pydoc_data"}
_SHOWN = 3


@app.command()
def demo(
    model: Annotated[str, typer.Option(help="Teacher: bm25, or an encoder's name or path.")] = "bm25",
    out: Annotated[Path, typer.Option(help="Folder to write the data and the run to.")] = Path("demo-run"),
) -> None:
    """Mine the docstrings of the Python standard library, which every machine has.

    A query is the first line of a docstring, its positive is the rest of the docstring, and the corpus is all these
    rests.

    Example:

    ```
    nvmine demo
    ```
    """
    typer.echo(run_demo(model, out))


def run_demo(model: str, out: Path) -> str:
    """Mines the docstrings with the given teacher into a run folder in `out`, and returns a summary with examples."""
    from nvmine.run import check_run, mine_dataset, summary_text

    pairs = sorted(set(docstring_pairs(Path(sysconfig.get_path("stdlib")))))
    out.mkdir(parents=True, exist_ok=True)
    # The pairs are kept beside the run, so that users can read them and mine them with other options.
    source = out / "docstrings.jsonl"
    lines = [json.dumps({"query": query, "positive": positive}) for query, positive in pairs]
    source.write_text("\n".join(lines) + "\n", "utf-8")
    folder = out / ("run" if model == "bm25" else f"run-{Path(model).name}")
    run = mine_dataset(source, out=folder, teacher=model)
    dataset = out / "triplets.parquet"
    run.dataset().write_parquet(dataset)
    return "\n\n".join(
        [
            f"{len(pairs):,} docstrings of the Python standard library: first line → the rest",
            *examples(run),
            summary_text(run, check_run(run)),
            f"Dataset to train on, with the columns query, positive and negative_1 to negative_{run.n}: {dataset}",
            f"Run folder, with all candidates and scores: {run.path}",
        ]
    )


def docstring_pairs(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields the first line and the rest of every docstring in a folder that has both."""
    for path in sorted(folder.rglob("*.py")):
        if _LEFT_OUT.isdisjoint(path.relative_to(folder).parts):
            try:
                with warnings.catch_warnings():
                    # Some modules contain escape sequences that later versions of Python warn about.
                    warnings.simplefilter("ignore")
                    tree = ast.parse(path.read_bytes())
            except (SyntaxError, ValueError):
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    summary, _, rest = inspect.cleandoc(ast.get_docstring(node) or "").partition("\n")
                    if len(summary.split()) >= 3 and len(rest.split()) >= 8:
                        yield summary.strip(), rest.strip()


def examples(run: Run) -> Iterator[str]:
    """Yields a few queries with their positive and negatives, spread over the run."""
    texts = run.passages().collect()
    text_of = dict(zip(texts["passage_id"], texts["text"], strict=True))
    queries = run.queries().collect()
    query_of = dict(zip(queries["query_id"], queries["text"], strict=True))
    rows = run.negatives()
    rows = rows.filter(rows["negative_ids"].list.len() == run.n)
    for row in rows.gather_every(max(1, rows.height // _SHOWN)).head(_SHOWN).iter_rows(named=True):
        lines = [f"query      {_short(query_of[row['query_id']])}"]
        lines.append(f"positive   {row['positive_score']:8.4f}  {_short(text_of[row['positive_id']])}")
        for name, score in zip(row["negative_ids"], row["negative_scores"], strict=True):
            lines.append(f"negative   {score:8.4f}  {_short(text_of[name])}")
        yield "\n".join(lines)


def _short(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= 96 else folded[:95] + "…"

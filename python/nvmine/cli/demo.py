"""The demo: real text that every machine has, the docstrings of the Python standard library, mined in seconds.

A query is the summary line of a docstring, its positive the rest of the docstring, the corpus all those rests. The
modules are parsed, not imported, so that nothing of them runs.
"""

from __future__ import annotations

import ast
import inspect
import json
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from nvmine.run import Run, check_run, mine_dataset, summary_text

# Tests and generated tables hold few docstrings worth reading; third-party packages are not the standard library.
_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "__pycache__", "pydoc_data"}
_SHOWN = 3


def run_demo(model: str, out: Path) -> str:
    """Mines the docstrings with the given teacher into ``out/run`` and says what came of it."""
    pairs = sorted(set(docstring_pairs(Path(sysconfig.get_path("stdlib")))))
    out.mkdir(parents=True, exist_ok=True)
    # The pairs are kept beside the run: the demo's data can be looked at, and mined again by hand.
    source = out / "docstrings.jsonl"
    lines = [json.dumps({"query": query, "positive": positive}) for query, positive in pairs]
    source.write_text("\n".join(lines) + "\n", "utf-8")
    folder = out / ("run" if model == "bm25" else f"run-{Path(model).name}")
    run = mine_dataset(source, out=folder, teacher=model)
    dataset = out / "triplets.parquet"
    run.dataset().write_parquet(dataset)
    return "\n\n".join(
        [
            f"{len(pairs):,} docstrings of the Python standard library: summary line → the rest",
            *examples(run),
            summary_text(run, check_run(run)),
            f"The data set to train on, with query, positive and negative_1 to negative_{run.n}: {dataset}",
            f"The run, with all candidates and scores: {run.path}",
        ]
    )


def docstring_pairs(folder: Path) -> Iterator[tuple[str, str]]:
    """Summary line and remainder of every docstring below a folder that has both."""
    for path in sorted(folder.rglob("*.py")):
        if _LEFT_OUT.isdisjoint(path.relative_to(folder).parts):
            try:
                with warnings.catch_warnings():
                    # Some modules hold escapes that later versions of Python warn about.
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
    """A few queries with their positive and negatives, spread over the run."""
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

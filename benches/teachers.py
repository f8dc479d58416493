"""Mines real collections with several teachers, combines them in three ways, and checks the results independently.

python benches/teachers.py [scifact] [squad-dev]

The teachers are all-MiniLM-L6-v2, from the vectors that come with the collections; the same model, encoding the first
64 tokens and pooling by the first one, for which it was not trained, so that it stands for a second, weaker model; and
BM25.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import nvmine
from nvmine.run import agreement_text, check_run
from nvmine.teachers import Bm25Teacher, DenseTeacher, VectorsTeacher
from real import collections, minilm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import checker

RULES = {
    "intra, kept": {"how": "intra", "duplicates": "keep"},
    "intra, replaced": {"how": "intra", "duplicates": "replace"},
    "cross": {"how": "cross"},
}


def main() -> None:
    """Prints for each collection what the ensembles contain, and how far the teachers agree."""
    weaker = DenseTeacher.load(minilm(), device="cpu", pooling="cls", max_length=64)
    for name in sys.argv[1:] or ["scifact", "squad-dev"]:
        files = [collections() / name / f"vectors/all-MiniLM-L6-v2.{side}.f16.npy" for side in ("queries", "corpus")]
        teachers = [VectorsTeacher.open(queries=files[0], passages=files[1]), weaker, Bm25Teacher()]
        with tempfile.TemporaryDirectory() as folder:
            runs = []
            for label, teacher in zip(("minilm", "minilm-cls", "bm25"), teachers, strict=True):
                start = time.perf_counter()
                run = nvmine.mine_dataset(collections() / name, teacher=teacher, out=Path(folder) / label)
                runs.append(run)
                print(f"{name:<10} {label:<16} {time.perf_counter() - start:6.1f} s", flush=True)
            for label, rule in RULES.items():
                start = time.perf_counter()
                out = Path(folder) / label.replace(", ", "-")
                run = nvmine.ensemble_runs(runs, out=out, **rule)
                seconds = time.perf_counter() - start
                checker.check(out)
                starved = check_run(run).starved
                lists = run.negatives().unique("query_id")["negative_ids"].list
                repeats = int((lists.n_unique() < lists.len()).sum())
                print(
                    f"{name:<10} {label:<16} {seconds:6.1f} s  {run.manifest.audit['emitted']:,} negatives,"
                    f" {repeats:,} of {len(lists.len()):,} queries repeat one, {starved} starved; checked",
                    flush=True,
                )
            print(agreement_text(nvmine.agreement(runs)), flush=True)


if __name__ == "__main__":
    main()

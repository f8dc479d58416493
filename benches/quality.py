"""Measures nDCG@10 of the teachers on test splits of real collections, which shows that encoding and search are right.

python benches/quality.py [scifact] [squad-dev]

Published numbers on SciFact: 0.64508 for all-MiniLM-L6-v2 (MTEB), and 0.687 for BM25 with stemming (bm25s).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import ir_measures
import polars as pl

import nvmine
from real import collections, minilm


def ndcg(folder: Path, teacher: str, out: Path) -> float:
    """Returns nDCG@10 of the ten best candidates of a run, the mean over the test queries."""
    run = nvmine.mine_dataset(folder, split="test", teacher=teacher, method="naive", depth=10, out=out)
    names = run.passages().select("passage_id", pl.int_range(pl.len()).alias("ids"))
    found = (
        run.scan_candidates()
        .select("query_id", pl.col("ids").list.head(10), pl.col("scores").list.head(10))
        .explode("ids", "scores", empty_as_null=False)
        .join(names, on="ids")
        .collect()
    )
    ranking = [ir_measures.ScoredDoc(q, p, s) for q, p, s in found.select("query_id", "passage_id", "scores").rows()]
    labels = (folder / "qrels/test.tsv").read_text("utf-8").splitlines()[1:]
    qrels = [ir_measures.Qrel(q, p, int(r)) for q, p, r in (line.split("\t") for line in labels)]
    measure = ir_measures.nDCG @ 10
    return float(ir_measures.calc_aggregate([measure], qrels, ranking)[measure])


def main() -> None:
    """Prints one line for each collection and teacher."""
    for name in sys.argv[1:] or ["scifact", "squad-dev"]:
        for label, teacher in (("bm25", "bm25"), ("all-MiniLM-L6-v2", minilm())):
            with tempfile.TemporaryDirectory() as folder:
                value = ndcg(collections() / name, teacher, Path(folder) / "run")
            print(f"{name:<10} {label:<18} nDCG@10 {value:.4f}", flush=True)


if __name__ == "__main__":
    main()

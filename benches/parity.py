"""Compares nvmine to ``mine_hard_negatives`` of sentence-transformers on squad-dev: same negatives, and none starved.

python benches/parity.py

Both use all-MiniLM-L6-v2, the train questions, texts without titles, the whole corpus, relative_margin=0.05 (which is
percentage=0.95 in nvmine), four negatives, and the format n-tuple.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import mine_hard_negatives

import nvmine
from real import collections, minilm

N = 4


def load() -> tuple[list[tuple[str, str]], list[str]]:
    """Returns the distinct (question, paragraph) pairs of the train split, and all paragraphs."""
    folder = collections() / "squad-dev"
    texts = {}
    for name in ("corpus", "queries"):
        lines = (folder / f"{name}.jsonl").read_bytes().split(b"\n")
        texts[name] = {row["_id"]: row["text"] for row in map(json.loads, filter(None, lines))}
    labels = [line.split("\t") for line in (folder / "qrels/train.tsv").read_text("utf-8").splitlines()[1:]]
    pairs = dict.fromkeys((texts["queries"][query], texts["corpus"][passage]) for query, passage, _ in labels)
    return list(pairs), list(dict.fromkeys(texts["corpus"].values()))


def theirs(pairs: list[tuple[str, str]], corpus: list[str]) -> dict[tuple[str, str], list[str]]:
    """Returns the negatives of sentence-transformers for each pair."""
    data = Dataset.from_dict({"query": [q for q, _ in pairs], "positive": [p for _, p in pairs]})
    rows: Any = mine_hard_negatives(
        data,
        SentenceTransformer(minilm(), device="cpu"),
        corpus=corpus,
        relative_margin=0.05,
        num_negatives=N,
        output_format="n-tuple",
        use_faiss=True,
        verbose=False,
    )
    return {(row["query"], row["positive"]): [row[f"negative_{i + 1}"] for i in range(N)] for row in rows}


def ours(
    pairs: list[tuple[str, str]], corpus: list[str], folder: Path
) -> dict[tuple[str, str], tuple[list[str], list[float]]]:
    """Returns the negatives of nvmine for each pair, with their scores."""
    extra = folder / "corpus.jsonl"
    extra.write_text("\n".join(json.dumps({"text": text}) for text in corpus) + "\n", "utf-8")
    run = nvmine.mine_dataset(pairs, corpus=extra, teacher=minilm(), percentage=0.95, n=N, out=folder / "run")
    text_of = dict(run.passages().collect().iter_rows())
    query_of = dict(run.queries().collect().iter_rows())
    return {
        (query_of[row["query_id"]], text_of[row["positive_id"]]): (
            [text_of[name] for name in row["negative_ids"]],
            row["negative_scores"],
        )
        for row in run.negatives().iter_rows(named=True)
    }


def main() -> None:
    """Mines in both ways, and compares every row that both return."""
    pairs, corpus = load()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        mined = ours(pairs, corpus, Path(folder))
    between = time.perf_counter()
    other = theirs(pairs, corpus)
    end = time.perf_counter()
    same = tied = 0
    different = []
    for pair, negatives in other.items():
        mine, scores = mined[pair]
        if mine == negatives:
            same += 1
        elif set(mine) == set(negatives) or len({round(score, 6) for score in scores}) < N:
            tied += 1
        else:
            different.append(pair)
    full = sum(len(negatives) == N for negatives, _ in mined.values())
    print(f"distinct pairs                      {len(pairs):6,}")
    sides = (("sentence-transformers", len(other), end - between), ("nvmine", full, between - start))
    for name, rows, seconds in sides:
        print(f"{name:<24} full rows  {rows:6,}  starved {len(pairs) - rows:4}  {seconds:.0f} s")
    print(f"rows of both: same {same:,}, same up to ties {tied:,}, different {len(different):,}")
    for pair in different[:10]:
        print("  differs:", pair[0][:80], mined[pair][1])


if __name__ == "__main__":
    main()

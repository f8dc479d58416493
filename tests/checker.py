"""Proves a run folder right without nvmine: ``python tests/checker.py RUN`` prints OK, or stops at the first fault.

What a run must hold is stated here a second time, slowly and with json and polars alone.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import operator
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import polars as pl


def check(folder: Path) -> None:
    """Raises SystemExit, naming the query, unless every file and every negative is right."""
    manifest = json.loads((folder / "manifest.json").read_text())
    policy = manifest["policy"]
    for shard in manifest["shards"]:
        with (folder / shard["path"]).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != shard["sha256"]:
                raise SystemExit(f"{shard['path']}: not the file that the manifest records")
    passages = pl.read_parquet(folder / "passages.parquet")
    names, texts = passages["passage_id"].to_list(), [normal(text) for text in passages["text"]]
    number = {name: row for row, name in enumerate(names)}
    query_words = {name: shingles(text) for name, text in pl.read_parquet(folder / "queries.parquet").iter_rows()}
    query_texts = {name: normal(text) for name, text in pl.read_parquet(folder / "queries.parquet").iter_rows()}
    candidates = {row["query_id"]: row for row in read(folder, "candidates/*.parquet")}
    pairs = Counter((query, names[passage]) for query, row in candidates.items() for passage in row["pos_ids"])
    results = read(folder, "negatives-*.parquet")
    found = Counter((row["query_id"], row["positive_id"]) for row in results)
    if found != pairs or candidates.keys() != query_texts.keys():
        raise SystemExit("not one row for each positive of each query")

    for row in results:
        query = row["query_id"]
        kept = candidates[query]

        def require(holds: bool, what: str, query: str = query) -> None:
            if not holds:
                raise SystemExit(f"query {query!r}: {what}")

        ids, scores = row["negative_ids"], row["negative_scores"]
        require(all(name in number for name in ids), "a negative is no passage")
        places = [number[name] for name in ids]
        require(len(ids) == len(scores) and len(ids) <= policy["n"], "more negatives than n")
        require(policy["on_short"] == "keep" or len(ids) in (0, policy["n"]), "short, against on_short")
        require(row["candidates"] == len(kept["ids"]), "not as many candidates as were kept")
        require(row["candidates"] == len(ids) + sum(row["rejected"].values()), "candidates are unaccounted for")
        ranking = [(-score, place) for score, place in zip(scores, places, strict=True)]
        require(ranking == sorted(ranking), "not in score order, ties by row of the corpus")
        stored = dict(zip(kept["ids"], kept["scores"], strict=True))
        require([stored.get(place) for place in places] == scores, "not the scores of candidates")
        positive_scores = dict(zip(kept["pos_ids"], kept["pos_scores"], strict=True))
        require(positive_scores[number[row["positive_id"]]] == row["positive_score"], "not the positive's score")
        anchors = [row["positive_score"]] if policy["anchor"] == "each" else kept["pos_scores"]
        bound, floor = ceiling(anchors, policy), policy["min_score"]
        require(all(score < bound for score in scores), f"a negative is not below the ceiling {bound}")
        require(floor is None or all(score >= floor for score in scores), f"a negative is below the floor {floor}")
        negative_texts = [texts[place] for place in places]
        require(len(set(negative_texts)) == len(ids), "a negative is repeated")
        require(not set(negative_texts) & {texts[place] for place in kept["pos_ids"]}, "a negative is a positive")
        require(query_texts[query] not in negative_texts and query not in ids, "a negative is the query itself")
        if policy["near_duplicate"] is not None:
            shown = [query_words[query], *(shingles(passages["text"][place]) for place in kept["pos_ids"])]
            for place in places:
                own = shingles(passages["text"][place])
                near = [
                    1
                    for other in shown
                    if own & other and len(own & other) / len(own | other) >= policy["near_duplicate"]
                ]
                require(not near, "a negative is near a positive, the query or another negative")
                shown.append(own)


def ceiling(positive_scores: list[float], policy: dict) -> float:
    """What the policy says that negatives are strictly below."""
    ascending = sorted(positive_scores)
    mean = functools.reduce(operator.add, ascending) / len(ascending)
    anchor = {"max": ascending[-1], "mean": mean}.get(policy["anchor"], ascending[0])
    of_method = {
        "margin": anchor - policy["margin"],
        "perc": anchor - (1 - policy["percentage"]) * abs(anchor),
    }.get(policy["method"], math.inf)
    default = 0.7 if policy["method"] == "abs" else math.inf
    return min(of_method, default if policy["max_score"] is None else policy["max_score"])


def normal(text: str) -> str:
    """The text without regard to letter case, white space and the way that accents are written."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(folded.split())


def shingles(text: str) -> set[tuple[str, ...]]:
    """All runs of three words, or of as many as there are."""
    words = "".join(letter if letter.isalnum() else " " for letter in normal(text)).split()
    size = min(3, len(words))
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)} if words else set()


def read(folder: Path, pattern: str) -> list[dict]:
    """All rows of the shards of one kind."""
    return [row for path in sorted(folder.glob(pattern)) for row in pl.read_parquet(path).iter_rows(named=True)]


if __name__ == "__main__":
    check(Path(sys.argv[1]))
    print("OK")

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
    for shard in manifest["shards"]:
        with (folder / shard["path"]).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != shard["sha256"]:
                raise SystemExit(f"{shard['path']}: not the file that the manifest records")
    if "judge" in manifest["search"]:
        check_verdicts(folder)
    if manifest["teacher"]["kind"] == "ensemble":
        check_ensemble(folder, manifest)
        return
    policy, teacher = manifest["policy"], Teacher(folder)
    results = read(folder, "negatives-*.parquet")
    if Counter((row["query_id"], row["positive_id"]) for row in results) != teacher.pairs():
        raise SystemExit("not one row for each positive of each query")
    for row in results:
        query, ids = row["query_id"], row["negative_ids"]
        kept = teacher.candidates[query]
        require(row["candidates"] == len(kept["ids"]), query, "not as many candidates as were kept")
        require(row["candidates"] == len(ids) + sum(row["rejected"].values()), query, "candidates are unaccounted for")
        require(len(ids) <= policy["n"], query, "more negatives than n")
        require(policy["on_short"] == "keep" or len(ids) in (0, policy["n"]), query, "short, against on_short")
        positive_scores = dict(zip(kept["pos_ids"], kept["pos_scores"], strict=True))
        positive_score = positive_scores[teacher.number[row["positive_id"]]]
        require(positive_score == row["positive_score"], query, "not the positive's score")
        teacher.check(query, row["positive_score"], ids, row["negative_scores"])


def check_ensemble(folder: Path, manifest: dict) -> None:
    """An ensemble: its members, and every negative by the filter of the teacher that gave it."""
    rule, names = manifest["policy"], manifest["teacher"]["folders"]
    for name in names:
        check(folder / "teachers" / name)
    teachers = {name: Teacher(folder / "teachers" / name) for name in names}
    first = teachers[names[0]]
    results = read(folder, "negatives-*.parquet")
    if Counter((row["query_id"], row["positive_id"]) for row in results) != first.pairs():
        raise SystemExit("not one row for each positive of each query")
    for row in results:
        query, ids, givers = row["query_id"], row["negative_ids"], row["negative_teachers"]
        require(len(ids) == len(givers) == len(row["positive_scores"]), query, "not a teacher for each negative")
        require(len(ids) <= rule["n"], query, "more negatives than n")
        require(row["candidates"] == len(ids) + sum(row["rejected"].values()), query, "candidates are unaccounted for")
        texts = [first.texts[first.number[name]] for name in ids]
        if rule["how"] == "cross" or rule["duplicates"] == "replace":
            require(len(set(texts)) == len(ids), query, "a negative is repeated")
        passing = {place for teacher in teachers.values() for place in teacher.candidates[query]["excluded"]}
        require(not passing & {first.number[name] for name in ids}, query, "a negative passes for a positive")
        if rule["how"] == "cross":
            require(len(set(givers)) <= 1, query, "several teachers, though one was to be drawn")
        for name, teacher in teachers.items():
            places = [place for place, giver in enumerate(givers) if giver == name]
            kept = teacher.candidates[query]
            score = dict(zip(kept["pos_ids"], kept["pos_scores"], strict=True))[first.number[row["positive_id"]]]
            score = None if math.isnan(score) else score
            require(all(row["positive_scores"][place] == score for place in places), query, "not the positive's score")
            given = [ids[place] for place in places]
            teacher.check(query, score, given, [row["negative_scores"][place] for place in places])
        if rule["how"] == "intra" and rule["duplicates"] == "keep":
            for text, times in Counter(texts).items():
                by = {giver for giver, own in zip(givers, texts, strict=True) if own == text}
                require(len(by) == times, query, "a negative is repeated by one teacher")


def check_verdicts(folder: Path) -> None:
    """A judged run: every negative has a verdict, and is none that answers its query."""
    rows = (
        pl.read_parquet(folder / "verdicts.parquet", glob=False)
        .select("query_id", "passage_id", "relevant")
        .iter_rows()
    )
    verdicts = {(query, passage): relevant for query, passage, relevant in rows}
    for row in read(folder, "negatives-*.parquet"):
        for name in row["negative_ids"]:
            require(
                verdicts.get((row["query_id"], name)) is False, row["query_id"], "a negative is not judged, or none"
            )


class Teacher:
    """What a run folder holds of one teacher, and the filter that its negatives must pass."""

    def __init__(self, folder: Path) -> None:
        self.policy = json.loads((folder / "manifest.json").read_text())["policy"]
        self.passages = pl.read_parquet(folder / "passages.parquet", glob=False)
        self.names = self.passages["passage_id"].to_list()
        self.texts = [normal(text) for text in self.passages["text"]]
        self.number = {name: row for row, name in enumerate(self.names)}
        self.queries = dict(pl.read_parquet(folder / "queries.parquet", glob=False).iter_rows())
        self.candidates = {row["query_id"]: row for row in read(folder, "candidates/*.parquet")}
        if self.candidates.keys() != self.queries.keys():
            raise SystemExit("not one list of candidates for each query")

    def pairs(self) -> Counter:
        """The (query, positive) pairs that are kept."""
        return Counter(
            (query, self.names[passage])
            for query, row in self.candidates.items()
            for passage, stays in zip(row["pos_ids"], row["pos_kept"], strict=True)
            if stays
        )

    def check(self, query: str, positive_score: float, ids: list[str], scores: list[float]) -> None:
        """Negatives of this teacher, in the order in which it gave them."""
        policy, kept = self.policy, self.candidates[query]
        if not ids:
            # One of several teachers, which may have dropped every positive of the query.
            return
        require(len(ids) == len(scores), query, "not a score for each negative")
        require(all(name in self.number for name in ids), query, "a negative is no passage")
        places = [self.number[name] for name in ids]
        ranking = [(-score, place) for score, place in zip(scores, places, strict=True)]
        require(ranking == sorted(ranking), query, "not in score order, ties by row of the corpus")
        stored = dict(zip(kept["ids"], kept["scores"], strict=True))
        require([stored.get(place) for place in places] == scores, query, "not the scores of candidates")
        stay = [score for score, stays in zip(kept["pos_scores"], kept["pos_kept"], strict=True) if stays]
        bound, floor = ceiling([positive_score] if policy["anchor"] == "each" else stay, policy), policy["min_score"]
        require(all(score < bound for score in scores), query, f"a negative is not below the ceiling {bound}")
        require(floor is None or all(score >= floor for score in scores), query, f"a negative is below {floor}")
        texts = [self.texts[place] for place in places]
        require(len(set(texts)) == len(ids), query, "a negative is repeated")
        positives = {self.texts[place] for place in [*kept["pos_ids"], *kept["excluded"]]}
        require(not set(texts) & positives, query, "a negative is a positive")
        itself = normal(self.queries[query])
        require(itself not in texts and query not in ids, query, "a negative is the query itself")
        if policy["near_duplicate"] is not None:
            near = [place for place, stays in zip(kept["pos_ids"], kept["pos_kept"], strict=True) if stays]
            shown = [shingles(self.queries[query]), *(shingles(self.passages["text"][place]) for place in near)]
            for place in places:
                own = shingles(self.passages["text"][place])
                shares = [len(own & other) / len(own | other) for other in shown if own & other]
                require(max(shares, default=0) < policy["near_duplicate"], query, "a negative is near another text")
                shown.append(own)


def require(holds: bool, query: str, what: str) -> None:
    """Stops where something does not hold."""
    if not holds:
        raise SystemExit(f"query {query!r}: {what}")


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
    return [
        row for path in sorted(folder.glob(pattern)) for row in pl.read_parquet(path, glob=False).iter_rows(named=True)
    ]


if __name__ == "__main__":
    check(Path(sys.argv[1]))
    print("OK")

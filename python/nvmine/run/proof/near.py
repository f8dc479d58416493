"""Proves that no negative of a run is a near-duplicate, from the stored texts and with plain sets of words."""

from __future__ import annotations

from functools import cache

import polars as pl

from nvmine.errors import RunError
from nvmine.run.store.folder import Run
from nvmine.shingles import WORDS, words_of

Set = frozenset[tuple[str, ...]]


def check_near(run: Run, candidates: pl.DataFrame, results: pl.DataFrame) -> None:
    """Checks that no negative is too similar to a positive, the query or another one, if the policy compares texts.

    Raises
    ------
    RunError
        A negative is too similar; the message names the query.
    """
    share = run.policy.near_duplicate
    if share is None:
        return
    names, texts = run.passages().collect().select("passage_id", "text").get_columns()
    numbers = {name: row for row, name in enumerate(names)}
    queries = dict(run.queries().collect().iter_rows())
    positives = dict(candidates.select("query_id", "pos_ids").iter_rows())

    @cache
    def of_passage(number: int) -> Set:
        return shingles(texts[number])

    for query, negatives in results.select("query_id", "negative_ids").iter_rows():
        earlier = [shingles(queries[query]), *map(of_passage, positives[query])]
        for name in negatives:
            own = of_passage(numbers[name])
            if any(similarity(own, other) >= share for other in earlier):
                raise RunError(
                    f"the negative {name!r} is a near-duplicate of a positive, the query or another negative",
                    path=run.path,
                    query=query,
                )
            earlier.append(own)


def shingles(text: str) -> Set:
    """Returns the runs of consecutive words of a text; a text with too few words is one run."""
    words = words_of(text)
    if len(words) <= WORDS:
        return frozenset([tuple(words)] if words else [])
    return frozenset(tuple(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1))


def similarity(a: Set, b: Set) -> float:
    """Returns the Jaccard similarity; 0 if there is nothing to compare."""
    common = len(a & b)
    return common / (len(a) + len(b) - common) if common else 0.0

"""Which passages are the same passage, and which are the query itself.

Collections hold one text under several ids, in other letter case or spacing, and ArguAna-like ones hold their own
queries. A negative that is a twin of a positive or of the query teaches the opposite of the truth, so the miner
excludes by *class*: texts that agree after NFC, white-space folding and case folding. Near-duplicates that differ in a
word are another matter: the policy's ``near_duplicate`` guard compares shingles.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from nvmine.data.dataset import Dataset, Int64Array, compressed_rows
from nvmine.shingles import normalise


def identity_classes(texts: Iterable[str]) -> Int64Array:
    """Give two passages the same number exactly when their normalised texts are equal.

    O(total text); 16 bytes of digest per distinct text are held, never the texts.

    Parameters
    ----------
    texts
        The M passages, in order.

    Returns
    -------
    int64 of shape (M,): the row number of the first passage with that text.

    Examples
    --------
    >>> identity_classes(["A cat", "a dog", "a  CAT"])
    array([0, 1, 0])
    """
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(_digest(text), number) for number, text in enumerate(texts)], np.int64)


def self_passages(dataset: Dataset, classes: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Find, for every query, the passages that are the query itself.

    These have the query's normalised text, or its id (the convention of BEIR's ``ignore_identical_ids``). A class is
    named by its first member, which suffices because exclusion is by class; a query's positive may be among them.
    O(total text).

    Parameters
    ----------
    dataset
        Q queries and M passages.
    classes
        int64 of shape (M,), from :func:`identity_classes` on ``dataset.passage_texts``.

    Returns
    -------
    offsets, passages
        int64 of shape (Q + 1,) and int64: query q's are ``passages[offsets[q]:offsets[q + 1]]``, ascending.

    Examples
    --------
    >>> from nvmine.data import open_dataset
    >>> dataset = open_dataset([("Where is it?", "where is it?"), ("who?", "she")])
    >>> self_passages(dataset, identity_classes(dataset.passage_texts))
    (array([0, 1, 1]), array([0]))
    """
    by_text: defaultdict[bytes, list[int]] = defaultdict(list)
    by_id = {name: query for query, name in enumerate(dataset.query_ids)}
    for query, text in enumerate(dataset.query_texts):
        by_text[_digest(text)].append(query)
    found: list[list[int]] = [[] for _ in dataset.query_ids]
    for passage, (name, text, first) in enumerate(
        zip(dataset.passage_ids, dataset.passage_texts, classes.tolist(), strict=True)
    ):
        if name in by_id:
            found[by_id[name]].append(first)
        if passage == first:
            for query in by_text.get(_digest(text), ()):
                found[query].append(first)
    return compressed_rows(found)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(normalise(text).encode("utf-8", "surrogatepass"), digest_size=16).digest()

"""Which passages are the same passage, and which passages are the query itself.

A collection may hold one text under several ids, in different letter case or spacing, and collections like ArguAna
hold their own queries. A negative with the text of a positive or of the query would train the model against the right
answer. The miner therefore excludes passages by *class*: the texts that are equal after NFC normalisation, white-space
folding and case folding. Texts that differ in a word are left to the policy's ``near_duplicate`` guard, which compares
shingles.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from nvmine.data.dataset import Dataset, Int64Array, compressed_rows
from nvmine.shingles import normalise


def identity_classes(texts: Iterable[str]) -> Int64Array:
    """Returns a class for every passage; two passages have the same class if and only if their normalised texts agree.

    O(total text) time. Memory holds a digest of 16 bytes per distinct text, not the texts.

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
    """Finds, for every query, the passages that are the query itself.

    These are the passages with the query's normalised text, or with its id (the convention of BEIR's
    ``ignore_identical_ids``). Each class is represented by its first passage, which suffices because exclusion is by
    class. A positive of the query may be among them. O(total text) time.

    Parameters
    ----------
    dataset
        Q queries and M passages.
    classes
        int64 of shape (M,), from :func:`identity_classes` on ``dataset.passage_texts``.

    Returns
    -------
    offsets, passages
        int64 of shape (Q + 1,) and int64: those of query q are ``passages[offsets[q]:offsets[q + 1]]``, ascending.

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

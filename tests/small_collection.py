"""A small collection with everything that makes mining hard: copies, several positives, queries among the passages."""

from __future__ import annotations

import random

from nvmine.data import Dataset, open_dataset

_WORDS = ["red", "green", "blue", "cold", "warm", "north", "south", "river", "stone", "cloud", "bird", "horse", "tower"]
_WORDS += ["ship", "iron", "glass", "bread", "salt", "moon", "winter", "letter", "garden", "bridge", "market", "forest"]


def small_collection(queries: int = 120, passages: int = 90, seed: int = 0) -> Dataset:
    """Pairs whose passages share words with their query, beside others that do so by chance."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(_WORDS, k=6)) for _ in range(passages)]
    texts[1] = texts[0].upper() + "  "
    pairs = []
    for row in range(queries):
        text = texts[row % passages]
        pairs.append((f"{' '.join(draw.sample(text.split(), 3))} {row}", text))
    pairs += [(pairs[0][0], texts[5]), (pairs[0][0], texts[6]), (texts[7], texts[8])]
    return open_dataset(pairs + [(f"filler {text}", text) for text in texts])

"""A teacher that needs no model: a text's vector follows from its words. For tests of what comes after encoding."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

DIMENSION = 16


@functools.cache
def direction(word: str, turn: int | None = None) -> np.ndarray:
    """The random direction of a word, and of each turn of it."""
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(seed if turn is None else [seed, turn]).standard_normal(DIMENSION)


class WordTeacher:
    """Each word has a fixed random direction; a text is their normalised sum. Seeds turn the directions a little."""

    def __init__(self, name: str = "words", dtype: type = np.float32, seed: int = 0) -> None:
        self.name, self.dtype, self.seed = name, dtype, seed

    def describe(self) -> dict[str, Any]:
        return {"kind": "dense", "name": self.name, "digest": f"{self.name}-{np.dtype(self.dtype)}-{self.seed}"}

    def on(self, devices: Sequence[str]) -> list[WordTeacher]:
        return [WordTeacher(self.name, self.dtype, self.seed) for _ in devices]

    def encode_queries(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> np.ndarray:
        return self._encode(texts, done)

    def encode_passages(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> np.ndarray:
        return self._encode(texts, done)

    def _encode(self, texts: Sequence[str], done: Callable[[int], object] | None) -> np.ndarray:
        vectors = np.zeros((len(texts), DIMENSION))
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row] += direction(word)
                if self.seed:
                    vectors[row] += 0.7 * direction(word, self.seed)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        if done is not None:
            done(len(texts))
        return vectors.astype(self.dtype)

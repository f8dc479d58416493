"""``Shingles``: texts as sets of hashed word sequences, made once so that mining can compare texts quickly."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.errors import DtypeError, PolicyError, ShapeError
from nvmine.inputs.numbers import thread_count, whole_number
from nvmine.inputs.rows import take_rows

WORDS = 3
"""Default number of words in a shingle."""

# No text needs longer shingles; a larger number is a mistake.
_MOST_WORDS = 1 << 20

# A word is a run of Unicode letters and digits. `\w` also matches the underscore, which separates words here.
_WORD = re.compile(r"[^\W_]+")

# Number of texts that are split into words at a time.
_BLOCK = 1 << 15


@dataclass(frozen=True, slots=True, eq=False)
class Shingles:
    """The word shingles of T texts: for each text, the distinct hashes of its sequences of consecutive words.

    Words are the runs of letters and digits of a text after NFC normalisation, white-space folding and case folding. A
    text that has fewer words than a shingle is a single shingle. A text without words has no shingles, and is similar
    to no text. Hashes have 64 bits and are the same on every platform. Create shingles with :meth:`of`.

    Parameters
    ----------
    words
        Number of words in a shingle, at least 1.
    offsets
        int64 of shape (T + 1,), ascending from 0: the hashes of text i are ``values[offsets[i]:offsets[i + 1]]``.
    values
        uint64 of shape (offsets[-1],): the hashes, strictly ascending within a text.

    Raises
    ------
    ShapeError
        `offsets` does not ascend from 0 to the length of `values`, or `values` does not ascend within a text.
    DtypeError
        An array has another type.

    Examples
    --------
    >>> shingles = Shingles.of(["A cold river.", "a cold, cold river", ""], words=2)
    >>> len(shingles), shingles.offsets.tolist()
    (3, [0, 2, 5, 5])
    """

    words: int
    offsets: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint64]

    def __post_init__(self) -> None:
        for name, dtype in (("offsets", np.int64), ("values", np.uint64)):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != dtype:
                raise DtypeError(f"must be a numpy array of {np.dtype(dtype)}", argument=name)
            if array.ndim != 1:
                raise ShapeError(f"must have one dimension, not {array.ndim}", argument=name)
            object.__setattr__(self, name, np.require(array, dtype, ["C", "ALIGNED"]))
        offsets, values = self.offsets, self.values
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 0).any():
            raise ShapeError(f"must ascend from 0 to {len(values)}, the number of values", argument="offsets")
        falls = values[1:] <= values[:-1]
        # The first hash of a text may be smaller than the last one of the previous text.
        starts = offsets[1:-1]
        falls[starts[(starts > 0) & (starts < len(values))] - 1] = False
        if falls.any():
            raise ShapeError("must ascend strictly within a text", argument="values")

    @classmethod
    def of(cls, texts: Sequence[str], words: int = WORDS, *, threads: int | None = None) -> Shingles:
        """Returns the shingles of texts. O(characters) time, 8 bytes of memory for each distinct shingle of a text.

        Parameters
        ----------
        texts
            The T texts.
        words
            Number of words in a shingle, at least 1. With more words, fewer texts are similar.
        threads
            Number of threads. Default: as many as the process may use.

        Raises
        ------
        DtypeError
            `texts` contains something other than a text; the error's `row` is its place.
        PolicyError
            `words` or `threads` is not an integer, or out of range.

        Examples
        --------
        >>> a, b = (set(Shingles.of([text]).values.tolist()) for text in ("the red stone bridge", "red stone bridge"))
        >>> len(a & b) / len(a | b)
        0.5
        """
        size, threads = whole_number("words", words, _MOST_WORDS), thread_count(threads)
        if isinstance(texts, str | bytes):
            raise DtypeError("expected a sequence of texts, not one text", argument="texts")
        blocks = [_core.shingles(block, size, threads=threads) for block in _blocks_of_words(texts)]
        counts = [np.zeros(1, np.int64), *(counts for counts, _ in blocks)]
        values = [np.empty(0, np.uint64), *(values for _, values in blocks)]
        return cls(size, np.cumsum(np.concatenate(counts)), np.concatenate(values))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: npt.NDArray[np.int64]) -> Shingles:
        """Returns the shingles of the texts with these row numbers, in this order.

        Examples
        --------
        >>> import numpy as np
        >>> shingles = Shingles.of(["one", "two", "three"])
        >>> bool((shingles.take(np.array([2])).values == Shingles.of(["three"]).values).all())
        True
        """
        offsets, places = take_rows(self.offsets, rows)
        return Shingles(self.words, offsets, self.values[places])


def read_shingles(passages: Any, queries: Any, threads: int | None) -> tuple[Shingles, Shingles | None]:
    """Returns the shingles of passages and queries, each given as texts or as shingles.

    Texts get shingles of as many words as those that are given, or of 3 words.

    Raises
    ------
    PolicyError
        There are no passages, although the policy compares texts.
    ShapeError
        Both are given as shingles, with different numbers of words.
    DtypeError
        A text is not a string.
    """
    if passages is None:
        raise PolicyError(
            "compares texts; pass passage_texts, a Shingles or a sequence of texts by id", argument="near_duplicate"
        )
    given = [texts.words for texts in (passages, queries) if isinstance(texts, Shingles)]
    size = given[0] if given else WORDS
    if any(other != size for other in given):
        raise ShapeError(
            f"passage_texts has shingles of {given[0]} words, but query_texts of {given[1]}; use the same for both"
        )
    own = None if queries is None else _read(queries, size, threads)
    return _read(passages, size, threads), own


def _read(texts: Any, words: int, threads: int | None) -> Shingles:
    return texts if isinstance(texts, Shingles) else Shingles.of(texts, words, threads=threads)


def _blocks_of_words(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yields blocks of texts, each text as its words separated by spaces."""
    rows = iter(texts)
    done = 0
    while block := list(islice(rows, _BLOCK)):
        for row, text in enumerate(block, done):
            if not isinstance(text, str):
                raise DtypeError(f"expected a text, not {type(text).__name__}", argument="texts", row=row)
        done += len(block)
        yield [" ".join(words_of(text)) for text in block]


def normalise(text: str) -> str:
    """Returns the form of a text that identity compares.

    The text is normalised to NFC and case folded, and its white space becomes single spaces between words.

    Examples
    --------
    >>> normalise("  Cafe\u0301  du Nord ")
    'café du nord'
    """
    folded = " ".join(unicodedata.normalize("NFC", text).split()).casefold()
    # Case folding may decompose a letter and its accent.
    return unicodedata.normalize("NFC", folded)


def words_of(text: str) -> list[str]:
    """Returns the words of a text in order: the runs of letters and digits of the normalised text.

    Examples
    --------
    >>> words_of("The  Nile, 6650 km!")
    ['the', 'nile', '6650', 'km']
    """
    return _WORD.findall(normalise(text))

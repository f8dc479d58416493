"""``Shingles``: texts as sets of hashed word runs, made once, so that near-duplicates can be told at mining speed."""

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
"""Words of a shingle, where nothing else is said."""

# A longer run of words than any text needs; beyond it lies a mistaken argument.
_MOST_WORDS = 1 << 20

# Runs of what Unicode calls letters and numbers; the underscore, which Python counts among them, separates.
_WORD = re.compile(r"[^\W_]+")

# Texts whose words are held at once.
_BLOCK = 1 << 15


@dataclass(frozen=True, slots=True, eq=False)
class Shingles:
    """The word shingles of T texts: for each text, the distinct hashes of its runs of consecutive words.

    Words are the runs of letters and digits of the text after NFC, white-space folding and case folding. A text of
    fewer words than a shingle has is one shingle of them all; a text without words has none, and is near nothing.
    Hashes have 64 bits and are the same on every platform. Make it with :meth:`of`.

    Parameters
    ----------
    words
        Words of a shingle, at least 1.
    offsets
        int64 of shape (T + 1,): text i has the hashes ``values[offsets[i]:offsets[i + 1]]``.
    values
        uint64, ascending and distinct within a text.

    Raises
    ------
    ShapeError, DtypeError
        The arrays are not as said.

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
                raise DtypeError(f"must be an array of {np.dtype(dtype)}", argument=name)
            if array.ndim != 1:
                raise ShapeError(f"must have one dimension, not {array.ndim}", argument=name)
            object.__setattr__(self, name, np.require(array, dtype, ["C", "ALIGNED"]))
        offsets, values = self.offsets, self.values
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 0).any():
            raise ShapeError(f"must ascend from 0 to the {len(values)} values", argument="offsets")
        falls = values[1:] <= values[:-1]
        # The first hash of a text may be less than the last one of the text before.
        starts = offsets[1:-1]
        falls[starts[(starts > 0) & (starts < len(values))] - 1] = False
        if falls.any():
            raise ShapeError("must ascend within a text", argument="values")

    @classmethod
    def of(cls, texts: Sequence[str], words: int = WORDS, *, threads: int | None = None) -> Shingles:
        """Hashes texts. O(total text); 8 bytes a distinct shingle are held.

        Parameters
        ----------
        texts
            The T texts, in order.
        words
            Words of a shingle, at least 1: more make fewer texts similar.
        threads
            How many threads hash. Default: as many as the process may use.

        Returns
        -------
        Shingles
            Of the T texts.

        Raises
        ------
        DtypeError
            Something in `texts` is no text; `row` is its place.
        PolicyError
            `words` or `threads` is no whole number, or out of range.

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
        """The shingles of some of the texts, by their numbers.

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
    """Passages and queries, each given as texts or as their shingles, with shingles of the same size.

    Raises
    ------
    PolicyError
        There are no passages, but a policy compares them.
    ShapeError
        The sizes differ.
    DtypeError
        They hold something else than texts.
    """
    if passages is None:
        raise PolicyError("compares texts: give passage_texts, a Shingles or texts by id", argument="near_duplicate")
    given = [texts.words for texts in (passages, queries) if isinstance(texts, Shingles)]
    size = given[0] if given else WORDS
    if any(other != size for other in given):
        raise ShapeError(f"passage_texts has shingles of {given[0]} words, query_texts of {given[1]}; make both alike")
    own = None if queries is None else _read(queries, size, threads)
    return _read(passages, size, threads), own


def _read(texts: Any, words: int, threads: int | None) -> Shingles:
    return texts if isinstance(texts, Shingles) else Shingles.of(texts, words, threads=threads)


def _blocks_of_words(texts: Iterable[str]) -> Iterator[list[str]]:
    """The words of every text, separated by spaces, some texts at a time."""
    rows = iter(texts)
    done = 0
    while block := list(islice(rows, _BLOCK)):
        for row, text in enumerate(block, done):
            if not isinstance(text, str):
                raise DtypeError(f"expected a text, not {type(text).__name__}", argument="texts", row=row)
        done += len(block)
        yield [" ".join(words_of(text)) for text in block]


def normalise(text: str) -> str:
    """Return what identity compares: NFC, runs of white space as one space, none at the ends, case folded.

    Examples
    --------
    >>> normalise("  Cafe\u0301  du Nord ")
    'café du nord'
    """
    folded = " ".join(unicodedata.normalize("NFC", text).split()).casefold()
    # Case folding may leave a letter and its accent apart.
    return unicodedata.normalize("NFC", folded)


def words_of(text: str) -> list[str]:
    """Return the runs of letters and digits of the normalised text, in order.

    Examples
    --------
    >>> words_of("The  Nile, 6650 km!")
    ['the', 'nile', '6650', 'km']
    """
    return _WORD.findall(normalise(text))

"""BM25: lexical scores, with no model and no download.

The classic source of hard negatives, and still a strong one beside a dense teacher, because it errs differently
(Robertson & Zaragoza 2009; the variants are those of Kamphuis et al., ECIR 2020). Computed by bm25s, which scores every
term of every passage once, at indexing; a query then sums columns. Indexing is linear in the words of the corpus, a
query in the occurrences of its terms, and its row of scores is as long as the corpus.

Prefer a dense teacher where queries and passages use different words for the same thing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nvmine.errors import TeacherError, quote
from nvmine.extras import require

if TYPE_CHECKING:
    import bm25s

Float32Array = npt.NDArray[np.float32]

_METHODS = ("lucene", "robertson", "atire", "bm25l", "bm25+")


class Bm25Teacher:
    """BM25 with its settings; :meth:`index` applies it to passages.

    Parameters
    ----------
    method
        "lucene", "robertson", "atire", "bm25l" or "bm25+".
    k1
        How slowly repeated terms saturate, >= 0.
    b
        How far long passages are penalised, in [0, 1].
    stemmer
        A Snowball language, such as "english" or "german"; None leaves words as they are.
    stopwords
        A language that bm25s has a list for, such as "en" or "de", or the words themselves, in lower case; None keeps
        all words.

    Raises
    ------
    TeacherError
        A setting is out of range or unknown.
    MissingExtraError
        bm25s or PyStemmer is not installed.
    """

    def __init__(
        self,
        *,
        method: str = "lucene",
        k1: float = 1.5,
        b: float = 0.75,
        stemmer: str | None = "english",
        stopwords: str | Sequence[str] | None = "en",
    ) -> None:
        if method not in _METHODS:
            raise TeacherError(f"BM25 method {quote(str(method))} is not one of {', '.join(_METHODS)}")
        if not (math.isfinite(k1) and k1 >= 0):
            raise TeacherError(f"BM25 k1 is {k1}, must be finite and at least 0")
        if not 0 <= b <= 1:
            raise TeacherError(f"BM25 b is {b}, must lie in [0, 1]")
        self._method, self._k1, self._b = method, float(k1), float(b)
        self._stemmer = stemmer
        self._stopwords = stopwords if stopwords is None or isinstance(stopwords, str) else sorted(set(stopwords))
        self._tokenizer()  # unknown languages and missing libraries show now, not after the corpus has been read

    def index(self, passages: Sequence[str]) -> Bm25Index:
        """Read the corpus.

        Parameters
        ----------
        passages
            The texts to score, in order. An empty one scores 0 for every query.

        Raises
        ------
        TeacherError
            No passage holds a single term, or there is none.
        """
        library = require("bm25s", extra="bm25")
        tokenizer = self._tokenizer()
        tokens = tokenizer.tokenize(
            passages, update_vocab=True, return_as="tuple", show_progress=False, allow_empty=False
        )
        if not tokens.vocab:
            raise TeacherError(
                f"none of {len(passages)} passages holds a term: all their words are stopwords or single characters;"
                " check the texts, or pass stopwords=None"
            )
        retriever = library.BM25(method=self._method, k1=self._k1, b=self._b, backend="numpy")
        retriever.index(tokens, create_empty_token=False, show_progress=False)
        # BM25L and BM25+ raise all passages by one constant a query. Without it the order is the same, and 0 means
        # "no shared term" as it does for the other methods, so that ceilings relative to a score keep their meaning.
        retriever.nonoccurrence_array = None
        return Bm25Index(retriever, tokenizer, len(passages))

    def describe(self) -> dict[str, Any]:
        """Everything that changes the scores, ready for JSON."""
        return {
            "kind": "bm25",
            "method": self._method,
            "k1": self._k1,
            "b": self._b,
            "stemmer": self._stemmer,
            "stopwords": self._stopwords,
            "bm25s": version("bm25s"),
            "pystemmer": None if self._stemmer is None else version("PyStemmer"),
        }

    def _tokenizer(self) -> bm25s.tokenization.Tokenizer:
        """Make a tokenizer: it learns its vocabulary from one corpus."""
        tokenization = require("bm25s.tokenization", extra="bm25")
        stemmer = None
        if self._stemmer is not None:
            snowball = require("Stemmer", extra="bm25")
            try:
                stemmer = snowball.Stemmer(self._stemmer)
            except KeyError:
                known = ", ".join(snowball.algorithms())
                raise TeacherError(f"stemmer {quote(self._stemmer)} is not one of {known}") from None
        try:
            return tokenization.Tokenizer(stopwords=self._stopwords, stemmer=stemmer)
        except ValueError as error:
            raise TeacherError(f"stopwords: {error}") from error


class Bm25Index:
    """A corpus that queries are scored against, made by :meth:`Bm25Teacher.index`."""

    def __init__(self, retriever: bm25s.BM25, tokenizer: bm25s.tokenization.Tokenizer, passages: int) -> None:
        self._retriever = retriever
        self._tokenizer = tokenizer
        self._passages = passages

    def __len__(self) -> int:
        return self._passages

    def scores(self, queries: Sequence[str]) -> Float32Array:
        """Score every passage.

        Parameters
        ----------
        queries
            Any number of queries; a term that a query repeats counts as often.

        Returns
        -------
        ``(len(queries), number of passages)``; 0 where no term is shared, never negative. A query's row does not
        depend on the others: its terms are added in the order of its words.
        """
        result = np.zeros((len(queries), self._passages), np.float32)
        tokens = self._tokenizer.tokenize(queries, update_vocab=False, show_progress=False, allow_empty=False)
        for row, terms in zip(result, tokens, strict=True):
            if terms:
                row[:] = self._retriever.get_scores_from_ids(terms)
        return result

"""BM25: lexical scores, with no model and no download.

The classic source of hard negatives, and still a strong one beside a dense teacher, because it errs differently
(Robertson & Zaragoza 2009; the variants are those of Kamphuis et al., ECIR 2020). Computed by bm25s, which scores every
term of every passage once, at indexing; a query then sums columns. Indexing is linear in the words of the corpus, a
query in the occurrences of its terms, and its row of scores is as long as the corpus.

An index is three arrays, 8 bytes for each term of each passage, and the terms. From files, the arrays can be mapped: a
query then reads the columns of its own terms, and memory is that of the vocabulary.

Prefer a dense teacher where queries and passages use different words for the same thing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
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
# The one of bm25s: words of at least two characters.
_WORD = r"(?u)\b\w\w+\b"
_PARTS = ("data", "indices", "indptr")


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
    token_pattern
        A regular expression of Python that finds the words of a text in lower case, by default those of at least two
        characters; of one with a group, the group is the word.

    Raises
    ------
    TeacherError
        A setting is out of range or unknown, or `token_pattern` cannot find words.
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
        token_pattern: str = _WORD,
    ) -> None:
        if method not in _METHODS:
            raise TeacherError(f"BM25 method {quote(str(method))} is not one of {', '.join(_METHODS)}")
        if not (math.isfinite(k1) and k1 >= 0):
            raise TeacherError(f"BM25 k1 is {k1}, must be finite and at least 0")
        if not 0 <= b <= 1:
            raise TeacherError(f"BM25 b is {b}, must lie in [0, 1]")
        self._method, self._k1, self._b = method, float(k1), float(b)
        self._stemmer = None if stemmer == "none" else stemmer
        stopwords = None if stopwords == "none" else stopwords
        self._stopwords = stopwords if stopwords is None or isinstance(stopwords, str) else sorted(set(stopwords))
        _check_pattern(token_pattern)
        self._token_pattern = token_pattern
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
        tokenizer = self._tokenizer()
        tokens = tokenizer.tokenize(
            passages, update_vocab=True, return_as="tuple", show_progress=False, allow_empty=False
        )
        if not tokens.vocab:
            raise TeacherError(
                f"none of {len(passages)} passages holds a term: all their words are stopwords, or none is found by"
                " token_pattern, which by default passes over single characters; check the texts and these settings"
            )
        retriever = self._retriever()
        retriever.index(tokens, create_empty_token=False, show_progress=False)
        # BM25L and BM25+ raise all passages by one constant a query. Without it the order is the same, and 0 means
        # "no shared term" as it does for the other methods, so that ceilings relative to a score keep their meaning.
        retriever.nonoccurrence_array = None
        return Bm25Index(retriever, tokenizer, len(passages))

    def open_index(self, arrays: Mapping[str, npt.NDArray[Any]], vocabulary: Sequence[str], passages: int) -> Bm25Index:
        """Take up an index that was made before, by a teacher of the same settings.

        Parameters
        ----------
        arrays, vocabulary
            Of :meth:`Bm25Index.arrays` and :meth:`Bm25Index.vocabulary`. The arrays may be memory maps: of the scores,
            only those of a query's terms are read, and not before it comes.
        passages
            How many were indexed.

        Returns
        -------
        An index that gives the scores of the first one, bit for bit.

        Raises
        ------
        TeacherError
            These are not the parts of one index.
        """
        data, indices, indptr = (np.asarray(arrays[name]) for name in _PARTS)
        numbers = {term: number for number, term in enumerate(vocabulary)}
        whole = (
            data.dtype == np.float32
            and indices.dtype.kind == indptr.dtype.kind == "i"
            and indptr.shape == (len(vocabulary) + 1,)
            and data.shape == indices.shape == (indptr[-1],)
            and indptr[0] == 0
            and bool((np.diff(indptr) >= 0).all())
            and len(numbers) == len(vocabulary)
        )
        if not whole:
            raise TeacherError("the parts of the BM25 index do not fit each other; make it again from the passages")
        retriever = self._retriever()
        retriever.scores = {"data": data, "indices": indices, "indptr": indptr, "num_docs": passages}
        retriever.nonoccurrence_array = None
        tokenizer = self._tokenizer()
        if self._stemmer is None:
            tokenizer.word_to_id = numbers
        else:
            tokenizer.stem_to_sid = numbers
        return Bm25Index(retriever, tokenizer, passages)

    def describe(self) -> dict[str, Any]:
        """Everything that changes the scores, ready for JSON."""
        return {
            "kind": "bm25",
            "method": self._method,
            "k1": self._k1,
            "b": self._b,
            "stemmer": self._stemmer,
            "stopwords": self._stopwords,
            "token_pattern": self._token_pattern,
            "bm25s": version("bm25s"),
            "pystemmer": None if self._stemmer is None else version("PyStemmer"),
        }

    def _retriever(self) -> bm25s.BM25:
        return require("bm25s", extra="bm25").BM25(method=self._method, k1=self._k1, b=self._b, backend="numpy")

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
            return tokenization.Tokenizer(splitter=self._token_pattern, stopwords=self._stopwords, stemmer=stemmer)
        except ValueError as error:
            raise TeacherError(f"stopwords: {error}") from error


def _check_pattern(pattern: str) -> None:
    """Refuse what bm25s would take and fail on, or quietly find no words by."""
    named = f"token_pattern {quote(pattern)}"
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise TeacherError(f"{named} is not a regular expression: {error}") from None
    if compiled.groups > 1:
        raise TeacherError(f"{named} has {compiled.groups} groups, of which one could be the word; write (?:...)")
    if compiled.fullmatch(""):
        raise TeacherError(f"{named} matches the empty text; a word has at least one character")


class Bm25Index:
    """A corpus that queries are scored against, made by :meth:`Bm25Teacher.index` or taken up by ``open_index``."""

    def __init__(self, retriever: bm25s.BM25, tokenizer: bm25s.tokenization.Tokenizer, passages: int) -> None:
        self._retriever = retriever
        self._tokenizer = tokenizer
        self._passages = passages

    def __len__(self) -> int:
        return self._passages

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The scores of all terms in all passages, to be stored.

        Returns
        -------
        Three arrays of one dimension that hold the columns of a sparse matrix of passages and terms: "data", the
        scores, float32; "indices", the passages they belong to, int32, ascending within a term; "indptr", int64, where
        each term's begin and the last one's end.
        """
        return {name: self._retriever.scores[name] for name in _PARTS}

    def vocabulary(self) -> list[str]:
        """The terms, stemmed, in the order of the columns: the first is that of ``indptr[0]``."""
        return list(self._tokenizer.get_vocab_dict())

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

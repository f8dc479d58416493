"""BM25: lexical scores, without a model or a download.

BM25 is the classic source of hard negatives. It is still a strong one beside a dense teacher, because the two make
different mistakes (Robertson & Zaragoza 2009; the variants follow Kamphuis et al., ECIR 2020). bm25s computes the score
of every term in every passage when it builds the index; a query then sums the columns of its terms. Indexing takes time
linear in the words of the corpus, and a query in the occurrences of its terms. Its row of scores is as long as the
corpus.

An index consists of three arrays, 8 bytes for each distinct term of each passage, and the list of terms. The arrays can
be memory-mapped from files: a query then reads only the columns of its own terms, and memory only holds the vocabulary.

Prefer a dense teacher if queries and passages use different words for the same thing.
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
# The default of bm25s: words of at least two characters.
_WORD = r"(?u)\b\w\w+\b"
_PARTS = ("data", "indices", "indptr")


class Bm25Teacher:
    """BM25 with its settings; :meth:`index` builds an index of passages.

    Parameters
    ----------
    method
        "lucene", "robertson", "atire", "bm25l" or "bm25+".
    k1
        How slowly the score saturates as a term is repeated, >= 0.
    b
        How strongly long passages are penalised, in [0, 1].
    stemmer
        A Snowball language, such as "english" or "german". None leaves words as they are.
    stopwords
        A language that bm25s has a list for, such as "en" or "de", or the words themselves in lower case. None keeps
        all words.
    token_pattern
        A Python regular expression that finds the words of a lower-cased text. The default finds words of at least two
        characters. If the expression has a group, the group is the word.

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
            raise TeacherError(f"must be one of {', '.join(_METHODS)}, not {quote(str(method))}", argument="method")
        if not (math.isfinite(k1) and k1 >= 0):
            raise TeacherError(f"must be finite and at least 0, not {k1}", argument="k1")
        if not 0 <= b <= 1:
            raise TeacherError(f"must lie in [0, 1], not {b}", argument="b")
        self._method, self._k1, self._b = method, float(k1), float(b)
        self._stemmer = None if stemmer == "none" else stemmer
        stopwords = None if stopwords == "none" else stopwords
        self._stopwords = stopwords if stopwords is None or isinstance(stopwords, str) else sorted(set(stopwords))
        _check_pattern(token_pattern)
        self._token_pattern = token_pattern
        self._tokenizer()  # raises for unknown languages and missing libraries now, not after the corpus has been read

    def index(self, passages: Sequence[str]) -> Bm25Index:
        """Builds an index of passages.

        Parameters
        ----------
        passages
            The texts to score, in order. An empty passage scores 0 for every query.

        Raises
        ------
        TeacherError
            There are no passages, or none of them contains a term.
        """
        tokenizer = self._tokenizer()
        tokens = tokenizer.tokenize(
            passages, update_vocab=True, return_as="tuple", show_progress=False, allow_empty=False
        )
        if not tokens.vocab:
            raise TeacherError(
                f"none of {len(passages)} passages contains a term: all words are stop words, or the pattern of a word,"
                " which by default leaves out single characters, finds none; check the texts, stopwords= and"
                " token_pattern="
            )
        retriever = self._retriever()
        retriever.index(tokens, create_empty_token=False, show_progress=False)
        # BM25L and BM25+ add a constant to all scores of a query. Without it the order is the same, and 0 means "no
        # shared term" as with the other methods, so ceilings relative to a score keep their meaning.
        retriever.nonoccurrence_array = None
        return Bm25Index(retriever, tokenizer, len(passages))

    def open_index(self, arrays: Mapping[str, npt.NDArray[Any]], vocabulary: Sequence[str], passages: int) -> Bm25Index:
        """Opens an index that a teacher with the same settings built before.

        Parameters
        ----------
        arrays, vocabulary
            The results of :meth:`Bm25Index.arrays` and :meth:`Bm25Index.vocabulary`. The arrays may be memory maps: a
            query only reads the scores of its own terms.
        passages
            Number of indexed passages.

        Returns
        -------
        An index that gives the same scores as the original, bit for bit.

        Raises
        ------
        TeacherError
            The arrays and the vocabulary do not belong to one index.
        """
        data, indices, indptr = (np.asarray(arrays[name]) for name in _PARTS)
        term_ids = {term: number for number, term in enumerate(vocabulary)}
        consistent = (
            data.dtype == np.float32
            and indices.dtype.kind == indptr.dtype.kind == "i"
            and indptr.shape == (len(vocabulary) + 1,)
            and data.shape == indices.shape == (indptr[-1],)
            and indptr[0] == 0
            and bool((np.diff(indptr) >= 0).all())
            and len(term_ids) == len(vocabulary)
        )
        if not consistent:
            raise TeacherError("the parts of the BM25 index do not fit each other; build it again from the passages")
        retriever = self._retriever()
        retriever.scores = {"data": data, "indices": indices, "indptr": indptr, "num_docs": passages}
        retriever.nonoccurrence_array = None
        tokenizer = self._tokenizer()
        if self._stemmer is None:
            tokenizer.word_to_id = term_ids
        else:
            tokenizer.stem_to_sid = term_ids
        return Bm25Index(retriever, tokenizer, passages)

    def describe(self) -> dict[str, Any]:
        """Returns everything that changes the scores, ready for JSON."""
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
        """Returns a new tokenizer, because each learns the vocabulary of one corpus."""
        tokenization = require("bm25s.tokenization", extra="bm25")
        stemmer = None
        if self._stemmer is not None:
            snowball = require("Stemmer", extra="bm25")
            try:
                stemmer = snowball.Stemmer(self._stemmer)
            except KeyError:
                known = ", ".join(snowball.algorithms())
                raise TeacherError(f"must be one of {known}, not {quote(self._stemmer)}", argument="stemmer") from None
        try:
            return tokenization.Tokenizer(splitter=self._token_pattern, stopwords=self._stopwords, stemmer=stemmer)
        except ValueError as error:
            raise TeacherError(f"{error}", argument="stopwords") from error


def _check_pattern(pattern: str) -> None:
    """Refuses patterns that bm25s would accept and then fail on, or find no words with."""
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise TeacherError(f"{quote(pattern)} is not a regular expression: {error}", argument="token_pattern") from None
    if compiled.groups > 1:
        raise TeacherError(
            f"{quote(pattern)} has {compiled.groups} groups, but only one can be the word; write (?:...) for the rest",
            argument="token_pattern",
        )
    if compiled.fullmatch(""):
        raise TeacherError(
            f"{quote(pattern)} matches the empty text; a word has at least one character", argument="token_pattern"
        )


class Bm25Index:
    """Passages that queries are scored against, from :meth:`Bm25Teacher.index` or :meth:`Bm25Teacher.open_index`."""

    def __init__(self, retriever: bm25s.BM25, tokenizer: bm25s.tokenization.Tokenizer, passages: int) -> None:
        self._retriever = retriever
        self._tokenizer = tokenizer
        self._passages = passages

    def __len__(self) -> int:
        return self._passages

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the scores of all terms in all passages, for storing.

        Returns
        -------
        Three one-dimensional arrays that form a sparse matrix of passages by terms, column by column. "data" holds the
        scores, float32. "indices" holds the passage of each score, int32, ascending within a term. "indptr" holds the
        start of each term's column and the end of the last one, int64.
        """
        return {name: self._retriever.scores[name] for name in _PARTS}

    def vocabulary(self) -> list[str]:
        """Returns the stemmed terms, in the order of the columns: the column of the first starts at ``indptr[0]``."""
        return list(self._tokenizer.get_vocab_dict())

    def scores(self, queries: Sequence[str]) -> Float32Array:
        """Scores every passage for every query.

        Parameters
        ----------
        queries
            Any number of queries. A term that a query repeats counts each time.

        Returns
        -------
        float32 of shape ``(len(queries), number of passages)``: 0 where no term is shared, never negative. A query's
        row does not depend on the other queries: its terms are added in the order of its words.
        """
        result = np.zeros((len(queries), self._passages), np.float32)
        tokens = self._tokenizer.tokenize(queries, update_vocab=False, show_progress=False, allow_empty=False)
        for row, terms in zip(result, tokens, strict=True):
            if terms:
                row[:] = self._retriever.get_scores_from_ids(terms)
        return result

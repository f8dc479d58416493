"""Vectors or scores in, candidates out. Nothing here knows which of them are negatives."""

from nvmine.search.blocks import Found, Sought, search_blocks
from nvmine.search.exact import ExactSearch
from nvmine.search.faiss import FaissOptions, FaissSearch
from nvmine.search.listed import ListedSearch
from nvmine.search.saved import digests_of, saved_indexes
from nvmine.search.scored import ScoredSearch
from nvmine.search.searcher import Candidates, ExhaustiveSearcher, Searcher, parse_memory, rescore

__all__ = [
    "Candidates",
    "ExactSearch",
    "ExhaustiveSearcher",
    "FaissOptions",
    "FaissSearch",
    "Found",
    "ListedSearch",
    "ScoredSearch",
    "Searcher",
    "Sought",
    "digests_of",
    "parse_memory",
    "rescore",
    "saved_indexes",
    "search_blocks",
]

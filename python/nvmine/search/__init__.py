"""Searches for the passages that score best with a query. Nothing here knows which of them are negatives."""

from nvmine.search.blocks import BoundedResult, Target, search_blocks
from nvmine.search.exact import ExactSearch
from nvmine.search.faiss import FaissSearch
from nvmine.search.listed import ListedSearch
from nvmine.search.saved import FaissOptions, digests_of, saved_indexes
from nvmine.search.scored import ScoredSearch
from nvmine.search.searcher import ExhaustiveSearcher, Searcher, SearchResult, parse_memory, rescore

__all__ = [
    "BoundedResult",
    "ExactSearch",
    "ExhaustiveSearcher",
    "FaissOptions",
    "FaissSearch",
    "ListedSearch",
    "ScoredSearch",
    "SearchResult",
    "Searcher",
    "Target",
    "digests_of",
    "parse_memory",
    "rescore",
    "saved_indexes",
    "search_blocks",
]

"""Vectors or scores in, candidates out. Nothing here knows which of them are negatives."""

from nvmine.search.exact import ExactSearch
from nvmine.search.faiss import FaissSearch
from nvmine.search.scored import ScoredSearch
from nvmine.search.searcher import Candidates, ExhaustiveSearcher, Searcher, parse_memory

__all__ = ["Candidates", "ExactSearch", "ExhaustiveSearcher", "FaissSearch", "ScoredSearch", "Searcher", "parse_memory"]

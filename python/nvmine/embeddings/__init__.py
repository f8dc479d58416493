"""Vectors in, negatives out: the search and the rule in one, without a run folder."""

from nvmine.embeddings.mine import mine_embeddings

__all__ = ["mine_embeddings"]

"""Mines negatives from vectors: search and rule in one call, without a run folder."""

from nvmine.embeddings.mine import mine_embeddings

__all__ = ["mine_embeddings"]

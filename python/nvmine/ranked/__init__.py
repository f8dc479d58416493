"""Files of ranked lists to a file of negatives, without texts."""

from nvmine.ranked.mine import MinedFile, mine_ranked

__all__ = ["MinedFile", "mine_ranked"]

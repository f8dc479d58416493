"""The rule for Polars tables: ``mine`` is an expression on List columns, ``mine_long`` takes one row per candidate.

Both are lazy, stream out of core, and give the results of :func:`nvmine.mine`.
"""

from nvmine.polars.expression import mine
from nvmine.polars.long import mine_long

__all__ = ["mine", "mine_long"]

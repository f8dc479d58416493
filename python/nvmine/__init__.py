"""nvmine: exact, reproducible hard-negative mining for text retrievers.

The list of public names; each is documented where it is defined. Importing nvmine loads neither torch nor polars.
"""

from nvmine._core import VERSION as __version__
from nvmine.audit import Audit
from nvmine.errors import NvmineError
from nvmine.mining import mine
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.run import Run, mine_dataset, open_run

__all__ = ["Audit", "Negatives", "NvmineError", "Policy", "Run", "__version__", "mine", "mine_dataset", "open_run"]

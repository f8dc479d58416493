"""nvmine: exact, reproducible hard-negative mining for text retrievers.

The list of public names; each is documented where it is defined. What works on arrays needs numpy alone; what works on
texts is loaded when it is first asked for. Importing nvmine loads neither torch nor polars.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nvmine._core import VERSION as __version__  # noqa: N811
from nvmine.audit import Audit
from nvmine.ensemble import ensemble, jaccard, jaccard_matrix
from nvmine.errors import NvmineError
from nvmine.mining import mine
from nvmine.negatives import Negatives
from nvmine.policy import Policy
from nvmine.shingles import Shingles

if TYPE_CHECKING:
    from nvmine import polars
    from nvmine.embeddings import mine_embeddings
    from nvmine.polars.ranked import MinedFile, mine_ranked
    from nvmine.run import Run, ensemble_runs, filter_run, judge_run, mine_dataset, open_run
    from nvmine.run.agreement import agreement

__all__ = [
    "Audit",
    "MinedFile",
    "Negatives",
    "NvmineError",
    "Policy",
    "Run",
    "Shingles",
    "__version__",
    "agreement",
    "ensemble",
    "ensemble_runs",
    "filter_run",
    "jaccard",
    "jaccard_matrix",
    "judge_run",
    "mine",
    "mine_dataset",
    "mine_embeddings",
    "mine_ranked",
    "open_run",
    "polars",
]


def __getattr__(name: str) -> Any:
    if name in ("Run", "agreement", "ensemble_runs", "filter_run", "judge_run", "mine_dataset", "open_run"):
        return getattr(import_module("nvmine.run"), name)
    if name in ("MinedFile", "mine_ranked"):
        return getattr(import_module("nvmine.polars.ranked"), name)
    if name == "mine_embeddings":
        return import_module("nvmine.embeddings").mine_embeddings
    if name == "polars":
        return import_module("nvmine.polars")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""nvmine: exact, reproducible hard-negative mining for text retrievers.

This module lists the public names; each is documented where it is defined. Functions on arrays need numpy alone.
Everything else is loaded on first use, so importing nvmine loads neither torch nor polars.
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
    from nvmine import judges, polars, teachers
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
    "judges",
    "mine",
    "mine_dataset",
    "mine_embeddings",
    "mine_ranked",
    "open_run",
    "polars",
    "teachers",
]

# The module that each remaining public name is, or is defined in. It is imported when the name is first used.
_MODULES = {
    "MinedFile": "nvmine.polars.ranked",
    "Run": "nvmine.run",
    "agreement": "nvmine.run",
    "ensemble_runs": "nvmine.run",
    "filter_run": "nvmine.run",
    "judge_run": "nvmine.run",
    "judges": "nvmine.judges",
    "mine_dataset": "nvmine.run",
    "mine_embeddings": "nvmine.embeddings",
    "mine_ranked": "nvmine.polars.ranked",
    "open_run": "nvmine.run",
    "polars": "nvmine.polars",
    "teachers": "nvmine.teachers",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_MODULES[name])
    return module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)

"""How far teachers agree: the Jaccard similarity of their negatives, from finished runs.

After Table 6 of NV-Retriever (arXiv 2407.15831v2), whose four teachers agree on less than a third of their negatives.
Teachers that agree on little add the most to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from nvmine.errors import RunError
from nvmine.inputs.numbers import whole_number
from nvmine.run.store.folder import Run


def agreement(runs: Sequence[Run | str | Path], *, top: int = 4) -> pl.DataFrame:
    """Returns the agreement of every two teachers: the mean of ``|A ∩ B| / |A ∪ B|`` over queries, for their negatives.

    Parameters
    ----------
    runs
        Finished runs of the same data, or their folders; an ensemble takes part by its members.
    top
        Number of negatives to compare, from the best; at least 1.

    Returns
    -------
    One row per teacher: the column `teacher`, then a column named after each teacher, in [0, 1], 1 on the diagonal;
    null if neither of the two has a negative for any query. Queries that only one of the two has a result for do not
    count, nor do such pairs where each positive is an anchor. :func:`nvmine.jaccard_matrix` does the same for arrays.

    Raises
    ------
    RunError
        A run is not finished, was mined from other data, or only some have ``anchor="each"``.
    PolicyError
        `top` is not a whole number of at least 1.

    Examples
    --------
    >>> import nvmine
    >>> nvmine.agreement(["e5", "bm25"]).columns
    ['teacher', 'e5', 'bm25']
    """
    sources = [member for run in runs for member in Run.of(run).taking_part()]
    most = whole_number("top", top, np.iinfo(np.int32).max)
    for source in sources[1:]:
        sources[0].require_same_data(source)
    if len({source.policy.anchor == "each" for source in sources}) > 1:
        message = "has a result a positive, others a result a query; mine all runs with the same anchor"
        raise RunError(message, path=sources[0].path)
    names = _names(sources)
    flat = [_first(source, most) for source in sources]
    means = [[_mean_jaccard(a, b) for b in flat] for a in flat]
    return pl.DataFrame(
        {"teacher": names} | dict(zip(names, means, strict=True)),
        schema={"teacher": pl.String} | dict.fromkeys(names, pl.Float64),
    )


def agreement_text(table: pl.DataFrame) -> str:
    """Returns the table as text for a terminal."""
    width = max(map(len, table.columns))
    lines = ["  ".join(f"{name:>{width}}" for name in ["", *table.columns[1:]])]
    for name, *values in table.iter_rows():
        shown = ("-" if value is None else f"{value:.3f}" for value in values)
        lines.append("  ".join(f"{cell:>{width}}" for cell in [name, *shown]))
    return "\n".join(lines)


def _names(runs: Sequence[Run]) -> list[str]:
    """Returns the teachers' names, with a number where a name is taken."""
    names, taken = [], {"teacher"}
    for run in runs:
        name, number = run.manifest.teacher.name, 2
        while name in taken:
            name, number = f"{run.manifest.teacher.name} {number}", number + 1
        names.append(name)
        taken.add(name)
    return names


def _first(run: Run, top: int) -> pl.DataFrame:
    """Returns the first negatives of every result."""
    key = ["query_id", "positive_id"] if run.policy.anchor == "each" else ["query_id"]
    results = run.scan_negatives().unique(key, keep="first")
    return results.select(
        pl.concat_str(key, separator="\0").alias("key"), pl.col("negative_ids").list.head(top)
    ).collect()


def _mean_jaccard(a: pl.DataFrame, b: pl.DataFrame) -> float | None:
    both = a.join(b, on="key", suffix="_b")
    common = pl.col("negative_ids").list.set_intersection("negative_ids_b").list.len()
    union = pl.col("negative_ids").list.set_union("negative_ids_b").list.len()
    shares = both.select(common.alias("common"), union.alias("union")).filter(pl.col("union") > 0)
    mean = shares.select((pl.col("common") / pl.col("union")).mean()).item()
    return None if mean is None else float(mean)

"""``mine``: the rule as a Polars expression on List columns, one row per query.

The expression runs in the compiled core, like Polars' own operations and without the interpreter, in memory or
streamed out of core. The results are those of :func:`nvmine.mine`, byte for byte, however Polars splits the data.

Polars passes on only the text of a plugin's exception. An error that :func:`nvmine.mine` raises as ``ScoreError``
arrives as ``polars.exceptions.ComputeError``; its message begins with the class and names the query by its id.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import polars as pl
from polars.plugins import register_plugin_function

from nvmine import _core
from nvmine.errors import PolicyError
from nvmine.policy import Policy, PolicyFields, takes_policy_fields

if TYPE_CHECKING:
    from polars._typing import IntoExpr

__all__ = ["mine"]


@takes_policy_fields
def mine(
    scores: IntoExpr,
    pos_scores: IntoExpr,
    *,
    ids: IntoExpr | None = None,
    pos_ids: IntoExpr | None = None,
    query_ids: IntoExpr | None = None,
    exclude_ids: IntoExpr | None = None,
    policy: Policy | None = None,
    **fields: Unpack[PolicyFields],
) -> pl.Expr:
    """Picks the hard negatives of every query from its scored candidates, as an elementwise expression.

    Parameters
    ----------
    scores
        List or Array column of Float16, Float32 or Float64: scores of the candidates, higher is closer. A null is NaN.
        Every column is given by its name or as an expression.
    pos_scores
        Scores of the positives by the same teacher: a List or Array column, or a column with one score per row.
    ids
        List or Array column of Int32, Int64, UInt32 or UInt64: the passage ids of the candidates, one for each score.
        Default: the position in the list. A null, a negative id or the maximum of an unsigned type is padding.
    pos_ids, exclude_ids
        Ids that are never emitted: a column like `ids`, or one with one id per row.
    query_ids
        Column of whole numbers or strings: keys of the random draws, and names in messages. Required for every
        `sampling` but ``top``, because Polars works on pieces of a frame, in which a row number identifies nothing.
    policy
        The whole rule; or pass its fields as keywords, see :class:`nvmine.Policy`. ``anchor="each"`` changes the number
        of rows, which an elementwise expression cannot do: explode `pos_scores` first, and keep `pos_ids` a list.
    **fields
        The fields of a policy, if `policy` is not given.

    Returns
    -------
    polars.Expr
        A Struct, named like `scores`, with the fields `negative_ids`, List(Int64), and `negative_scores`, List(Float32)
        or, for Float64 scores, List(Float64), both best first; `candidates`, UInt32; and `rejected`, a Struct with a
        UInt32 count for each reason in ``nvmine.audit.REASONS``. A null list of scores has no negatives.

    Raises
    ------
    PolicyError
        A field of the policy is wrong; or it has ``anchor="each"``, `near_duplicate`, or a `sampling` other than
        ``top`` without `query_ids`.
    polars.exceptions.ComputeError
        When the schema is resolved: a column does not hold scores or ids. When the data are processed: the numbers of
        ids and scores in a row differ, or :func:`nvmine.mine` would refuse the row.

    Examples
    --------
    >>> import polars as pl
    >>> import nvmine.polars
    >>> frame = pl.DataFrame({"scores": [[0.91, 0.84, 0.62, 0.40], [0.30, 0.75]], "positive": [0.90, 0.79]})
    >>> mined = frame.select(nvmine.polars.mine("scores", "positive", method="margin", margin=0.05, n=2))
    >>> mined.unnest("scores")["negative_ids"].to_list()
    [[1, 2], [0]]
    """
    chosen = Policy.of(policy, fields)
    if chosen.anchor == "each":
        raise PolicyError(
            "'each' gives one row per positive, but an expression cannot change the number of rows; explode pos_scores "
            "first, keep pos_ids a list, and use 'min'",
            argument="anchor",
        )
    refuse_texts(chosen)
    if chosen.sampling != "top" and query_ids is None:
        raise PolicyError(
            f"{chosen.sampling!r} needs a key for each query, and row numbers change with the pieces of a frame; pass "
            "query_ids",
            argument="sampling",
        )
    given = {
        "scores": scores,
        "pos_scores": pos_scores,
        "ids": ids,
        "pos_ids": pos_ids,
        "query_ids": query_ids,
        "exclude_ids": exclude_ids,
    }
    columns = {role: column for role, column in given.items() if column is not None}
    lines = {"columns": " ".join(columns), **chosen.resolved()}
    return register_plugin_function(
        plugin_path=Path(_core.__file__),
        function_name="mine",
        args=list(columns.values()),
        kwargs={"call": "\n".join(f"{name}={value}" for name, value in lines.items())},
        is_elementwise=True,
    )


def refuse_texts(policy: Policy) -> None:
    """Refuses a policy that compares texts, for callers that have only scores.

    Raises
    ------
    PolicyError
        The policy sets `near_duplicate`.
    """
    if policy.near_duplicate is not None:
        raise PolicyError(
            "compares texts, but there are only scores here; mine the texts themselves with nvmine.mine_dataset, "
            "which is `nvmine mine DATA`, or give nvmine.mine the texts of the passages",
            argument="near_duplicate",
        )

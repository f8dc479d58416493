"""The same rule as a Polars expression: ``mine`` on List columns, a row a query.

It runs in the compiled core, beside Polars' own operations and without the interpreter, in memory or streamed out of
core. The results are those of :func:`nvmine.mine`, byte for byte, however Polars cuts the data into pieces.

Polars passes on no exception of a plugin but its text: what :func:`nvmine.mine` raises as ``ScoreError`` arrives as
``polars.exceptions.ComputeError``, the class named first in the message and the query by its id.
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
    """Picks the hard negatives of every row's query from its scored candidates, as an elementwise expression.

    Parameters
    ----------
    scores
        List or Array column of Float16, Float32 or Float64: the candidates' scores, higher is closer. A null is NaN.
        Here and below, a name or an expression.
    pos_scores
        Scores of the positives by the same teacher: a List or Array column, or one score a row.
    ids
        List or Array column of Int32, Int64, UInt32 or UInt64 with an id for each score: which passages they are.
        Default: the place in the list. A null, a negative id or the maximum of an unsigned type is padding.
    pos_ids, exclude_ids
        Like `ids`, or one id a row: never emitted.
    query_ids
        Column of whole numbers or strings: keys of the draws, and names in messages. Must be given for any `sampling`
        but ``top``: Polars works on pieces of a frame, in which the number of a row says nothing.
    policy
        The whole rule; or give its fields as keywords, see :class:`nvmine.Policy`. ``anchor="each"`` changes the number
        of rows, which no elementwise expression can: explode `pos_scores` before, with `pos_ids` left a list.
    **fields
        The fields of a policy, where `policy` is not given.

    Returns
    -------
    polars.Expr
        A Struct, named like `scores`, with the fields `negative_ids`, List(Int64), and `negative_scores`, List(Float32)
        or List(Float64) for Float64 scores, best first; `candidates`, UInt32; `rejected`, a Struct with the count of
        each reason in ``nvmine.audit.REASONS``, UInt32. A null list of scores has no negatives.

    Raises
    ------
    PolicyError
        A field of the policy is wrong, ``anchor="each"``, `near_duplicate`, or a `sampling` without
        `query_ids`.
    polars.exceptions.ComputeError
        When the schema is resolved: a column holds something else than scores and ids. When the data are: a row has
        another number of ids than scores, or what :func:`nvmine.mine` refuses.

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
            "'each' gives a row a positive, an expression a row a row; explode pos_scores before, leave pos_ids a "
            "list, and use 'min'",
            argument="anchor",
        )
    refuse_texts(chosen)
    if chosen.sampling != "top" and query_ids is None:
        raise PolicyError(
            f"{chosen.sampling!r} draws by the query's key: give query_ids; the number of a row in a piece of the "
            "frame is no key",
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
    """Refuses a policy that compares texts, where there are only scores.

    Raises
    ------
    PolicyError
        It has `near_duplicate`.
    """
    if policy.near_duplicate is not None:
        raise PolicyError(
            "compares texts, and here are none; use nvmine.mine with passage_texts, or nvmine.mine_dataset",
            argument="near_duplicate",
        )

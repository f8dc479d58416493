"""What comes back, as arrays, as tables and by the Arrow interface; and the account of every candidate."""

from __future__ import annotations

import dataclasses
import math
import pickle
from typing import Any

import numpy as np
import polars as pl
import pytest

import nvmine
from nvmine import Audit, Negatives
from nvmine.audit import REASONS
from nvmine.errors import InternalError

SCORES = np.array([[0.9, 0.5, 0.25], [0.5, math.nan, 0.75], [0.9, 0.9, 0.9]], np.float32)
POSITIVES = np.array([0.75, 1.0, 0.5], np.float32)


@pytest.fixture
def negatives() -> Negatives:
    """Full, short of one and empty."""
    return nvmine.mine(SCORES, POSITIVES, method="margin", margin=0.1, n=2, pos_ids=[2, -1, 0])


def test_results_are_arrays_with_the_stated_types(negatives: Negatives) -> None:
    assert negatives.ids.tolist() == [[1, -1], [2, 0], [-1, -1]]
    np.testing.assert_array_equal(negatives.scores, [[0.5, np.nan], [0.75, 0.5], [np.nan, np.nan]])
    assert negatives.counts.tolist() == [1, 2, 0]
    assert negatives.ceilings.tolist() == [0.65, 0.9, 0.4]
    assert negatives.queries.tolist() == [0, 1, 2]
    assert negatives.positives.tolist() == [-1, -1, -1]
    assert negatives.ranks is None
    types = {name: getattr(negatives, name).dtype for name in ("ids", "scores", "counts", "ceilings", "queries")}
    assert types == {"ids": "i8", "scores": "f4", "counts": "i8", "ceilings": "f8", "queries": "i8"}


def test_length_and_repr_count_rows_and_negatives(negatives: Negatives) -> None:
    assert len(negatives) == 3
    assert repr(negatives) == "Negatives(3 rows, n=2, 3 negatives, 2 short)"


def test_each_positive_has_a_row() -> None:
    result = nvmine.mine(
        SCORES, [[1.0, 0.5], [0.75], [2.0]], method="margin", margin=0.0, anchor="each", n=3, ranks=True
    )
    assert result.queries.tolist() == [0, 0, 1, 2]
    assert result.positives.tolist() == [0, 1, 0, 0]
    assert result.ids.tolist() == [[0, 1, 2], [2, -1, -1], [0, -1, -1], [0, 1, 2]]
    assert result.ranks is not None
    assert result.ranks.tolist() == [[1, 2, 3], [3, 0, 0], [2, 0, 0], [1, 2, 3]]
    assert result.ceilings.tolist() == [1.0, 0.5, 0.75, 2.0]
    frame = result.to_polars()
    assert frame["query"].to_list() == [0, 0, 1, 2]
    assert frame["positive"].to_list() == [0, 1, 0, 0]


def test_to_polars_has_a_row_a_result_with_its_account(negatives: Negatives) -> None:
    frame = negatives.to_polars()
    assert frame.schema == {
        "query": pl.Int64,
        "positive": pl.Int64,
        "negative_ids": pl.List(pl.Int64),
        "negative_scores": pl.List(pl.Float32),
        "candidates": pl.Int64,
        "rejected": pl.Struct(dict.fromkeys(REASONS, pl.Int64)),
    }
    assert frame["query"].to_list() == [0, 1, 2]
    assert frame["negative_ids"].to_list() == [[1], [2, 0], []]
    assert frame["negative_scores"].to_list() == [[0.5], [0.75, 0.5], []]
    assert frame["candidates"].to_list() == [3, 3, 3]
    nothing = dict.fromkeys(REASONS, 0)
    assert frame["rejected"].to_list() == [
        nothing | {"positive": 1, "ceiling": 1},
        nothing | {"not_finite": 1},
        nothing | {"positive": 1, "ceiling": 2},
    ]


@pytest.mark.parametrize("shape", [(0, 5), (0, 0), (4, 0)])
def test_tables_of_nothing_have_the_same_columns(shape: tuple[int, int], negatives: Negatives) -> None:
    empty = nvmine.mine(np.empty(shape, np.float32), np.ones(shape[0]), n=2)
    assert empty.ids.shape == (shape[0], 2)
    frame = empty.to_polars()
    assert frame.schema == negatives.to_polars().schema
    assert frame["negative_ids"].to_list() == [[]] * shape[0]


def test_to_arrow_holds_the_rows_of_to_polars(negatives: Negatives) -> None:
    arrow = pytest.importorskip("pyarrow")
    table = negatives.to_arrow()
    assert isinstance(table, arrow.Table)
    assert table.to_pylist() == negatives.to_polars().to_dicts()


def test_anything_that_reads_arrow_reads_it(negatives: Negatives) -> None:
    assert pl.DataFrame(negatives).equals(negatives.to_polars())


def test_pyarrow_reads_it(negatives: Negatives) -> None:
    arrow = pytest.importorskip("pyarrow")
    assert arrow.table(negatives).to_pylist() == negatives.to_polars().to_dicts()


def test_results_cannot_be_replaced(negatives: Negatives) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        negatives.ids = np.zeros((3, 2))  # type: ignore[misc]


def test_results_are_pickled(negatives: Negatives) -> None:
    again = pickle.loads(pickle.dumps(negatives))
    for field in ("ids", "scores", "counts", "ceilings", "queries", "positives"):
        np.testing.assert_array_equal(getattr(again, field), getattr(negatives, field))
    assert again.audit.total == negatives.audit.total


def test_audit_totals_count_every_candidate_once(negatives: Negatives) -> None:
    audit = negatives.audit
    assert audit.total == {"candidates": 9, "emitted": 3, "not_finite": 1, "positive": 2, "ceiling": 3}
    assert audit.by_reason["ceiling"].tolist() == [1, 0, 2]
    assert list(audit.by_reason) == list(REASONS)
    assert audit.emitted.tolist() == negatives.counts.tolist()
    audit.check()


def test_audit_as_text_shows_counts_and_shares(negatives: Negatives) -> None:
    lines = str(negatives.audit).splitlines()
    assert lines[0].split() == ["candidates", "9", "100.00%"]
    assert lines[-1].split() == ["ceiling", "3", "33.33%"]
    assert len({len(line) for line in lines}) == 1


def test_audit_of_nothing_is_zero() -> None:
    audit = nvmine.mine(np.empty((0, 3)), []).audit
    audit.check()
    assert audit.total == {"candidates": 0, "emitted": 0}
    assert str(audit).splitlines()[0].split() == ["candidates", "0", "0.00%"]


@pytest.mark.parametrize("column", range(len(REASONS)), ids=REASONS)
def test_a_broken_account_is_found(column: int, negatives: Negatives) -> None:
    rejected = negatives.audit.rejected.copy()
    rejected[1, column] += 1
    broken = Audit(negatives.audit.candidates, negatives.audit.emitted, rejected)
    with pytest.raises(InternalError) as caught:
        broken.check()
    assert caught.value.row == 1


EVERY_REASON: dict[str, dict[str, Any]] = {
    "padding": {"ids": [[-1, 1, 2]]},
    "not_finite": {"scores": [[math.nan, 0.2, 0.1]]},
    "positive": {"pos_ids": [0]},
    "duplicate": {"ids": [[1, 1, 2]]},
    "no_anchor": {"pos_scores": [[]], "on_missing": "skip"},
    "ceiling": {"scores": [[0.6, 0.2, 0.1]]},
    "floor": {"min_score": 0.15},
    "shifted": {"shift": 1},
    "beyond_pool": {"pool": 2},
    "not_sampled": {"n": 2},
    "dropped": {"n": 4, "on_short": "drop"},
}


@pytest.mark.parametrize(("reason", "change"), EVERY_REASON.items(), ids=EVERY_REASON)
def test_each_reason_is_counted_under_its_name(reason: str, change: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"scores": [[0.3, 0.2, 0.1]], "pos_scores": [[0.5]], "percentage": 1.0, "n": 1}
    if reason in ("padding", "not_finite", "positive", "duplicate", "ceiling", "floor", "shifted", "beyond_pool"):
        arguments["n"] = 2
    total = nvmine.mine(**(arguments | change)).audit.total
    assert total.pop("candidates") == 3
    assert total.pop("emitted") + sum(total.values()) == 3
    assert total[reason] == {"no_anchor": 3, "dropped": 3}.get(reason, 1)


def test_reasons_come_in_the_order_of_the_rule() -> None:
    """A candidate that several reasons would reject is counted under the first."""
    scores = [[math.nan, math.nan, 0.9, 0.9, 0.9, 0.1]]
    ids = [[-1, 7, 7, 8, 8, 9]]
    audit = nvmine.mine(scores, [0.5], ids=ids, pos_ids=[7], min_score=0.3).audit
    assert audit.total == {
        "candidates": 6,
        "emitted": 0,
        "padding": 1,
        "not_finite": 1,
        "positive": 1,
        "duplicate": 1,
        "ceiling": 1,
        "floor": 1,
    }

"""Equal bytes whatever the threads, batches, layout and order of candidates; forks, Ctrl-C and sizes past 32 bits."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given

import nvmine

QUERIES, CANDIDATES = 1100, 24
POLICIES: dict[str, dict[str, Any]] = {
    "top": {"n": 3},
    "top_of_each_positive": {"n": 3, "anchor": "each"},
    "mean_and_short_ones_dropped": {"n": 8, "anchor": "mean", "on_short": "drop"},
    "uniform": {"n": 3, "sampling": "uniform", "first": 1, "pool": "all"},
    "softmax": {"n": 3, "sampling": "softmax", "temperature": 0.1},
    "simans": {"n": 3, "sampling": "simans", "simans_a": 5.0, "anchor": "max"},
    "bins": {"n": 3, "sampling": "bins", "bins": 4, "shift": 1},
    "near": {"n": 3, "near_duplicate": 0.4, "anchor": "each", "on_short": "drop"},
    "near_uniform": {"n": 3, "near_duplicate": 0.4, "sampling": "uniform", "pool": 5, "shift": 1},
}
each_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


class Batch:
    """Queries whose candidates hold ties, duplicates, sentinels, NaN and passages of one text."""

    def __init__(self, seed: int, queries: int = QUERIES) -> None:
        random = np.random.default_rng(seed)
        shape = (queries, CANDIDATES)
        self.scores = random.integers(-8, 9, shape).astype(np.float32) / 8
        self.scores[random.random(shape) < 0.03] = np.nan
        self.scores[random.random(shape) < 0.03] = -np.inf
        # A positive zero only: see test_the_sign_of_a_zero_does_not_show.
        self.scores += np.float32(0)
        self.ids = random.integers(-1, 40, shape)
        self.identity = random.integers(0, 35, 40)
        self.positives = [random.choice([0.9, 0.75, 0.5, 0.1], random.integers(1, 4)) for _ in range(queries)]
        self.pos_ids = [random.integers(0, 40, 2) for _ in range(queries)]
        self.texts = [" ".join(random.choice(list("abcdef"), random.integers(0, 6))) for _ in range(40)]
        self.own = [self.texts[row] for row in random.integers(0, 40, queries)]
        self.keys = np.array([f"query {row}" for row in range(queries)])

    def arguments(self, rows: slice = slice(None)) -> dict[str, Any]:
        return {
            "scores": self.scores[rows],
            "pos_scores": self.positives[rows],
            "ids": self.ids[rows],
            "pos_ids": self.pos_ids[rows],
            "query_ids": self.keys[rows],
            "identity": self.identity,
            "passage_texts": self.texts,
            "query_texts": self.own[rows],
            "ranks": True,
        }


def as_bytes(*parts: nvmine.Negatives) -> list[bytes]:
    """Every array of the results, one part after the other."""
    names = ("ids", "scores", "counts", "ceilings", "positives", "ranks")
    arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    audits = [np.concatenate([getattr(part.audit, name) for part in parts]) for name in ("candidates", "rejected")]
    return [array.tobytes() for array in arrays + audits]


@each_policy
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_threads_change_no_byte(policy: dict[str, Any], threads: int) -> None:
    batch = Batch(1)
    expected = nvmine.mine(**batch.arguments(), **policy)
    assert 0 < expected.counts.sum() < expected.ids.size
    assert as_bytes(nvmine.mine(**batch.arguments(), **policy, threads=threads)) == as_bytes(expected)


@each_policy
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_batches_change_no_byte(policy: dict[str, Any], size: int) -> None:
    batch = Batch(2)
    parts = [nvmine.mine(**batch.arguments(slice(start, start + size)), **policy) for start in range(0, QUERIES, size)]
    assert as_bytes(*parts) == as_bytes(nvmine.mine(**batch.arguments(), **policy))


@each_policy
@given(seed=st.integers(0, 2**32))
def test_the_order_of_candidates_changes_no_byte(policy: dict[str, Any], seed: int) -> None:
    batch = Batch(seed, queries=40)
    expected = nvmine.mine(**batch.arguments(), **policy)
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(CANDIDATES), (40, 1)), axis=1)
    batch.scores = np.take_along_axis(batch.scores, order, axis=1)
    batch.ids = np.take_along_axis(batch.ids, order, axis=1)
    assert as_bytes(nvmine.mine(**batch.arguments(), **policy)) == as_bytes(expected)


@pytest.mark.parametrize("scores", [(0.0, -0.0), (-0.0, 0.0)])
def test_the_sign_of_a_zero_does_not_show(scores: tuple[float, float]) -> None:
    """Both zeros are one score, so which of two duplicates stays must not show."""
    result = nvmine.mine(np.array([scores]), np.array([1.0]), ids=np.array([[5, 5]]), n=1)
    assert result.scores.tobytes() == np.float64(0.0).tobytes()


@each_policy
@given(seed=st.integers(0, 2**32))
def test_the_order_of_positives_changes_no_byte(policy: dict[str, Any], seed: int) -> None:
    batch = Batch(seed, queries=40)
    if policy.get("anchor") == "each":
        # One row per positive: turned round, the rows of a query turn round.
        batch.positives = [scores[:1] for scores in batch.positives]
    expected = nvmine.mine(**batch.arguments(), **policy)
    batch.positives = [scores[::-1] for scores in batch.positives]
    batch.pos_ids = [ids[::-1] for ids in batch.pos_ids]
    assert as_bytes(nvmine.mine(**batch.arguments(), **policy)) == as_bytes(expected)


LAYOUTS: dict[str, Any] = {
    "fortran": np.asfortranarray,
    "every_other_column": lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
    "backwards": lambda rows: rows[::-1, ::-1].copy()[::-1, ::-1],
    "big_endian": lambda rows: rows.astype(rows.dtype.newbyteorder(">")),
    "list_of_arrays": list,
    "object_array": lambda rows: pl.Series(list(rows)).to_numpy(),
    "list_column": lambda rows: pl.Series(list(rows)),
    "array_column": lambda rows: pl.Series(rows),
}


@each_policy
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_change_no_byte(policy: dict[str, Any], layout: Any) -> None:
    batch = Batch(3, queries=300)
    expected = nvmine.mine(**batch.arguments(), **policy)
    arguments = batch.arguments() | {"scores": layout(batch.scores), "ids": layout(batch.ids)}
    assert as_bytes(nvmine.mine(**arguments, **policy)) == as_bytes(expected)


@each_policy
def test_ragged_rows_are_dense_rows_without_their_padding(policy: dict[str, Any]) -> None:
    batch = Batch(4, queries=300)
    lengths = np.random.default_rng(4).integers(0, CANDIDATES + 1, 300)
    batch.ids[np.arange(CANDIDATES) >= lengths[:, None]] = -1
    dense = nvmine.mine(**batch.arguments(), **policy)
    held = batch.ids >= 0
    arguments = batch.arguments() | {
        "scores": [row[keep] for row, keep in zip(batch.scores, held, strict=True)],
        "ids": [row[keep] for row, keep in zip(batch.ids, held, strict=True)],
    }
    ragged = nvmine.mine(**arguments, **policy)
    for name in ("ids", "scores", "counts", "ceilings", "ranks"):
        assert getattr(ragged, name).tobytes() == getattr(dense, name).tobytes()
    padding = dense.audit.by_reason["padding"]
    assert np.array_equal(ragged.audit.candidates, dense.audit.candidates - padding)
    assert np.array_equal(ragged.audit.rejected[:, 1:], dense.audit.rejected[:, 1:])


def test_input_is_left_alone() -> None:
    batch = Batch(5, queries=100)
    arguments = batch.arguments()
    before = {name: np.copy(arguments[name]) for name in ("scores", "ids", "identity")}
    for array in (batch.scores, batch.ids, batch.identity):
        array.flags.writeable = False
    nvmine.mine(**arguments, n=3)
    for name, copy in before.items():
        np.testing.assert_array_equal(arguments[name], copy)


FORK = """
import os, signal, sys
import numpy as np, nvmine

scores, positives = np.random.default_rng(0).random((3000, 50)), np.ones(3000)
parent = nvmine.mine(scores, positives, threads=4).ids.tobytes()
child = os.fork()
if child == 0:
    signal.alarm(30)  # A pool that hangs ends by a signal.
    same = nvmine.mine(scores, positives, threads=4).ids.tobytes() == parent
    os._exit(0 if same else 1)
status = os.waitpid(child, 0)[1]
assert nvmine.mine(scores, positives, threads=4).ids.tobytes() == parent
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="needs POSIX")
def test_a_forked_child_mines() -> None:
    # In a process of its own: forking one that has threads is warned about, and pytest's may hold locks.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], timeout=100, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# Queries, candidates and positives. The core looks for signals after every 2**24 cells; these are five blocks and more.
INTERRUPTIBLE: dict[str, tuple[tuple[int, int], int]] = {
    "many_rows": ((1700, 50_000), 1),
    "a_row_a_positive": ((20, 10_000), 500),
}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX")
@pytest.mark.parametrize(("shape", "positives"), INTERRUPTIBLE.values(), ids=INTERRUPTIBLE)
def test_ctrl_c_is_answered_before_the_work_is_done(
    shape: tuple[int, int], positives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals arrive all the time. The core answers several within one call, and the third ends the call."""
    scores = np.broadcast_to(np.linspace(0, 1, shape[1], dtype=np.float16), shape).copy()
    anchors = np.tile(np.linspace(0.5, 2, positives), (shape[0], 1))
    core, events = nvmine._core.mine, []

    def watched(*arguments: Any, **options: Any) -> Any:
        events.append("begun")
        found = core(*arguments, **options)
        events.append("done")
        return found

    def answer(*_: object) -> None:
        if events:
            events.append("answered")
        if events.count("answered") == 3:
            signal.setitimer(signal.ITIMER_PROF, 0)
            raise KeyboardInterrupt

    monkeypatch.setattr(nvmine._core, "mine", watched)
    # Processor time, so that a busy machine changes nothing. A callback of the garbage collector would swallow the
    # interrupt if it came just then.
    before = signal.signal(signal.SIGPROF, answer)
    gc.disable()
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        with pytest.raises(KeyboardInterrupt):
            nvmine.mine(scores, anchors, threads=1, anchor="each")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        gc.enable()
    assert events[:4] == ["begun", "answered", "answered", "answered"]
    assert "done" not in events


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_more_than_two_to_the_31_cells(tmp_path: Path) -> None:
    """A sparse file of 4 GiB, which takes no room on most file systems."""
    columns = 1024
    rows = 2**31 // columns + 7
    scores = np.memmap(tmp_path / "scores", np.float16, "w+", shape=(rows, columns))
    for row, column in ((0, 3), (rows // 2, 500), (rows - 8, 7), (rows - 7, 9), (rows - 1, columns - 1)):
        scores[row, column] = 0.5
    result = nvmine.mine(scores, np.ones(rows, np.float32), n=1)
    assert scores.size > 2**31
    assert np.flatnonzero(result.scores[:, 0] == 0.5).tolist() == [0, rows // 2, rows - 8, rows - 7, rows - 1]
    assert result.ids[[0, rows // 2, rows - 8, rows - 7, rows - 1], 0].tolist() == [3, 500, 7, 9, columns - 1]
    assert (result.ids[1 : rows // 2] == 0).all()
    assert result.audit.total == {"candidates": scores.size, "emitted": rows, "not_sampled": scores.size - rows}

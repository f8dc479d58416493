"""``nvmine.mine`` as it is called: the examples, the shapes, and errors that name the place."""

from __future__ import annotations

import inspect
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import nvmine
from nvmine import errors
from nvmine.errors import IdError, NvmineError, PolicyError, ScoreError, ShapeError, ShortError

SCORES = np.array([[0.91, 0.84, 0.62, 0.40], [0.30, 0.75, 0.70, 0.71]], np.float32)
POSITIVES = np.array([0.90, 0.80], np.float32)


# --- What it is for ------------------------------------------------------------------------------------------------


def test_the_one_liner_mines_below_the_margin() -> None:
    negatives = nvmine.mine(SCORES, POSITIVES, method="margin", margin=0.05)
    # 0.8 in float32 lies above 0.8, so that 0.75 is below its ceiling.
    assert negatives.ids.tolist() == [[1, 2, 3, -1], [1, 3, 2, 0]]
    assert negatives.counts.tolist() == [3, 4]


def test_everything_defaults_to_the_papers_best() -> None:
    negatives = nvmine.mine(SCORES, POSITIVES)
    assert negatives.ids.shape == (2, 4)
    np.testing.assert_allclose(negatives.ceilings, 0.95 * POSITIVES, rtol=1e-7)


METHODS: dict[str, tuple[dict[str, Any], list[list[int]]]] = {
    "naive": ({"method": "naive"}, [[0, 1, 2], [1, 3, 2]]),
    "shift": ({"method": "shift", "shift": 2}, [[2, 3, -1], [2, 0, -1]]),
    "abs": ({"method": "abs"}, [[2, 3, -1], [2, 0, -1]]),
    "abs_at_half": ({"method": "abs", "max_score": 0.5}, [[3, -1, -1], [0, -1, -1]]),
    "margin": ({"method": "margin", "margin": 0.2}, [[2, 3, -1], [0, -1, -1]]),
    "perc": ({"percentage": 0.9}, [[2, 3, -1], [3, 2, 0]]),
    "two_bounds": ({"max_score": 0.705, "min_score": 0.5}, [[2, -1, -1], [2, -1, -1]]),
}


@pytest.mark.parametrize(("fields", "expected"), METHODS.values(), ids=METHODS)
def test_every_method_has_its_ceiling(fields: dict[str, Any], expected: list[list[int]]) -> None:
    assert nvmine.mine(SCORES, POSITIVES, n=3, **fields).ids.tolist() == expected


@pytest.mark.parametrize(
    ("anchor", "ceilings"),
    {"min": [0.25], "max": [1.0], "mean": [0.625], "each": [1.0, 0.25]}.items(),
    ids=["min", "max", "mean", "each"],
)
def test_every_anchor_has_its_ceilings(anchor: Any, ceilings: list[float]) -> None:
    result = nvmine.mine([[0.5, 0.1]], [[1.0, 0.25]], method="margin", margin=0.0, anchor=anchor)
    assert result.ceilings.tolist() == ceilings


def test_a_negative_anchor_has_its_ceiling_below_it() -> None:
    result = nvmine.mine([[-0.4, -0.5, -0.52, -0.6]], [-0.5], n=4)
    assert result.ids.tolist() == [[3, -1, -1, -1]]
    assert result.ceilings[0] < -0.5


def test_positives_are_excluded_by_id_and_by_class() -> None:
    arguments: dict[str, Any] = {"scores": [[0.5, 0.4, 0.3, 0.2]], "pos_scores": [[0.9, 0.8]], "n": 4}
    assert nvmine.mine(**arguments, pos_ids=[[0, 2]]).ids.tolist() == [[1, 3, -1, -1]]
    assert nvmine.mine(**arguments, pos_ids=[[0]], exclude_ids=[[3]]).ids.tolist() == [[1, 2, -1, -1]]
    assert nvmine.mine(**arguments, pos_ids=[[0]], identity=[7, 8, 9, 7]).ids.tolist() == [[1, 2, -1, -1]]


def test_of_one_passage_the_best_stays_and_of_equals_the_smallest_id() -> None:
    result = nvmine.mine([[0.5, 0.6, 0.6, 0.4]], [0.9], ids=[[3, 3, 2, 1]], identity=[0, 1, 5, 5], n=4)
    assert result.ids.tolist() == [[2, 1, -1, -1]]
    assert result.audit.total["duplicate"] == 2


def test_ties_go_by_id() -> None:
    assert nvmine.mine([[0.5] * 4], [0.9], ids=[[9, 2, 7, 4]], n=3).ids.tolist() == [[2, 4, 7]]


def test_short_results_are_padded_or_dropped() -> None:
    scores, positives = [[0.5, 0.4], [0.5, 0.95]], [1.0, 1.0]
    assert nvmine.mine(scores, positives, n=2, percentage=0.9).ids.tolist() == [[0, 1], [0, -1]]
    assert nvmine.mine(scores, positives, n=2, percentage=0.9, on_short="drop").ids.tolist() == [[0, 1], [-1, -1]]


def test_a_query_without_a_positive_may_be_skipped() -> None:
    result = nvmine.mine([[0.5], [0.4]], [[], [0.9]], n=1, on_missing="skip", on_short="raise")
    assert result.ids.tolist() == [[-1], [0]]
    assert math.isnan(result.ceilings[0])
    each = nvmine.mine([[0.5], [0.4]], [[], [0.9]], n=1, on_missing="skip", anchor="each")
    assert (each.ids.tolist(), each.queries.tolist()) == ([[0]], [1])


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_nothing_in_nothing_out(shape: tuple[int, int]) -> None:
    result = nvmine.mine(np.empty(shape), np.ones(shape[0]), n=2, ranks=True)
    assert result.ids.shape == (shape[0], 2)
    assert (result.ids == -1).all()
    assert np.isnan(result.scores).all()


def test_arguments_go_by_name() -> None:
    kinds = [parameter.kind for parameter in inspect.signature(nvmine.mine).parameters.values()]
    assert kinds[:2] == [inspect.Parameter.POSITIONAL_OR_KEYWORD] * 2
    assert set(kinds[2:]) == {inspect.Parameter.KEYWORD_ONLY}


def test_mining_arrays_loads_neither_torch_nor_polars() -> None:
    code = (
        "import sys, nvmine; nvmine.mine([[0.5, 0.4]], [0.9], n=1); "
        "print({'torch', 'polars', 'pyarrow', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "set()\n")


# --- Arrays that do not fit ----------------------------------------------------------------------------------------

UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "positives_too_few": ({"pos_scores": [0.9]}, "pos_scores: 1 rows for 2 queries"),
    "positives_too_many": ({"pos_scores": [0.9] * 3}, "pos_scores: 3 rows for 2 queries"),
    "positives_turned_round": ({"pos_scores": [[0.9, 0.8]]}, "pos_scores: 1 rows for 2 queries"),
    "positives_3d": ({"pos_scores": np.zeros((2, 1, 1))}, r"pos_scores has shape \(2, 1, 1\)"),
    "ids_narrower": (
        {"ids": [[0, 1, 2]] * 2},
        r"argument 'ids': must have one id for each score: ids has shape \(2, 3\)",
    ),
    "ids_transposed": ({"ids": np.zeros((4, 2), int)}, r"ids has shape \(4, 2\), but scores has shape \(2, 4\)"),
    "ids_one_row_for_all": ({"ids": [0, 1, 2, 3]}, r"ids has shape \(4,\)"),
    "ids_ragged": ({"ids": [[0, 1, 2], [0, 1, 2, 3, 4]]}, "ids has 2 rows with 8 values"),
    "pos_ids_too_few": ({"pos_ids": [0]}, "pos_ids has 1 rows for 2 queries"),
    "exclude_ids_too_many": ({"exclude_ids": [[0]] * 3}, "exclude_ids has 3 rows for 2 queries"),
    "query_ids_too_few": ({"query_ids": ["q"]}, "query_ids: 1 rows for 2 queries"),
    "query_ids_too_many": ({"query_ids": [1, 2, 3]}, "query_ids: 3 rows for 2 queries"),
}


@pytest.mark.parametrize(("change", "message"), UNFIT.values(), ids=UNFIT)
def test_arrays_that_do_not_fit_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        nvmine.mine(**({"scores": SCORES, "pos_scores": POSITIVES} | change))


# --- Queries that cannot be mined ----------------------------------------------------------------------------------

# The second query is at fault.
UNMINED: dict[str, tuple[dict[str, Any], type[NvmineError], str]] = {
    "positive_nan": ({"pos_scores": [0.9, math.nan]}, ScoreError, "positive score 0 is NaN"),
    "positive_infinite": ({"pos_scores": [0.9, math.inf]}, ScoreError, "positive score 0 is inf"),
    "positive_minus_infinite": ({"pos_scores": [0.9, -math.inf]}, ScoreError, "positive score 0 is -inf"),
    "second_positive_nan": ({"pos_scores": [[0.9], [0.8, math.nan]]}, ScoreError, "positive score 1 is NaN"),
    "positive_null": ({"pos_scores": pl.Series([0.9, None])}, ScoreError, "positive score 0 is NaN"),
    "positive_nan_of_many": ({"pos_scores": [[0.9, 0.5], [0.8, math.nan]], "anchor": "max"}, ScoreError, "score 1"),
    "positive_nan_each": ({"pos_scores": [[0.9], [math.nan]], "anchor": "each"}, ScoreError, "positive score 0"),
    "positive_nan_naive": ({"pos_scores": [0.9, math.nan], "method": "naive"}, ScoreError, "positive score 0"),
    "positive_nan_skip": ({"pos_scores": [0.9, math.nan], "on_missing": "skip"}, ScoreError, "positive score 0"),
    "no_positive": ({"pos_scores": [[0.9], []]}, ScoreError, "has no positive score"),
    "no_positive_null_list": ({"pos_scores": pl.Series([[0.9], None])}, ScoreError, "has no positive score"),
    "no_positive_each": ({"pos_scores": [[0.9], []], "anchor": "each"}, ScoreError, "has no positive score"),
    "short": ({"scores": [[0.1] * 4, [0.1, 0.1, 0.9, 0.9]], "on_short": "raise"}, ShortError, "got 2 of 4 negatives"),
    "short_each": (
        {"pos_scores": [[0.99], [0.99, 0.1]], "on_short": "raise", "anchor": "each"},
        ShortError,
        "got 0 of 4 negatives from 4 candidates",
    ),
    "id_outside": ({"ids": [[0, 1, 2, 3], [0, 1, 2, 9]], "identity": range(4)}, IdError, "id 9 lies outside the 4"),
    "excluded_outside": ({"exclude_ids": [[], [7]], "identity": range(4)}, IdError, "id 7 lies outside the 4"),
    "positive_outside": ({"pos_ids": [0, 5], "identity": range(4)}, IdError, "id 5 lies outside the 4"),
}


class Keys:
    """Ids that only numpy can read."""

    def __init__(self, keys: Any) -> None:
        self.keys = np.asarray(keys)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.keys


def pandas_keys(keys: Any) -> Any:
    return pytest.importorskip("pandas").Series(keys, index=[5, 9])


QUERY_IDS: dict[str, tuple[Any, str | None]] = {
    "none": (None, None),
    "list": (["a", "b"], "b"),
    "tuple": (("a", "b"), "b"),
    "texts": (np.array(["a", "b"]), "b"),
    "objects": (np.array(["a", "b"], object), "b"),
    "column": (pl.Series(["a", "b"]), "b"),
    "numbers": ([7, 8], "8"),
    "array": (np.array([7, 8], np.uint64), "8"),
    "range": (range(7, 9), "8"),
}


@pytest.mark.parametrize(("query_ids", "name"), QUERY_IDS.values(), ids=QUERY_IDS)
@pytest.mark.parametrize(("change", "kind", "message"), UNMINED.values(), ids=UNMINED)
def test_a_query_that_cannot_be_mined_is_named(
    change: dict[str, Any], kind: type[NvmineError], message: str, query_ids: Any, name: str | None
) -> None:
    with pytest.raises(NvmineError, match=message) as caught:
        nvmine.mine(**({"scores": SCORES, "pos_scores": POSITIVES, "query_ids": query_ids} | change))
    assert type(caught.value) is kind
    assert caught.value.row == 1
    assert caught.value.query == name
    assert str(caught.value).startswith("row 1: " if name is None else f"row 1, query {name!r}: ")


@pytest.mark.parametrize("make", [Keys, pandas_keys], ids=["has_array", "pandas"])
def test_keys_of_other_libraries_are_named_too(make: Any) -> None:
    with pytest.raises(ScoreError) as caught:
        nvmine.mine(SCORES, [0.9, math.nan], query_ids=make(["a", "b"]))
    assert (caught.value.row, caught.value.query) == (1, "b")


def test_keys_of_torch_are_named_as_numbers() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ScoreError) as caught:
        nvmine.mine(SCORES, [0.9, math.nan], query_ids=torch.tensor([7, 8]))
    assert caught.value.query == "8"


def test_the_first_of_many_faults_is_named_whatever_the_threads() -> None:
    positives = np.ones(3000)
    positives[[400, 900, 2900]] = math.nan
    for threads in (1, 2, 8):
        with pytest.raises(ScoreError) as caught:
            nvmine.mine(np.zeros((3000, 2)), positives, threads=threads)
        assert caught.value.row == 400


def test_rejected_ids_need_not_lie_in_the_table() -> None:
    """Padding is no passage."""
    result = nvmine.mine([[0.5, 0.4]], [0.9], ids=[[-5, 1]], identity=[0, 1], pos_ids=[-1], n=1)
    assert result.ids.tolist() == [[1]]


# --- Other arguments -----------------------------------------------------------------------------------------------

BAD_THREADS: dict[str, Any] = {"zero": 0, "negative": -1, "fraction": 1.5, "text": "2", "past_64_bits": 2**70}


@pytest.mark.parametrize("threads", BAD_THREADS.values(), ids=BAD_THREADS)
def test_bad_threads_are_refused(threads: Any) -> None:
    with pytest.raises(PolicyError) as caught:
        nvmine.mine(SCORES, POSITIVES, threads=threads)
    assert caught.value.argument == "threads"


ABSURD = """
import resource
import numpy as np, nvmine

resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
try:
    nvmine.mine(np.empty((2**16, 0), np.float32), np.zeros(2**16), n=2**20)
except (MemoryError, nvmine.NvmineError) as error:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory by Linux's means")
def test_a_result_that_no_memory_holds_is_refused_and_does_not_end_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", ABSURD], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n")


# --- The errors themselves -----------------------------------------------------------------------------------------

BUILTINS = {
    "NvmineError": Exception,
    "PolicyError": ValueError,
    "ShapeError": ValueError,
    "DtypeError": TypeError,
    "ScoreError": ValueError,
    "IdError": ValueError,
    "ShortError": ValueError,
    "DataError": ValueError,
    "TeacherError": RuntimeError,
    "SearchError": ValueError,
    "RunError": RuntimeError,
    "MissingExtraError": ImportError,
    "InternalError": RuntimeError,
}
CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, NvmineError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_are_the_builtin_that_fits_and_have_codes(kind: type[NvmineError]) -> None:
    assert issubclass(kind, BUILTINS[kind.__name__])
    assert [other for other in CLASSES if other.code == kind.code] == [kind]


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_are_pickled_whole(kind: type[NvmineError]) -> None:
    place: dict[str, Any] = {"path": Path("a/b"), "line": 3, "column": "c", "argument": "a", "row": 4, "query": "q"}
    error = kind("is wrong", **place)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "is wrong"),
        ({"path": "f.jsonl", "line": 3}, "f.jsonl:3: is wrong"),
        ({"path": "f.jsonl", "column": "text"}, "f.jsonl, column 'text': is wrong"),
        ({"argument": "margin"}, "argument 'margin': is wrong"),
        ({"line": 3, "row": 2}, "line 3, row 2: is wrong"),
        ({"row": 0, "query": 7}, "row 0, query '7': is wrong"),
        ({"query": "\x1b[2J\n"}, r"query '\x1b[2J\n': is wrong"),
        ({"query": "q" * 1000}, f"query '{'q' * 199}…': is wrong"),
    ],
    ids=["nowhere", "line", "column", "argument", "row", "query", "control_codes", "megabytes"],
)
def test_messages_begin_with_the_place(place: dict[str, Any], text: str) -> None:
    assert str(NvmineError("is wrong", **place)) == text


def test_control_codes_in_ids_are_escaped() -> None:
    with pytest.raises(ScoreError) as caught:
        nvmine.mine(SCORES, [0.9, math.nan], query_ids=["a", "\x1b[31m" + "b" * 10_000])
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400

"""Options that all model teachers share: what no model accepts is refused with the name of the argument."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nvmine.errors import MissingExtraError, TeacherError
from nvmine.teachers import CrossEncoderTeacher, DenseTeacher

pytest.importorskip("sentence_transformers")

Load = Callable[..., Any]


@pytest.fixture(params=["dense", "cross-encoder"])
def load(request: pytest.FixtureRequest, plain_model: Path, cross_encoder: Path) -> Load:
    """Returns the function that loads a model of each kind."""
    if request.param == "dense":
        return partial(DenseTeacher.load, str(plain_model))
    return partial(CrossEncoderTeacher.load, str(cross_encoder))


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("dtype", "int8", "must be one of auto, float32, float16, bfloat16, not 'int8'"),
        ("max_length", 0, "must be at least 1, not 0"),
        ("max_length", 65, "must be at most 64, the positions of the model, not 65"),
        ("batch_tokens", 0, "must be at least 1, not 0"),
        ("revision", "main", "a local folder has no revision 'main'"),
    ],
)
def test_options_that_do_not_fit_are_refused(load: Load, argument: str, value: Any, message: str) -> None:
    with pytest.raises(TeacherError, match=f"argument '{argument}': {message}") as caught:
        load(device="cpu", **{argument: value})
    assert caught.value.argument == argument


def test_an_unknown_device_is_refused(load: Load) -> None:
    with pytest.raises(TeacherError, match="cannot be loaded"):
        load(device="abacus")


def test_a_missing_extra_names_its_command(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nvmine\[dense\]'"):
        load(device="cpu")

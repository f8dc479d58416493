"""Loads models with sentence-transformers: the same options, errors and devices for every kind of model.

It only loads folders that :mod:`nvmine.teachers.models.checkpoint` has checked, and fetches nothing from elsewhere.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvmine.devices import has_bfloat16_units
from nvmine.errors import TeacherError, quote, reason
from nvmine.extras import require
from nvmine.teachers.models.checkpoint import Checkpoint, read_settings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_DTYPES = ("auto", "float32", "float16", "bfloat16")


def check_options(*, dtype: str | None, max_length: int | None, batch_tokens: int | None) -> None:
    """Checks the options that all models have; None means not given.

    Raises
    ------
    TeacherError
        An option has a value that no model accepts.
    """
    if dtype is not None and dtype not in _DTYPES:
        raise TeacherError(f"must be one of {', '.join(_DTYPES)}, not {quote(str(dtype))}", argument="dtype")
    for option, value in (("max_length", max_length), ("batch_tokens", batch_tokens)):
        if value is not None and value < 1:
            raise TeacherError(f"must be at least 1, not {value}", argument=option)


@contextmanager
def loading(checkpoint: Checkpoint) -> Iterator[None]:
    """Names the model in any exception raised inside, and hides the progress bar of transformers.

    Raises
    ------
    TeacherError
        An exception was raised inside; it is chained.
    """
    logging = require("transformers", extra="dense").utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    except TeacherError:
        raise
    except Exception as error:  # loading can raise anything; the caller gets one type
        message = f"model {quote(checkpoint.name)} cannot be loaded ({reason(error)})"
        raise TeacherError(message, path=checkpoint.folder) from error
    finally:
        if shown:
            logging.enable_progress_bar()


def load_model(
    kind: Callable[..., Any], checkpoint: Checkpoint, *, device: str | None, dtype: str | None, trust_remote_code: bool
) -> Any:
    """Loads a model with its sentence-transformers class, in bfloat16 for "auto" if the device multiplies it faster."""
    fast = dtype == "auto"
    model = kind(
        str(checkpoint.folder),
        device=device,
        trust_remote_code=trust_remote_code,
        local_files_only=True,  # nothing may be loaded that was not checked
        model_kwargs={"use_safetensors": True} | ({} if dtype is None or fast else {"dtype": dtype}),
    )
    if fast:
        model = model.bfloat16() if has_bfloat16_units(model.device) else model.float()
    if model.device.type == "cpu":
        # Weights are mapped from their file, at any alignment. The alignment changes the last bits of the results, so
        # copies for further devices would give other bits. Cloned weights are all aligned alike.
        for parameter in model.parameters():
            parameter.data = parameter.data.clone()
    return model


def _is_on(model: Any, device: str) -> bool:
    """Tells whether a model is on a device. A device without a number, such as "cuda", matches any number."""
    try:
        wanted = require("torch", extra="dense").device(device)
    except RuntimeError:
        return False
    return bool(wanted.type == model.device.type and wanted.index in (None, model.device.index))


def models_on(model: Any, devices: Sequence[str]) -> list[Any]:
    """Returns a model for each torch device: itself for the device that it is on, and copies for the others.

    Raises
    ------
    TeacherError
        torch cannot use a device.
    """
    models: list[Any] = []
    for device in devices:
        if _is_on(model, device) and model not in models:
            models.append(model)
            continue
        try:
            models.append(copy.deepcopy(model).to(device))
        except (RuntimeError, AssertionError) as error:
            raise TeacherError(f"torch cannot use {quote(device)} ({reason(error)})", argument="device") from None
    return models


def append_end_token(model: SentenceTransformer, folder: Path, *, required: bool) -> str | None:
    """Makes the tokenizer add its end token to every text, if a preset or the model's own files require it.

    Parameters
    ----------
    model
        The model, whose tokenizer is changed in place.
    folder
        The folder that the model was loaded from.
    required
        Whether the preset requires the token.

    Returns
    -------
    The token if it had to be added, None if the tokenizer is unchanged.
    """
    if not (required or read_settings(folder / "tokenizer_config.json").get("add_eos_token") is True):
        return None
    tokenizer = model.tokenizer
    tokens = tokenizer("a")["input_ids"]
    if tokens[-1] == tokenizer.eos_token_id:
        return None
    # Setting either attribute rebuilds the tokenizer's template from both.
    tokenizer.add_bos_token = tokens[0] == tokenizer.bos_token_id
    tokenizer.add_eos_token = True
    return str(tokenizer.eos_token)

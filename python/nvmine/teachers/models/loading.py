"""Models of sentence-transformers into memory: the same options, the same errors and the same devices for every kind.

Only folders that :mod:`nvmine.teachers.models.checkpoint` has checked are loaded, and nothing from elsewhere with them.
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
    """Check the options of all models, None where they are not given.

    Raises
    ------
    TeacherError
        One has a value that no model could take.
    """
    if dtype is not None and dtype not in _DTYPES:
        raise TeacherError(f"dtype {quote(str(dtype))} is not one of {', '.join(_DTYPES)}")
    for option, value in (("max_length", max_length), ("batch_tokens", batch_tokens)):
        if value is not None and value < 1:
            raise TeacherError(f"{option} is {value}, must be at least 1")


@contextmanager
def loading(checkpoint: Checkpoint) -> Iterator[None]:
    """Name the model in whatever goes wrong inside, and draw no bar while its weights are read.

    Raises
    ------
    TeacherError
        For any exception, chained.
    """
    logging = require("transformers", extra="dense").utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    except TeacherError:
        raise
    except Exception as error:  # model files can fail to load in any way; the caller gets one
        message = f"model {quote(checkpoint.name)} cannot be loaded ({reason(error)})"
        raise TeacherError(message, path=checkpoint.folder) from error
    finally:
        if shown:
            logging.enable_progress_bar()


def load_model(
    kind: Callable[..., Any], checkpoint: Checkpoint, *, device: str | None, dtype: str | None, trust_remote_code: bool
) -> Any:
    """Load a model with its class of sentence-transformers; for "auto" in bfloat16 where the device is fast with it."""
    fast = dtype == "auto"
    model = kind(
        str(checkpoint.folder),
        device=device,
        trust_remote_code=trust_remote_code,
        local_files_only=True,  # what was checked is all that is loaded
        model_kwargs={"use_safetensors": True} | ({} if dtype is None or fast else {"dtype": dtype}),
    )
    if fast:
        model = model.bfloat16() if has_bfloat16_units(model.device) else model.float()
    if model.device.type == "cpu":
        # Weights lie as their file has them, at any address. Where they begin changes the last bits of what is computed
        # with them, and copies for further devices would give others.
        for parameter in model.parameters():
            parameter.data = parameter.data.clone()
    return model


def _is_at(model: Any, device: str) -> bool:
    """Whether a model is on a device; without a number, its own will do."""
    try:
        wanted = require("torch", extra="dense").device(device)
    except RuntimeError:
        return False
    return bool(wanted.type == model.device.type and wanted.index in (None, model.device.index))


def models_on(model: Any, devices: Sequence[str]) -> list[Any]:
    """Give a model for each of some torch devices: itself where it is already, and copies elsewhere.

    Raises
    ------
    TeacherError
        torch cannot use a device.
    """
    models: list[Any] = []
    for device in devices:
        if _is_at(model, device) and model not in models:
            models.append(model)
            continue
        try:
            models.append(copy.deepcopy(model).to(device))
        except (RuntimeError, AssertionError) as error:
            raise TeacherError(f"torch cannot use {quote(device)} ({reason(error)})", argument="device") from None
    return models


def append_end_token(model: SentenceTransformer, folder: Path, *, prescribed: bool) -> str | None:
    """Make a tokenizer end every text with its end token, where that is prescribed or asked for by the model's files.

    Parameters
    ----------
    model
        Whose tokenizer is changed in place.
    folder
        What it was loaded from.
    prescribed
        Whether a preset wants the token.

    Returns
    -------
    The token, if it had to be added; None if the tokenizer is left as it was.
    """
    if not (prescribed or read_settings(folder / "tokenizer_config.json").get("add_eos_token") is True):
        return None
    tokenizer = model.tokenizer
    tokens = tokenizer("a")["input_ids"]
    if tokens[-1] == tokenizer.eos_token_id:
        return None
    # Either of these writes the tokenizer's rule anew, from both.
    tokenizer.add_bos_token = tokens[0] == tokenizer.bos_token_id
    tokenizer.add_eos_token = True
    return str(tokenizer.eos_token)

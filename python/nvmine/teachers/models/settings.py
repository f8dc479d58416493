"""How a loaded model pools, how many tokens it reads, and what its vectors are compared by.

What an option says decides; then what the model's own files say; then its preset. A folder with modules.json says for
itself how it pools and how much it reads, and the preset of its family changes neither: whoever saved the folder may
have trained the model so. A plain transformers folder says nothing of the kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nvmine.errors import TeacherError, quote
from nvmine.extras import require
from nvmine.teachers.models.checkpoint import read_settings
from nvmine.teachers.models.presets import OWN, Preset

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling


def settle(
    model: SentenceTransformer, folder: Path, preset: Preset, *, pooling: str | None, max_length: int | None
) -> None:
    """Set what options, or the preset of a model that leaves it open, ask for.

    Parameters
    ----------
    model
        Changed in place.
    folder
        What it was loaded from.
    preset
        The model's.
    pooling, max_length
        Options; None where they are not given.

    Raises
    ------
    TeacherError
        The model cannot be set so, or its vectors are compared by neither cosine nor dot.
    """
    plain = not (folder / "modules.json").is_file()
    if plain and pooling is None:
        pooling = _plain_pooling(folder, preset)
    if pooling is not None:
        _set_pooling(model, pooling)
    if max_length is not None:
        set_max_length(model, max_length)
    elif plain and preset.max_length is not None:
        model.max_seq_length = min(preset.max_length, model.max_seq_length or preset.max_length)
    if read_settings(folder / "config_sentence_transformers.json").get("similarity_fn_name") is None:
        model.similarity_fn_name = preset.similarity
    if model.similarity_fn_name not in ("cosine", "dot"):
        raise TeacherError(f"the model compares by {model.similarity_fn_name}; only cosine and dot can be searched")


def set_max_length(model: SentenceTransformer | CrossEncoder, max_length: int) -> None:
    """Set how many tokens of a text, or a pair, are read.

    Raises
    ------
    TeacherError
        The model has fewer positions.
    """
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and max_length > limit:
        raise TeacherError(f"max_length is {max_length}, but the model has {limit} positions")
    model.max_seq_length = max_length


def pooling_of(model: SentenceTransformer) -> str | None:
    """Name the model's pooling: None where it pools no token vectors, two names where its sides differ in that."""
    modes = [module.pooling_mode for module in _poolings(model)]
    return ", ".join(mode if isinstance(mode, str) else "+".join(mode) for mode in modes) or None


def _poolings(model: SentenceTransformer) -> list[Pooling]:
    """List the model's pooling modules: one, none (static embeddings), or one a side of an asymmetric model."""
    kind = require("sentence_transformers.sentence_transformer.modules", extra="dense").Pooling
    return [module for module in model.modules() if isinstance(module, kind)]


def _plain_pooling(folder: Path, preset: Preset) -> str | None:
    if preset.pooling != OWN:
        return preset.pooling
    raise TeacherError(
        f"models of the preset {preset.name} make their vectors with modules of their own, and there is no modules.json"
        " here: get the whole folder, or give pooling to make them another way",
        path=folder,
    )


def _set_pooling(model: SentenceTransformer, pooling: str) -> None:
    modules = _poolings(model)
    if not modules:
        raise TeacherError(f"pooling {quote(pooling)} cannot be set: the model does not pool token vectors")
    for module in modules:
        if pooling not in module.POOLING_MODES:
            raise TeacherError(f"pooling {quote(pooling)} is not one of {', '.join(module.POOLING_MODES)}")
        module.pooling_mode = pooling
        module.pooling_output_dimension = module.embedding_dimension

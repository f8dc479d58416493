"""Sets how a loaded model pools, how many tokens it reads, and how its vectors are compared.

Options come first, then the model's own files, then its preset. A folder with modules.json defines its own pooling and
length, and the preset changes neither, because the model may have been trained with them. A plain transformers folder
defines neither.
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


def apply_settings(
    model: SentenceTransformer, folder: Path, preset: Preset, *, pooling: str | None, max_length: int | None
) -> None:
    """Applies options, and the preset where the model's files leave a setting open.

    Parameters
    ----------
    model
        The model to change in place.
    folder
        The folder that it was loaded from.
    preset
        The preset of the model.
    pooling, max_length
        Options; None if they are not given.

    Raises
    ------
    TeacherError
        The model does not support a setting, or its similarity is neither cosine nor dot.
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
        raise TeacherError(
            f"the similarity of the model is {model.similarity_fn_name}; only cosine and dot can be searched"
        )


def set_max_length(model: SentenceTransformer | CrossEncoder, max_length: int) -> None:
    """Sets how many tokens of a text or a pair are read.

    Raises
    ------
    TeacherError
        The model has fewer positions.
    """
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and max_length > limit:
        raise TeacherError(
            f"must be at most {limit}, the positions of the model, not {max_length}", argument="max_length"
        )
    model.max_seq_length = max_length


def pooling_of(model: SentenceTransformer) -> str | None:
    """Returns the name of the model's pooling, two names if its sides differ, or None if it pools no token vectors."""
    modes = [module.pooling_mode for module in _poolings(model)]
    return ", ".join(mode if isinstance(mode, str) else "+".join(mode) for mode in modes) or None


def _poolings(model: SentenceTransformer) -> list[Pooling]:
    """Returns the model's pooling modules: one, none (static embeddings), or one per side of an asymmetric model."""
    kind = require("sentence_transformers.sentence_transformer.modules", extra="dense").Pooling
    return [module for module in model.modules() if isinstance(module, kind)]


def _plain_pooling(folder: Path, preset: Preset) -> str | None:
    if preset.pooling != OWN:
        return preset.pooling
    raise TeacherError(
        f"models of the preset {preset.name} compute their vectors with modules of their own, but there is no"
        " modules.json here; get the whole folder, or choose another way with pooling='mean'",
        path=folder,
    )


def _set_pooling(model: SentenceTransformer, pooling: str) -> None:
    modules = _poolings(model)
    if not modules:
        raise TeacherError(f"cannot be {quote(pooling)}, because the model pools no token vectors", argument="pooling")
    for module in modules:
        if pooling not in module.POOLING_MODES:
            raise TeacherError(
                f"must be one of {', '.join(module.POOLING_MODES)}, not {quote(pooling)}", argument="pooling"
            )
        module.pooling_mode = pooling
        module.pooling_output_dimension = module.embedding_dimension

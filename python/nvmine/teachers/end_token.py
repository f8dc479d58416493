"""The end token behind every text, for models that were trained with one.

A model that pools its last token expects the end token there; without it the last word is pooled, the vectors are
worse, and nothing fails. Model files ask for the token in two places that can disagree, as e5-mistral-7b-instruct's do:
``add_eos_token`` in tokenizer_config.json, and the post-processor in tokenizer.json, which is all that transformers 5
reads. Here the former is obeyed again, and so is a preset that prescribes the token.

The token is added by the tokenizer itself, so that a text that is cut off has it too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nvmine.teachers.checkpoint import read_settings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


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

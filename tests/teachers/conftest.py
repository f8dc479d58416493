"""Tiny encoders with random weights, saved the ways that real ones are."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Read once, when huggingface_hub is imported: no test asks the network for anything.
os.environ["HF_HUB_OFFLINE"] = "1"

WORDS = [
    "a",
    "the",
    "cat",
    "dog",
    "ran",
    "in",
    "park",
    "on",
    "mat",
    "query",
    "passage",
    ":",
    "red",
    "happy",
    "person",
    "day",
]


@pytest.fixture(scope="session")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder: two layers, 32 dimensions, 64 positions, a vocabulary of whole words."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("models") / "plain"
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,  # large enough that texts differ
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


SaveModel = Callable[..., Path]


@pytest.fixture
def save_model(plain_model: Path, tmp_path: Path) -> SaveModel:
    """Saves the same encoder as a sentence-transformers folder, under the module names that public models carry."""

    def save(
        pooling: str = "mean",
        *,
        normalize: bool = False,
        types: dict[str, str] | None = None,
        **settings: Any,
    ) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(plain_model, folder)
        names = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
        modules = [
            {
                "idx": number,
                "name": str(number),
                "path": "" if number == 0 else f"{number}_{name}",
                "type": (types or {}).get(name, f"sentence_transformers.models.{name}"),
            }
            for number, name in enumerate(names)
        ]
        write_json(folder / "modules.json", modules)
        write_json(folder / "config_sentence_transformers.json", settings)
        write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, "pooling_mode": pooling})
        return folder

    return save


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")

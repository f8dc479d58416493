"""Tiny encoders with random weights, saved in the same ways as real ones."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Set before huggingface_hub is imported, which reads it once: no test uses the network.
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


VOCABULARY = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
SaveModel = Callable[..., Path]


@pytest.fixture(scope="session")
def save_transformers(tmp_path_factory: pytest.TempPathFactory) -> SaveModel:
    """Returns a function that saves a transformers folder: 2 layers, 32 dimensions, 64 positions, words as tokens."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")

    def save(name: str, kind: str, *, chat_template: str | None = None, **settings: Any) -> Path:
        folder = tmp_path_factory.mktemp("models") / name
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(VOCABULARY, unk_token="[UNK]"))
        tokenizer.normalizer = tokenizers.normalizers.Lowercase()
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="[PAD]",
            unk_token="[UNK]",
            cls_token="[CLS]",
            sep_token="[SEP]",
            model_max_length=64,
            chat_template=chat_template,
        ).save_pretrained(folder)
        torch.manual_seed(0)
        model = getattr(transformers, kind)
        config = model.config_class(
            vocab_size=len(VOCABULARY),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            initializer_range=0.5,  # large enough that texts differ
            **settings,
        )
        model(config).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def plain_model(save_transformers: SaveModel) -> Path:
    """An encoder, saved by transformers."""
    return save_transformers("plain", "BertModel")


@pytest.fixture(scope="session")
def cross_encoder(save_transformers: SaveModel) -> Path:
    """A reranker, saved by transformers."""
    return save_transformers("reranker", "BertForSequenceClassification", num_labels=1)


@pytest.fixture
def save_model(plain_model: Path, tmp_path: Path) -> SaveModel:
    """Returns a function that saves it as a sentence-transformers folder, with the module names of public models."""

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

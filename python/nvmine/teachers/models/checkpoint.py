"""Finds the files of a model, checks that they are safe to load, and computes their digest.

A model folder may come from anyone, and loading one can run code: from pickled weights, from Python files named in its
configuration, or through an adapter that loads a second model. So only safetensors weights and classes of the library
itself are accepted. Code must be allowed explicitly, and pickles must be converted first. The checks read the JSON
files before any model library sees the folder.

The digest covers the name and content of every file that loading can read. A model has the same digest wherever its
folder is; a changed weight, tokenizer or pooling setting changes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nvmine.errors import TeacherError, quote, reason
from nvmine.extras import require
from nvmine.files import sha256_of

# Weights, settings and vocabularies. The .model files of sentencepiece are protocol buffers, not code.
_LOADED_SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja")

# The file in which sentence-transformers records what kind of model it saved.
_LIBRARY_CONFIG = "config_sentence_transformers.json"

# The class of sentence-transformers that loads a model.
Kind = Literal["SentenceTransformer", "CrossEncoder"]
_ORGANISATIONS = {"SentenceTransformer": "sentence-transformers", "CrossEncoder": "cross-encoder"}
_PURPOSES = {
    "SentenceTransformer": "gives one vector per text",
    "CrossEncoder": "scores a pair of texts, saved by CrossEncoder or for sequence classification",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model folder that may be loaded.

    Parameters
    ----------
    name
        The model's name on the hub, or the last part of a local folder's path.
    revision
        The commit on the hub; None for a local folder, which the digest alone identifies.
    folder
        The folder with the files.
    digest
        SHA-256 of weights, tokenizer and configuration, in hexadecimal.
    """

    name: str
    revision: str | None
    folder: Path
    digest: str


def find_checkpoint(
    name: str, *, revision: str | None, trust_remote_code: bool, kind: Kind = "SentenceTransformer"
) -> Checkpoint:
    """Finds a model in a local folder, or on the hub if there is no such folder, and checks it.

    Parameters
    ----------
    name
        A folder, or a name on the Hugging Face hub. The default organisation is ``sentence-transformers``, and
        ``cross-encoder`` for cross-encoders.
    revision
        Branch, tag or commit on the hub.
    trust_remote_code
        Accept, and download, Python files that come with the model.
    kind
        The required kind of model.

    Raises
    ------
    TeacherError
        The model is not found, the hub cannot be reached, or the folder must not be loaded.
    """
    suffixes = (*_LOADED_SUFFIXES, ".py") if trust_remote_code else _LOADED_SUFFIXES
    folder = Path(name).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise TeacherError(
                f"a local folder has no revision {quote(revision)}; leave it out", path=folder, argument="revision"
            )
        name = folder.resolve().name
    elif folder.exists() or folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise TeacherError(f"there is no model folder {quote(name)}", path=folder)
    else:
        name = name if "/" in name else f"{_ORGANISATIONS[kind]}/{name}"
        folder = _download(name, revision, [f"*{suffix}" for suffix in suffixes])
        revision = folder.name  # the hub's cache names a snapshot by its commit
    _check(folder, kind, trust_remote_code=trust_remote_code)
    return Checkpoint(name, revision, folder, _digest(folder, suffixes))


def _download(name: str, revision: str | None, patterns: list[str]) -> Path:
    hub = require("huggingface_hub", extra="dense")
    try:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as error:  # the hub's client raises a dozen unrelated types; the caller gets one
        where = quote(name) if revision is None else f"{quote(name)} at revision {quote(revision)}"
        raise TeacherError(
            f"model {where} is neither a local folder nor available from the Hugging Face hub or its cache"
            f" ({reason(error)}); check the name, the network and HF_HUB_OFFLINE, or pass a local folder"
        ) from error


def read_settings(path: Path) -> dict[str, Any]:
    """Reads a JSON file of named settings; empty if there is no file.

    Raises
    ------
    TeacherError
        The file is not valid JSON.
    """
    content = _read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def _check(folder: Path, kind: Kind, *, trust_remote_code: bool) -> None:
    """Raises TeacherError for the first reason not to load `folder`."""
    if not any((folder / name).is_file() for name in ("config.json", "modules.json")):
        raise TeacherError("is not a model folder: it has neither config.json nor modules.json", path=folder)
    convert = f"if you trust the weights, convert them with {kind}(FOLDER).save_pretrained(NEW_FOLDER)"
    if next(folder.rglob("*.safetensors"), None) is None:
        raise TeacherError(f"has no *.safetensors weights; {convert}", path=folder)
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        if next(pickled.parent.glob("*.safetensors"), None) is None:
            raise TeacherError(
                f"these weights are a pickle, which can run code when it is loaded; {convert}", path=pickled
            )
    if (folder / "adapter_config.json").is_file():
        raise TeacherError(
            "is an adapter, which needs a second model; merge the two with peft's merge_and_unload and save the result",
            path=folder / "adapter_config.json",
        )
    found = _kind(folder)
    if found != kind:
        raise TeacherError(f"is a {found}, not a model that {_PURPOSES[kind]}", path=folder)
    if trust_remote_code:
        return
    for path, code in _foreign_code(folder):
        raise TeacherError(
            f"names code from outside sentence-transformers, {quote(code)}; read that code, and pass"
            " trust_remote_code=True if you want it to run on this machine",
            path=path,
        )


def _kind(folder: Path) -> str:
    """Returns the kind of model that was saved; sentence-transformers would load it as another and invent weights."""
    settings = read_settings(folder / _LIBRARY_CONFIG)
    if "model_type" in settings or (folder / "modules.json").is_file():
        return str(settings.get("model_type", "SentenceTransformer"))
    architectures = str(read_settings(folder / "config.json").get("architectures"))
    return "CrossEncoder" if "ForSequenceClassification" in architectures else "SentenceTransformer"


def _foreign_code(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yields each place where a configuration file names a class that belongs to neither the library nor torch."""
    for path in sorted(folder.rglob("*.json")):
        if path.name not in ("modules.json", _LIBRARY_CONFIG) and not path.name.endswith("config.json"):
            continue  # vocabularies and weight indices name no code and can be large
        content = _read_json(path)
        modules = content if isinstance(content, list) and path.name == "modules.json" else []
        settings = content if isinstance(content, dict) else {}
        if settings.get("auto_map"):
            yield path, "auto_map"
        types = [module.get("type") for module in modules if isinstance(module, dict)]
        if isinstance(settings.get("types"), dict):  # a Router's own list of modules
            types.extend(settings["types"].values())
        for kind in types:
            if not str(kind).startswith("sentence_transformers."):
                yield path, str(kind)
        # The library would silently use its default instead, which gives other scores.
        for kind in _activations(settings, path.name):
            if kind is not None and not str(kind).startswith("torch.nn."):
                yield path, str(kind)


def _activations(settings: dict[str, Any], file: str) -> list[Any]:
    """Returns the activation of a cross-encoder from each of the places where releases have stored it."""
    if file == _LIBRARY_CONFIG:
        return [settings.get("activation_fn")]
    nested = settings.get("sentence_transformers")
    return [
        settings.get("sbert_ce_default_activation_function"),
        nested.get("activation_fn") if isinstance(nested, dict) else None,
    ]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TeacherError(f"is not valid JSON ({error})", path=path) from error


def _digest(folder: Path, suffixes: tuple[str, ...]) -> str:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in suffixes)
    total = hashlib.sha256()
    for name in names:
        # Digests have a fixed length and names contain no NUL, so two folders never give the same stream.
        total.update(name.encode() + b"\0" + bytes.fromhex(sha256_of(folder / name)))
    return total.hexdigest()

"""The files of a model: found, judged safe to load, and named by their content.

A model folder is not trusted (it may come from anyone), and loading one can run code: through pickled weights, through
Python files that its configuration names, through an adapter that pulls in a second model. So only safetensors weights
and the library's own classes are accepted; code has to be asked for, pickles have to be converted. The checks read the
JSON files before any model library sees the folder.

The digest covers the content of every file that loading can read, under its name within the folder. The same model
has the same digest wherever it lies; a changed weight, tokenizer or pooling setting gives another.
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

# Weights, settings, and vocabularies; sentencepiece's .model is a protocol buffer, not code.
_LOADED_SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja")

# Where sentence-transformers says what it has saved.
_SAVED_BY = "config_sentence_transformers.json"

# The classes of sentence-transformers that load one.
Kind = Literal["SentenceTransformer", "CrossEncoder"]
_ORGANISATIONS = {"SentenceTransformer": "sentence-transformers", "CrossEncoder": "cross-encoder"}
_PURPOSES = {
    "SentenceTransformer": "gives one vector a text",
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
        Where the files lie.
    digest
        SHA-256 in hexadecimal of weights, tokenizer and configuration.
    """

    name: str
    revision: str | None
    folder: Path
    digest: str


def find_checkpoint(
    name: str, *, revision: str | None, trust_remote_code: bool, kind: Kind = "SentenceTransformer"
) -> Checkpoint:
    """Find a model, by local folder first and by its name on the hub otherwise, and check it.

    Parameters
    ----------
    name
        A folder, or a name on the Hugging Face hub; without an organisation, ``sentence-transformers`` is meant, or
        ``cross-encoder`` where the kind is that.
    revision
        Branch, tag or commit on the hub.
    trust_remote_code
        Accept, and download, Python files that come with the model.
    kind
        What the model has to be.

    Raises
    ------
    TeacherError
        Nothing is found, the hub cannot be reached, or the folder is not one to load.
    """
    suffixes = (*_LOADED_SUFFIXES, ".py") if trust_remote_code else _LOADED_SUFFIXES
    folder = Path(name).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise TeacherError(f"a local folder has no revision {quote(revision)}: leave it out", path=folder)
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
    except Exception as error:  # the hub's client raises a dozen unrelated types, and this boundary owes one
        where = quote(name) if revision is None else f"{quote(name)} at revision {quote(revision)}"
        raise TeacherError(
            f"model {where} is neither a local folder nor available from the Hugging Face hub or its cache"
            f" ({reason(error)}); check the name, the network and HF_HUB_OFFLINE, or give a local folder"
        ) from error


def read_settings(path: Path) -> dict[str, Any]:
    """Read a JSON file of settings by their names; without the file there are none.

    Raises
    ------
    TeacherError
        It is not JSON.
    """
    content = _read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def _check(folder: Path, kind: Kind, *, trust_remote_code: bool) -> None:
    """Raise TeacherError for the first reason not to load `folder`."""
    if not any((folder / name).is_file() for name in ("config.json", "modules.json")):
        raise TeacherError("is not a model folder: it has neither config.json nor modules.json", path=folder)
    convert = f"convert them where they are trusted: {kind}(FOLDER).save_pretrained(NEW_FOLDER)"
    if next(folder.rglob("*.safetensors"), None) is None:
        raise TeacherError(f"has no *.safetensors weights; {convert}", path=folder)
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        if next(pickled.parent.glob("*.safetensors"), None) is None:
            raise TeacherError(f"these weights are a pickle, which can run code when read; {convert}", path=pickled)
    if (folder / "adapter_config.json").is_file():
        raise TeacherError(
            "is an adapter, which needs a second model: merge the two (peft's merge_and_unload) and save that",
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
            " trust_remote_code=True if it may run on this machine",
            path=path,
        )


def _kind(folder: Path) -> str:
    """Tell what was saved: sentence-transformers would load it as anything else too, quietly, with a part made up."""
    settings = read_settings(folder / _SAVED_BY)
    if "model_type" in settings or (folder / "modules.json").is_file():
        return str(settings.get("model_type", "SentenceTransformer"))
    architectures = str(read_settings(folder / "config.json").get("architectures"))
    return "CrossEncoder" if "ForSequenceClassification" in architectures else "SentenceTransformer"


def _foreign_code(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every place where a configuration file asks for a class that is not the library's own, or torch's."""
    for path in sorted(folder.rglob("*.json")):
        if path.name not in ("modules.json", _SAVED_BY) and not path.name.endswith("config.json"):
            continue  # vocabularies and weight indices name no code, and may be large
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
        # The library would take its default instead, with other scores.
        for kind in _activations(settings, path.name):
            if kind is not None and not str(kind).startswith("torch.nn."):
                yield path, str(kind)


def _activations(settings: dict[str, Any], file: str) -> list[Any]:
    """What a cross-encoder's scores go through, in each of the places where releases have put it."""
    if file == _SAVED_BY:
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
        with (folder / name).open("rb") as file:
            # Digests have one length and names hold no NUL, so no two folders give the same stream.
            total.update(name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()

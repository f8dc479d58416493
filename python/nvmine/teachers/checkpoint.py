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
from typing import Any

from nvmine.errors import TeacherError, quote
from nvmine.extras import require

# Weights, settings, and vocabularies; sentencepiece's .model is a protocol buffer, not code.
_LOADED_SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja")


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


def find_checkpoint(name: str, *, revision: str | None, trust_remote_code: bool) -> Checkpoint:
    """Find a model, by local folder first and by its name on the hub otherwise, and check it.

    Parameters
    ----------
    name
        A folder, or a name on the Hugging Face hub; without an organisation, ``sentence-transformers`` is meant.
    revision
        Branch, tag or commit on the hub.
    trust_remote_code
        Accept, and download, Python files that come with the model.

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
        name = name if "/" in name else f"sentence-transformers/{name}"
        folder = _download(name, revision, [f"*{suffix}" for suffix in suffixes])
        revision = folder.name  # the hub's cache names a snapshot by its commit
    _check(folder, trust_remote_code=trust_remote_code)
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


def reason(error: Exception) -> str:
    """Give the kind and first line of another library's error, fit for one of ours."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _check(folder: Path, *, trust_remote_code: bool) -> None:
    """Raise TeacherError for the first reason not to load `folder`."""
    if not any((folder / name).is_file() for name in ("config.json", "modules.json")):
        raise TeacherError("is not a model folder: it has neither config.json nor modules.json", path=folder)
    if next(folder.rglob("*.safetensors"), None) is None:
        raise TeacherError(f"has no *.safetensors weights; {_CONVERT}", path=folder)
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        if next(pickled.parent.glob("*.safetensors"), None) is None:
            raise TeacherError(f"these weights are a pickle, which can run code when read; {_CONVERT}", path=pickled)
    if (folder / "adapter_config.json").is_file():
        raise TeacherError(
            "is an adapter, which needs a second model: merge the two (peft's merge_and_unload) and save that",
            path=folder / "adapter_config.json",
        )
    kind = _model_type(folder / "config_sentence_transformers.json")
    if kind != "SentenceTransformer":
        raise TeacherError(f"is a {kind}, not a model that gives one vector a text", path=folder)
    if trust_remote_code:
        return
    for path, code in _foreign_code(folder):
        raise TeacherError(
            f"names code from outside sentence-transformers, {quote(code)}; read that code, and pass"
            " trust_remote_code=True if it may run on this machine",
            path=path,
        )


_CONVERT = "convert them where they are trusted: SentenceTransformer(FOLDER).save_pretrained(NEW_FOLDER)"


def _model_type(path: Path) -> str:
    """Tell what sentence-transformers saved: it would load anything else too, quietly, with mean pooling."""
    content = _read_json(path) if path.is_file() else {}
    return str(content.get("model_type", "SentenceTransformer")) if isinstance(content, dict) else "?"


def _foreign_code(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every place where a configuration file asks for a class that is not the library's own."""
    for path in sorted(folder.rglob("*.json")):
        if path.name != "modules.json" and not path.name.endswith("config.json"):
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

"""The manifest: what a run was made from, and every file that it holds. Only what is recorded here exists.

It holds no time, no host and no absolute path that matters: the same work gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nvmine import _core
from nvmine.errors import RunError
from nvmine.files import write_text
from nvmine.run.store.storage import Shard, Storage

NAME = "manifest.json"
SCHEMA_VERSION = 2


@dataclass(slots=True)
class Manifest:
    """The contents of ``manifest.json``.

    Parameters
    ----------
    data
        Name, split, counts and digests of queries, corpus and labels.
    teacher, search, policy
        Everything that decides the outcome.
    shards
        The files, by path.
    audit
        Totals over all results, once finished.
    """

    data: dict[str, Any]
    teacher: dict[str, Any]
    search: dict[str, Any]
    policy: dict[str, Any]
    shards: dict[str, Shard] = field(default_factory=dict)
    audit: dict[str, int] | None = None
    nvmine_version: str = _core.VERSION

    @property
    def finished(self) -> bool:
        """Whether all files are there; the totals are written last."""
        return self.audit is not None

    def differences(self, other: Manifest) -> list[str]:
        """What decides the outcome and is not the same in `other`, as ``name: here → there``."""
        mine, others = dict(_flat(self.identity())), dict(_flat(other.identity()))
        names = [*mine, *(name for name in others if name not in mine)]
        return [
            f"{name}: {mine.get(name)!r} → {others.get(name)!r}" for name in names if mine.get(name) != others.get(name)
        ]

    def identity(self) -> dict[str, Any]:
        """What decides the outcome.

        Names are for people: the same files elsewhere, or the same model under another name, are the same.
        """
        teacher, search = unnamed(self.teacher), _search_identity(self.search)
        if "members" in teacher:
            teacher["members"] = [unnamed(member) for member in teacher["members"]]
            search["members"] = [_search_identity(member) for member in search["members"]]
        identity = {
            "data": {key: value for key, value in self.data.items() if key != "name"},
            "teacher": teacher,
            "search": search,
            "policy": self.policy,
            "nvmine_version": self.nvmine_version,
        }
        # As it is read back: a tuple is a list.
        told: dict[str, Any] = json.loads(json.dumps(identity))
        return told

    @property
    def teacher_name(self) -> str:
        """What people call the teacher."""
        return str(self.teacher.get("name") or self.teacher["kind"])

    @property
    def folder_name(self) -> str:
        """A name of a file or folder for the teacher: its own, without what could lead elsewhere."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.teacher_name).strip(".-")[:80] or "teacher"

    def save(self, storage: Storage) -> None:
        """Writes the manifest, whole, in place of the last one."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "nvmine_version": self.nvmine_version,
            "data": self.data,
            "teacher": self.teacher,
            "search": self.search,
            "policy": self.policy,
            "shards": [asdict(self.shards[path]) for path in sorted(self.shards)],
            "audit": self.audit,
            "finished": self.finished,
        }
        content["checksum"] = _checksum(content)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        storage.commit(NAME, 0, lambda path: write_text(path, text + "\n"))

    @classmethod
    def load(cls, root: Path) -> Manifest:
        """Reads the manifest of a run.

        Raises
        ------
        RunError
            There is none, it is damaged, or of another version of the format.
        """
        path = root / NAME
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            raise RunError("is no run folder: it holds no manifest.json", path=root) from None
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"cannot be read: {error}", path=path) from None
        try:
            content = json.loads(text)
            version = content["schema_version"]
            if version != SCHEMA_VERSION:
                raise RunError(
                    f"is of format version {version}, this is nvmine {_core.VERSION} with version {SCHEMA_VERSION};"
                    " use the nvmine that wrote it, or mine into another folder",
                    path=path,
                )
            if content.pop("checksum") != _checksum(content):
                raise RunError("has been changed or damaged: its checksum does not fit", path=path)
            return cls(
                data=content["data"],
                teacher=content["teacher"],
                search=content["search"],
                policy=content["policy"],
                shards={shard["path"]: Shard(**shard) for shard in content["shards"]},
                audit=content["audit"],
                nvmine_version=content["nvmine_version"],
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, RunError):
                raise
            raise RunError(f"is no manifest of a run: {error!r}", path=path) from None


def unnamed(described: Mapping[str, Any]) -> dict[str, Any]:
    """What a teacher or judge is, without what it is called and where it is: its name counts if there is no digest."""
    called = {"folders", "url"}
    if "digest" in described or "members" in described:
        called |= {"name", "revision"}
    return {key: value for key, value in described.items() if key not in called}


def _search_identity(search: Mapping[str, Any]) -> dict[str, Any]:
    return {key: unnamed(value) if key in ("judge", "rescorer") else value for key, value in search.items()}


def _checksum(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

"""The manifest: what a run was made from, and every file that it holds; files that are not recorded do not count.

It holds no time, no host and no absolute path, so the same work gives the same bytes.
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
from nvmine.run.store.records import SearchRecord, TeacherRecord
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
        Everything else that decides the results. The policy of an ensemble is its rule, with those of its members.
    shards
        The files, by path.
    audit
        Totals over all results; None until the run is finished.
    """

    data: dict[str, Any]
    teacher: TeacherRecord
    search: SearchRecord
    policy: dict[str, Any]
    shards: dict[str, Shard] = field(default_factory=dict)
    audit: dict[str, int] | None = None
    nvmine_version: str = _core.VERSION

    @property
    def finished(self) -> bool:
        """Whether all files are there: the totals are written last."""
        return self.audit is not None

    def differences(self, other: Manifest) -> list[str]:
        """Lists what decides the results and is not the same in `other`, as ``name: here → there``."""
        mine, others = dict(_flat(self.identity())), dict(_flat(other.identity()))
        names = [*mine, *(name for name in others if name not in mine)]
        return [
            f"{name}: {mine.get(name)!r} → {others.get(name)!r}" for name in names if mine.get(name) != others.get(name)
        ]

    def identity(self) -> dict[str, Any]:
        """Returns what decides the results.

        Names are for people: the same files in another place, or the same model under another name, are the same.
        """
        identity = {
            "data": {key: value for key, value in self.data.items() if key != "name"},
            "teacher": self.teacher.identity(),
            "search": self.search.identity(),
            "policy": self.policy,
            "nvmine_version": self.nvmine_version,
        }
        # As it is read back: a tuple becomes a list.
        read_back: dict[str, Any] = json.loads(json.dumps(identity))
        return read_back

    @property
    def n(self) -> int:
        """Negatives per query."""
        return int(self.policy["n"])

    @property
    def folder_name(self) -> str:
        """The teacher's name as the name of a file or folder, without characters that could lead elsewhere."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.teacher.name).strip(".-")[:80] or "teacher"

    def unmined(self) -> Manifest:
        """Returns the manifest of the same work before anything is done."""
        return Manifest(self.data, self.teacher, self.search, self.policy)

    def save(self, storage: Storage) -> None:
        """Writes the whole manifest in place of the last one."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "nvmine_version": self.nvmine_version,
            "data": self.data,
            "teacher": self.teacher.described,
            "search": self.search.described(),
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
            The folder holds no manifest, or it is damaged or has another format version.
        """
        path = root / NAME
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            raise RunError("is not a run folder: it holds no manifest.json", path=root) from None
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"cannot be read: {error}", path=path) from None
        try:
            content = json.loads(text)
            version = content["schema_version"]
            if version != SCHEMA_VERSION:
                raise RunError(
                    f"has format version {version}, and nvmine {_core.VERSION} reads version {SCHEMA_VERSION};"
                    " use the nvmine that wrote it, or mine into another folder",
                    path=path,
                )
            if content.pop("checksum") != _checksum(content):
                raise RunError("has been changed or damaged: its checksum does not match", path=path)
            return cls(
                data=content["data"],
                teacher=TeacherRecord(dict(content["teacher"])),
                search=SearchRecord.of(content["search"]),
                policy=content["policy"],
                shards={shard["path"]: Shard(**shard) for shard in content["shards"]},
                audit=content["audit"],
                nvmine_version=content["nvmine_version"],
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, RunError):
                raise
            raise RunError(f"is not the manifest of a run: {error!r}", path=path) from None


def _checksum(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

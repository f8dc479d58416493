"""The teacher and the search of a run, as typed values of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class TeacherRecord:
    """The description of a teacher, or of the teachers of an ensemble.

    Parameters
    ----------
    described
        Everything that changes the scores, ready for JSON, as the teacher's ``describe()`` returned it.
    """

    described: dict[str, Any]

    @classmethod
    def of_ensemble(cls, members: Mapping[str, TeacherRecord]) -> TeacherRecord:
        """The record of an ensemble, of members by the names of their folders."""
        return cls(
            {
                "kind": "ensemble",
                "name": "+".join(member.name for member in members.values()),
                "members": [member.described for member in members.values()],
                "folders": list(members),
            }
        )

    @property
    def kind(self) -> str:
        """The kind of teacher, such as ``bm25`` or ``dense``."""
        return str(self.described["kind"])

    @property
    def name(self) -> str:
        """The name that people call the teacher by."""
        return str(self.described.get("name") or self.kind)

    @property
    def is_ensemble(self) -> bool:
        """Whether the record is that of several teachers."""
        return self.kind == "ensemble"

    @property
    def folders(self) -> list[str]:
        """The folders of an ensemble's members, best teacher first."""
        return list(self.described.get("folders", ()))

    @property
    def members(self) -> list[TeacherRecord]:
        """The teachers of an ensemble, best first."""
        return [TeacherRecord(member) for member in self.described.get("members", ())]

    def identity(self) -> dict[str, Any]:
        """Returns everything that decides the scores, without names."""
        identity = unnamed(self.described)
        if self.members:
            identity["members"] = [unnamed(member.described) for member in self.members]
        return identity


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecord:
    """How the candidates were found, and how labels were checked.

    Parameters
    ----------
    members
        The searches of an ensemble's members; an ensemble has no search of its own.
    index
        ``exact``, a factory string of FAISS, or ``saved``.
    index_digests
        The digests of saved indexes.
    nprobe, ef_search
        How broadly the index was searched.
    depth
        Candidates kept for each query; 0 for an ensemble.
    rescorer
        The description of the rescorer.
    consistency, promote_above
        See :class:`nvmine.run.candidates.search.RelabelRules`.
    judge
        The description of the judge.
    on_relevant
        What happened to passages that the judge found relevant: ``drop`` or ``relabel``.
    """

    members: tuple[SearchRecord, ...] = ()
    index: str | None = None
    index_digests: list[str] | None = None
    nprobe: int | None = None
    ef_search: int | None = None
    depth: int = 0
    rescorer: dict[str, Any] | None = None
    consistency: int | None = None
    promote_above: float | None = None
    judge: dict[str, Any] | None = None
    on_relevant: str | None = None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> SearchRecord:
        """The record that :meth:`described` gave.

        Raises
        ------
        TypeError
            It has other keys.
        """
        members = tuple(cls.of(member) for member in described.get("members", ()))
        return cls(**{**described, "members": members})

    def described(self) -> dict[str, Any]:
        """Returns the fields that are set, ready for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["members"] = [member.described() for member in self.members]
        # An ensemble has no search of its own, and only an ensemble has members.
        del values["depth" if self.members else "members"]
        return {name: value for name, value in values.items() if value is not None}

    def identity(self) -> dict[str, Any]:
        """Returns everything that decides the candidates, without names."""
        identity = self.described()
        for name in ("judge", "rescorer"):
            if name in identity:
                identity[name] = unnamed(identity[name])
        if self.members:
            identity["members"] = [member.identity() for member in self.members]
        return identity


def unnamed(described: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a teacher or judge is, without its name and place; a name counts only if there is no digest."""
    called = {"folders", "url"}
    if "digest" in described or "members" in described:
        called |= {"name", "revision"}
    return {key: value for key, value in described.items() if key not in called}

"""One teacher's share of the work: what is to be mined and how, and the stages that do it.

Data → (vectors →) candidates → negatives. Each stage writes shards that are never made twice, so a run that was killed
goes on where it stopped and ends with the bytes of one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from nvmine.data import Dataset
from nvmine.errors import PolicyError, SearchError
from nvmine.policy import Policy
from nvmine.run.backends import Teacher, prepare
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.rescoring import RescoredSearch, Rescorer, discard_scores
from nvmine.run.candidates.search import CandidateSearch, Doubts
from nvmine.run.encode import stored_vectors
from nvmine.run.progress import Progress
from nvmine.run.searching import exhaustive_search
from nvmine.run.shards import mine_all, search_all
from nvmine.run.store.folder import Run
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.texts import store_texts
from nvmine.run.store.workspace import Workspace, open_workspace
from nvmine.search import ExhaustiveSearcher, FaissSearch, Searcher, digests_of, saved_indexes
from nvmine.teachers import Bm25Teacher, RandomTeacher, RankedTeacher


@dataclass(frozen=True, slots=True)
class FaissOptions:
    """A FAISS index, where the search is not exact: a factory string or saved files, and how broadly it is searched."""

    factory: str
    saved: Sequence[Path] = ()
    nprobe: int | None = None
    ef_search: int | None = None

    @classmethod
    def of(cls, index: str, *, nprobe: int | None, ef_search: int | None) -> FaissOptions | None:
        """The options of an index by its name; None for "exact".

        Raises
        ------
        SearchError
            An option is for an index, and the search is exact.
        """
        if index != "exact":
            return cls(index, saved_indexes(index), nprobe, ef_search)
        for name, value in {"nprobe": nprobe, "ef_search": ef_search}.items():
            if value is not None:
                raise SearchError("is for a FAISS index, and the search is exact", argument=name)
        return None

    def describe(self) -> dict[str, Any]:
        """What decides which passages are found, ready for JSON; of saved files what they hold, wherever they lie."""
        known = {"index": "saved", "index_digests": digests_of(self.saved)} if self.saved else {"index": self.factory}
        given = {"nprobe": self.nprobe, "ef_search": self.ef_search}
        return known | {name: value for name, value in given.items() if value is not None}


def refuse_ceiling(wanted: Manifest) -> None:
    """Refuses a ceiling relative to scores that mean nothing.

    Raises
    ------
    PolicyError
        The teacher is random, its candidates are not rescored, and the method asks for a positive's score.
    """
    random = wanted.teacher["kind"] == "random" and "rescorer" not in wanted.search
    if random and wanted.policy["method"] in ("perc", "margin"):
        message = "random scores tell nothing of relevance, nor does a positive's; use method='naive'"
        raise PolicyError(message, argument="method")


@dataclass(frozen=True)
class Work:
    """Everything about a run but its teacher."""

    dataset: Dataset
    split: str
    policy: Policy
    depth: int
    index: FaissOptions | None
    rescorer: Rescorer | None
    doubts: Doubts
    memory: int
    device: str | Sequence[str] | None
    threads: int | None
    bars: Progress

    def manifest(self, tutor: Teacher) -> Manifest:
        """The manifest of a teacher's run, without files.

        Raises
        ------
        SearchError, PolicyError
            The teacher has no vectors to index, or no scores that a ceiling could be relative to.
        """
        if self.index is not None and isinstance(tutor, Bm25Teacher | RandomTeacher | RankedTeacher):
            kind = tutor.describe()["kind"]
            message = f"{self.index.factory!r} is an index of vectors, and {kind} has none; leave it at 'exact'"
            raise SearchError(message, argument="index")
        search: dict[str, Any] = {"index": "exact"} if self.index is None else self.index.describe()
        search["depth"] = self.depth
        if self.rescorer is not None:
            search["rescorer"] = self.rescorer.describe()
        for name in ("consistency", "promote_above"):
            value = getattr(self.doubts, name)
            if value is not None:
                search[name] = value
        wanted = Manifest(
            data={
                "name": self.dataset.name,
                "split": self.split,
                "queries": len(self.dataset.query_ids),
                "passages": len(self.dataset.passage_ids),
                "positives": len(self.dataset.positive_passages),
                "digests": self.dataset.digests(),
            },
            teacher=tutor.describe(),
            search=search,
            policy=asdict(self.policy),
        )
        refuse_ceiling(wanted)
        return wanted

    @cached_property
    def labels(self) -> Labels:
        """The labels of the data, made when they are first needed, for all teachers."""
        return Labels.of(self.dataset, shingles=self.policy.near_duplicate is not None, threads=self.threads)

    def mine(self, tutor: Teacher, out: Path) -> Run:
        """Mines with one teacher into a folder, or goes on where that was stopped."""
        with open_workspace(out, self.manifest(tutor)) as workspace:
            if not workspace.manifest.finished:
                store_texts(workspace, self.dataset)
                # Encoding stays where the teacher was loaded, unless several devices share it.
                devices = None if isinstance(self.device, str) else self.device
                prepare(workspace, tutor, self.dataset, devices, self.bars)
                search_all(workspace, self.labels, partial(self._search, workspace), self.bars)
                discard_scores(workspace)
                mine_all(workspace, self.labels, self.policy, self.bars, self.threads)
        return Run.open(out)

    def _search(self, workspace: Workspace) -> CandidateSearch:
        exact: Callable[[], ExhaustiveSearcher] = cache(
            partial(
                exhaustive_search,
                workspace.root,
                workspace.manifest,
                self.dataset,
                memory=self.memory,
                device=self.device,
                threads=self.threads,
            )
        )
        searcher: Searcher = exact() if self.index is None else self._faiss(workspace, self.index)
        rest = (self.policy, self.depth, self.doubts)
        if self.rescorer is not None:
            searcher = RescoredSearch(workspace, searcher, self.rescorer, self.dataset)
            return CandidateSearch(self.labels, searcher, None, *rest)
        return CandidateSearch(self.labels, searcher, exact, *rest)

    def _faiss(self, workspace: Workspace, index: FaissOptions) -> FaissSearch:
        return FaissSearch(
            stored_vectors(workspace.root, workspace.manifest, "queries"),
            stored_vectors(workspace.root, workspace.manifest, "corpus"),
            factory=index.factory,
            memory=self.memory,
            saved=index.saved,
            nprobe=index.nprobe,
            ef_search=index.ef_search,
        )

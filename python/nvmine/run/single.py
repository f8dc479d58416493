"""The run of one teacher: what is to be mined and how, and the stages that do it.

Texts → vectors or an index → candidates → negatives. Each stage writes shards that are never made twice, so a run that
was killed continues where it stopped, and ends with the bytes of a run that was not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from nvmine.data import Dataset
from nvmine.errors import PolicyError, SearchError
from nvmine.policy import Policy
from nvmine.run.backends import SearchOptions, Stored, StoreJob, backend_of, exhaustive_search, stored_vectors
from nvmine.run.candidates.labels import Labels
from nvmine.run.candidates.rescoring import RescoredSearch, discard_scores
from nvmine.run.candidates.search import CandidateSearch, RelabelRules
from nvmine.run.progress import Progress
from nvmine.run.shards import mine_all, search_all
from nvmine.run.store.folder import Run
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.records import SearchRecord, TeacherRecord
from nvmine.run.store.texts import store_texts
from nvmine.run.store.workspace import Workspace, open_workspace
from nvmine.search import FaissOptions, FaissSearch, Searcher
from nvmine.teachers import Rescorer, Teacher


def refuse_ceiling(wanted: Manifest) -> None:
    """Refuses a ceiling that is relative to scores without a meaning.

    Raises
    ------
    PolicyError
        The teacher is random, its candidates are not rescored, and the method needs a positive's score.
    """
    meaningless = not backend_of(wanted.teacher).scores_relevance and wanted.search.rescorer is None
    if meaningless and wanted.policy["method"] in ("perc", "margin"):
        message = "random scores say nothing about relevance, nor does a positive's; use method='naive'"
        raise PolicyError(message, argument="method")


@dataclass(frozen=True)
class Work:
    """Everything about a run except its teacher."""

    dataset: Dataset
    split: str
    policy: Policy
    depth: int
    index: FaissOptions | None
    rescorer: Rescorer | None
    rules: RelabelRules
    options: SearchOptions
    bars: Progress

    def manifest(self, teacher: Teacher) -> Manifest:
        """Returns the manifest of a teacher's run, without files.

        Raises
        ------
        SearchError, PolicyError
            The teacher has no vectors to index, or no scores that a ceiling could be relative to.
        """
        record = TeacherRecord(teacher.describe())
        if self.index is not None and not backend_of(record).has_vectors:
            message = f"{self.index.factory!r} is an index of vectors, but {record.kind} has none; use index='exact'"
            raise SearchError(message, argument="index")
        wanted = Manifest(
            data={
                "name": self.dataset.name,
                "split": self.split,
                "queries": len(self.dataset.query_ids),
                "passages": len(self.dataset.passage_ids),
                "positives": len(self.dataset.positive_passages),
                "digests": self.dataset.digests(),
            },
            teacher=record,
            search=SearchRecord(
                **({"index": "exact"} if self.index is None else self.index.describe()),
                depth=self.depth,
                rescorer=None if self.rescorer is None else self.rescorer.describe(),
                consistency=self.rules.consistency,
                promote_above=self.rules.promote_above,
            ),
            policy=asdict(self.policy),
        )
        refuse_ceiling(wanted)
        return wanted

    @cached_property
    def labels(self) -> Labels:
        """The labels of the data, made when they are first needed, for all teachers."""
        shingles = self.policy.near_duplicate is not None
        return Labels.of(self.dataset, shingles=shingles, threads=self.options.threads)

    def mine(self, teacher: Teacher, out: Path) -> Run:
        """Mines with one teacher into a folder, or continues what is there."""
        with open_workspace(out, self.manifest(teacher)) as workspace:
            if not workspace.manifest.finished:
                store_texts(workspace, self.dataset)
                # Encoding stays where the teacher was loaded, unless several devices share it.
                devices = None if isinstance(self.options.device, str) else self.options.device
                job = StoreJob(workspace, teacher, self.dataset, devices, self.bars)
                backend_of(workspace.manifest.teacher).store(job)
                search_all(workspace, self.labels, lambda: self._search(workspace), self.bars)
                discard_scores(workspace)
                mine_all(workspace, self.labels, self.policy, self.bars, self.options.threads)
        return Run.open(out)

    def _search(self, workspace: Workspace) -> CandidateSearch:
        exact = exhaustive_search(Stored(workspace.root, workspace.manifest, self.dataset, self.options))
        searcher: Searcher = exact() if self.index is None else self._faiss(workspace, self.index)
        if self.rescorer is None:
            return CandidateSearch(self.labels, searcher, exact, self.policy, self.depth, self.rules)
        rescored = RescoredSearch(workspace, searcher, self.rescorer, self.dataset)
        return CandidateSearch(self.labels, rescored, None, self.policy, self.depth, self.rules)

    def _faiss(self, workspace: Workspace, index: FaissOptions) -> FaissSearch:
        return FaissSearch(
            stored_vectors(workspace.root, workspace.manifest, "queries"),
            stored_vectors(workspace.root, workspace.manifest, "corpus"),
            factory=index.factory,
            memory=self.options.memory,
            saved=index.saved,
            nprobe=index.nprobe,
            ef_search=index.ef_search,
        )

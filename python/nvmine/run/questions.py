"""Questions put to a judge, none of them twice: by what is written down, here and in other runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple

import polars as pl
from nvmine.data import Dataset
from nvmine.errors import TeacherError, quote
from nvmine.files import read_table
from nvmine.judges.journal import SCHEMA, Verdicts
from nvmine.run.store.folder import VERDICTS
from nvmine.run.store.workspace import Workspace
from nvmine.teachers import ChatJudge, Judge, Question, Verdict

_JOURNAL = "verdicts.jsonl"


class Hearing:
    """Questions put to a judge, none of them twice.

    Parameters
    ----------
    judge
        Who is asked.
    dataset
        The texts, and the positives.
    workspace
        The run folder, where the journal lies until its verdicts are a file of the run.
    earlier
        Tables of verdicts that are known.

    Attributes
    ----------
    dataset : Dataset
        The data.
    relevant : dict
        The row numbers of passages that were found relevant, by the query's id.
    """

    def __init__(self, judge: Judge, dataset: Dataset, workspace: Workspace, earlier: Sequence[pl.DataFrame]) -> None:
        self._judge, self.dataset = judge, dataset
        self._passages = {name: row for row, name in enumerate(dataset.passage_ids)}
        self.relevant: dict[str, list[int]] = {}
        self._heard: dict[tuple[str, str], Verdict] = {}
        self._asked: set[tuple[str, str]] = set()
        self._path = workspace.root / _JOURNAL
        stored = [read_table(workspace.root / VERDICTS)] if workspace.has(VERDICTS) else []
        for table in [*stored, *earlier]:
            for query, passage, *verdict in table.iter_rows():
                self._heard.setdefault((query, passage), Verdict(*verdict))

    @contextmanager
    def opened(self) -> Iterator[None]:
        """While questions may be asked."""
        with Verdicts.open(self._path) as self._journal:
            for query, passage, *verdict in self._journal.table().iter_rows():
                self._heard[query, passage] = Verdict(*verdict)
            if isinstance(self._judge, ChatJudge):
                # Its caps are those of the whole run.
                self._judge.asked, self._judge.spent = len(self._journal), self._journal.spent
            yield

    def ask(self, pairs: Sequence[tuple[int, int]], done: Callable[[int], object]) -> bool:
        """Has pairs of a query's and a passage's row judged; whether any passage was found relevant."""
        dataset = self.dataset
        names = {(dataset.query_ids[query], dataset.passage_ids[passage]): query for query, passage in pairs}
        self._asked.update(names)
        questions = [self._question(query, *name) for name, query in names.items() if name not in self._heard]

        def answered(number: int, verdict: Verdict) -> None:
            question = questions[number]
            self._journal.append(question, verdict)
            self._heard[question.query_id, question.passage_id] = verdict
            done(1)

        if questions:
            self._judge.ask(questions, answered)
        silent = next((name for name in names if name not in self._heard), None)
        if silent is not None:
            message = f"the judge has said nothing about passage {quote(silent[1])}; it has to answer every question"
            raise TeacherError(message, query=silent[0])
        relevant = [name for name in names if self._heard[name].relevant]
        for query_id, passage_id in relevant:
            self.relevant.setdefault(query_id, []).append(self._passages[passage_id])
        return bool(relevant)

    def table(self) -> pl.DataFrame:
        """The verdicts on all pairs that were asked for, by query and passage."""
        return pl.DataFrame(
            [(*pair, *astuple(self._heard[pair])) for pair in sorted(self._asked)], SCHEMA, orient="row"
        )

    def close(self) -> None:
        """Removes the journal, whose verdicts are a file of the run by now."""
        self._path.unlink(missing_ok=True)

    def _question(self, query: int, query_id: str, passage_id: str) -> Question:
        dataset = self.dataset
        positives = tuple(dataset.passage_texts[row] for row in dataset.positives(query).tolist())
        passage = dataset.passage_texts[self._passages[passage_id]]
        return Question(query_id, passage_id, dataset.query_texts[query], passage, positives)

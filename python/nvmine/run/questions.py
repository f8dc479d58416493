"""Questions for a judge, none of them asked twice: verdicts are kept, and taken over from other runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple

import polars as pl

from nvmine.data import Dataset
from nvmine.errors import TeacherError, quote
from nvmine.files import read_table
from nvmine.judges import ChatJudge, Judge, Question, Verdict
from nvmine.judges.journal import SCHEMA, VerdictJournal
from nvmine.run.store.folder import VERDICTS
from nvmine.run.store.workspace import Workspace

_JOURNAL = "verdicts.jsonl"

# A query and a passage, by their row numbers.
Pair = tuple[int, int]


class JudgeSession:
    """Asks a judge about pairs of a query and a passage, and remembers its verdicts.

    Parameters
    ----------
    judge
        The judge to ask.
    dataset
        The texts and the positives.
    workspace
        The run folder, which holds the journal until its verdicts are a file of the run.
    earlier
        Tables of verdicts that are known.

    Attributes
    ----------
    relevant : dict
        The passages that were found relevant, by the query. Both are row numbers.
    """

    def __init__(self, judge: Judge, dataset: Dataset, workspace: Workspace, earlier: Sequence[pl.DataFrame]) -> None:
        self._judge, self._dataset, self._path = judge, dataset, workspace.root / _JOURNAL
        self._queries = {name: row for row, name in enumerate(dataset.query_ids)}
        self._passages = {name: row for row, name in enumerate(dataset.passage_ids)}
        self.relevant: dict[int, list[int]] = {}
        self._known: dict[Pair, Verdict] = {}
        self._asked: set[Pair] = set()
        stored = [read_table(workspace.root / VERDICTS)] if workspace.has(VERDICTS) else []
        for table in [*stored, *earlier]:
            for pair, verdict in self._read(table):
                self._known.setdefault(pair, verdict)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Opens the journal; questions may be asked meanwhile."""
        with VerdictJournal.open(self._path) as self._journal:
            self._known.update(self._read(self._journal.table()))
            if isinstance(self._judge, ChatJudge):
                # Its caps hold for the whole run.
                self._judge.asked, self._judge.spent = len(self._journal), self._journal.spent
            yield

    def ask(self, pairs: Sequence[Pair], done: Callable[[int], object]) -> bool:
        """Has pairs judged that have no verdict yet; returns whether any passage of `pairs` is relevant."""
        distinct = list(dict.fromkeys(pairs))
        self._asked.update(distinct)
        unknown = [pair for pair in distinct if pair not in self._known]
        questions = [self._question(*pair) for pair in unknown]

        def answered(number: int, verdict: Verdict) -> None:
            self._journal.append(questions[number], verdict)
            self._known[unknown[number]] = verdict
            done(1)

        if questions:
            self._judge.ask(questions, answered)
        for pair, question in zip(unknown, questions, strict=True):
            if pair not in self._known:
                passage = quote(question.passage_id)
                message = f"the judge has not answered about passage {passage}; it has to answer every question"
                raise TeacherError(message, query=question.query_id)
        relevant = [pair for pair in distinct if self._known[pair].relevant]
        for query, answer in relevant:
            self.relevant.setdefault(query, []).append(answer)
        return bool(relevant)

    def table(self) -> pl.DataFrame:
        """Returns the verdicts on all pairs that were asked for, ordered by the ids of query and passage."""
        queries, passages = self._dataset.query_ids, self._dataset.passage_ids
        rows = [(queries[pair[0]], passages[pair[1]], *astuple(self._known[pair])) for pair in self._asked]
        return pl.DataFrame(sorted(rows, key=lambda row: row[:2]), SCHEMA, orient="row")

    def close(self) -> None:
        """Removes the journal, whose verdicts are a file of the run by now."""
        self._path.unlink(missing_ok=True)

    def _read(self, table: pl.DataFrame) -> Iterable[tuple[Pair, Verdict]]:
        for query, passage, *verdict in table.iter_rows():
            yield (self._queries[query], self._passages[passage]), Verdict(*verdict)

    def _question(self, query: int, passage: int) -> Question:
        dataset = self._dataset
        return Question(
            dataset.query_ids[query],
            dataset.passage_ids[passage],
            dataset.query_texts[query],
            dataset.passage_texts[passage],
            tuple(dataset.passage_texts[row] for row in dataset.positives(query).tolist()),
        )

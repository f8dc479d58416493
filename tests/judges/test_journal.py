"""The journal of verdicts: what it holds after a kill at any point, and that damaged lines are refused."""

from __future__ import annotations

import errno
import os
import random
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmine.errors import RunError, TeacherError
from nvmine.judges.journal import SCHEMA, VerdictJournal
from nvmine.judges.judge import Question, Verdict

THREE = [
    (Question("q2", "p1", "", "", ()), Verdict(True, '{"relevant": true}', 100, 5, 0.25)),
    (Question("q1", "p9", "", "", ()), Verdict(False, "né\n\x00 \u2028 \U0001f600", 7, 0, 1e-9)),
    (Question("q1", "é", "", "", ()), Verdict(False, "")),
]

texts = st.text(st.characters(codec="utf-8"), max_size=6)
verdicts = st.builds(
    Verdict, st.booleans(), texts, st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 100, allow_nan=False)
)
questions = st.builds(Question, texts, texts, st.just(""), st.just(""), st.just(()))
entries = st.lists(st.tuples(questions, verdicts), max_size=4, unique_by=lambda entry: pair(entry[0]))


def pair(question: Question) -> tuple[str, str]:
    return question.query_id, question.passage_id


def written(path: Path, held: list[tuple[Question, Verdict]]) -> bytes:
    with VerdictJournal.open(path) as journal:
        for question, verdict in held:
            journal.append(question, verdict)
    return path.read_bytes()


def assert_holds(journal: VerdictJournal, held: list[tuple[Question, Verdict]]) -> None:
    assert len(journal) == len(held)
    assert all(journal.get(*pair(question)) == verdict for question, verdict in held)
    assert journal.spent == pytest.approx(sum(verdict.cost for _, verdict in held))


def test_a_verdict_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    with VerdictJournal.open(path) as journal:
        assert_holds(journal, [])
        assert journal.get("q1", "p9") is None
        for number, (question, verdict) in enumerate(THREE, 1):
            journal.append(question, verdict)
            with VerdictJournal.open(path) as other:  # on disk at once, not at the end
                assert_holds(other, THREE[:number])
    with VerdictJournal.open(path) as journal:
        assert_holds(journal, THREE)
        assert journal.get("p9", "q1") is None
    assert path.read_bytes().count(b"\n") == 3


def assert_survives(path: Path, content: bytes, held: list[tuple[Question, Verdict]], cut: int) -> None:
    whole = content[:cut].count(b"\n")
    path.write_bytes(content[:cut])
    with VerdictJournal.open(path) as journal:
        assert_holds(journal, held[:whole])
        for question, verdict in held[whole:]:
            journal.append(question, verdict)
    assert path.read_bytes() == content


def test_a_kill_at_any_byte_loses_at_most_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    content = written(path, THREE)
    for cut in range(len(content) + 1):
        assert_survives(path, content, THREE, cut)


@given(held=entries, data=st.data())
def test_a_kill_at_any_byte_of_any_journal_loses_no_other_line(
    held: list[tuple[Question, Verdict]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.jsonl"
        content = written(path, held)
        assert_survives(path, content, held, data.draw(st.integers(0, len(content))))


@given(position=st.integers(0, 10**4), byte=st.integers(0, 255))
def test_a_changed_byte_is_never_read_as_a_verdict(position: int, byte: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.jsonl"
        content = bytearray(written(path, THREE))
        position %= len(content)
        content[position] = byte
        path.write_bytes(content)
        lines = {content[:end].count(b"\n") + 1 for end in (position, position + 1)}
        try:
            journal = VerdictJournal.open(path)
        except RunError as error:
            path_and_line = error.path, error.line in lines
        else:
            path_and_line = str(path), True
            with journal:
                assert_holds(journal, THREE[:2] if position == len(content) - 1 and byte != ord("\n") else THREE)
        assert path_and_line == (str(path), True)


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"7", b"{}", b"\xff", b"{" * 100_000, b'{"checksum":"0"}', b'{"query_id":"q","passage_id":"p"}'],
    ids=lambda line: repr(line[:12]),
)
def test_a_line_that_is_not_a_verdict_is_refused_with_its_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "verdicts.jsonl"
    first, *others = written(path, THREE).splitlines(keepends=True)
    content = first + line + b"\n" + b"".join(others)
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"verdicts\.jsonl:2: .*delete the line") as caught:
        VerdictJournal.open(path)
    assert caught.value.line == 2
    assert path.read_bytes() == content


def test_the_first_verdict_on_a_pair_counts_and_both_cost(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    question = THREE[0][0]
    first, second = Verdict(True, "yes", cost=1.0), Verdict(False, "no", cost=2.0)
    written(path, [(question, first), (question, second)])
    with VerdictJournal.open(path) as journal:
        assert journal.get(*pair(question)) == first
        assert (len(journal), journal.spent, journal.table().height) == (1, 3.0, 1)


def test_the_table_does_not_depend_on_the_order_of_answers(tmp_path: Path) -> None:
    held = [
        (Question(f"q{query}", passage, "", "", ()), Verdict(query % 2 == 0, "", query, 0, query / 8))
        for query in range(12)
        for passage in ("z", "é", "\U0001f600", "B", "a")
    ]
    tables = []
    for seed in range(3):
        shuffled = random.Random(seed).sample(held, len(held))
        written(tmp_path / f"{seed}.jsonl", shuffled)
        with VerdictJournal.open(tmp_path / f"{seed}.jsonl") as journal:
            tables.append(journal.table())
    assert all(table.equals(tables[0]) for table in tables)
    assert tables[0].equals(tables[0].sort("query_id", "passage_id"))
    assert tables[0].height == len(held)


@pytest.mark.parametrize("held", [[], THREE])
def test_the_table_always_has_the_same_schema(tmp_path: Path, held: list[tuple[Question, Verdict]]) -> None:
    written(tmp_path / "verdicts.jsonl", held)
    with VerdictJournal.open(tmp_path / "verdicts.jsonl") as journal:
        table = journal.table()
    assert table.schema == pl.Schema(SCHEMA)
    assert table.null_count().sum_horizontal().item() == 0


def test_a_cost_can_be_a_whole_number(tmp_path: Path) -> None:
    written(tmp_path / "verdicts.jsonl", [(THREE[0][0], Verdict(True, "", cost=3))])
    with VerdictJournal.open(tmp_path / "verdicts.jsonl") as journal:
        assert journal.table()["cost"].to_list() == [3.0]


def test_a_full_disk_leaves_no_partial_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "verdicts.jsonl"

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with VerdictJournal.open(path) as journal:
        journal.append(*THREE[0])
        before = path.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(RunError, match=r"No space left on device; free the disk") as caught:
                journal.append(*THREE[1])
        assert caught.value.path == str(path)
        assert path.read_bytes() == before
        assert_holds(journal, THREE[:1])
        journal.append(*THREE[1])
    with VerdictJournal.open(path) as journal:
        assert_holds(journal, THREE[:2])


def test_a_path_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "verdicts.jsonl"):
        with pytest.raises(RunError, match="cannot be opened as a journal"):
            VerdictJournal.open(path)


def test_a_verdict_with_invalid_fields_is_refused() -> None:
    for fields in ({"tokens_in": -1}, {"tokens_out": 1.0}, {"cost": float("nan")}, {"cost": True}, {"cost": 10**400}):
        with pytest.raises(TeacherError, match="must be a number of at least 0"):
            Verdict(True, "", **fields)
    for relevant, answer in ((1, ""), (True, None)):
        with pytest.raises(TeacherError, match="a verdict needs a bool and a text"):
            Verdict(relevant, answer)  # type: ignore[arg-type]
    assert Verdict(True, "x" * 5000).answer == "x" * 1000
    assert Verdict(True, "a\ud800b").answer == "a�b"

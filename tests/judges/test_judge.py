"""What all judges share: the judge that calls a function, the prompt, and the parser of answers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat_judging import HOSTILE, Delivered, numbered
from chat_server import LINES
from nvmine.errors import TeacherError
from nvmine.judges import CallableJudge, Question, Verdict
from nvmine.judges.prompt import PROMPT, Prompt, read_answer

# The callable judge


def test_a_function_may_return_bools_or_verdicts() -> None:
    verdict = Verdict(True, "Yes.", 10, 1, 0.5)
    judge = CallableJudge("rule", lambda asked: verdict if asked.query_id == "q1" else False, version="3")
    delivered = Delivered()
    judge.ask(numbered(3), delivered)
    assert delivered == {0: Verdict(False, ""), 1: verdict, 2: Verdict(False, "")}
    assert json.loads(json.dumps(judge.describe())) == {"kind": "callable", "name": "rule", "version": "3"}


@pytest.mark.parametrize("result", [None, 1, "yes", 0.7])
def test_another_result_of_a_function_is_refused(result: Any) -> None:
    delivered = Delivered()
    judge = CallableJudge("rule", lambda asked: result if asked.query_id == "q1" else True)
    with pytest.raises(TeacherError, match=f"returned a {type(result).__name__} for passage 'p1'") as caught:
        judge.ask(numbered(3), delivered)
    assert caught.value.query == "q1"
    assert list(delivered) == [0]


def test_exceptions_of_the_function_are_chained_and_those_of_the_caller_pass() -> None:
    def fail(asked: Question) -> bool:
        raise KeyError("lost")

    with pytest.raises(TeacherError, match=r"query 'q0'.*'rule' fails on passage 'p0' \(KeyError: 'lost'\)") as caught:
        CallableJudge("rule", fail).ask(numbered(1), Delivered())
    assert isinstance(caught.value.__cause__, KeyError)

    def full(number: int, verdict: Verdict) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        CallableJudge("rule", lambda _: True).ask(numbered(1), full)


# The prompt


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_stays_within_its_quotation(text: str) -> None:
    mended = text.replace("\ud83d", "�")
    asked = Question("q", "p", text, text, (text, text))
    assert [json.loads(line) for line in Prompt(LINES).fill(asked).split("\n")] == [mended, [mended, mended], mended]
    filled = Prompt().fill(asked)
    assert filled.count("\n") == PROMPT.count("\n")
    assert json.dumps(mended, ensure_ascii=False) in filled
    assert filled.endswith(PROMPT[PROMPT.index("The passage is relevant") :])


@given(st.text(st.characters(), max_size=20))
def test_any_text_is_inserted_as_a_json_string(text: str) -> None:
    shown = json.loads(Prompt("{query}|{passage}").fill(Question("q", "p", "", text, ())).removeprefix('""|'))
    assert shown == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_long_texts_are_truncated_and_three_positives_shown() -> None:
    asked = Question("q", "p", "12345", "123456", tuple("1234567" for _ in range(5)))
    shown = [json.loads(line) for line in Prompt(LINES, 5).fill(asked).split("\n")]
    assert shown == ["12345", ["12345…"] * 3, "12345…"]


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("", "none"),
        ("{query}", "'query'"),
        ("{passage} {positives}", "'passage', 'positives'"),
        ("{query} {passage} {text}", "'passage', 'query', 'text'"),
    ],
)
def test_a_prompt_with_wrong_placeholders_is_refused(template: str, found: str) -> None:
    with pytest.raises(TeacherError, match=re.escape(f"but contains {found}")):
        Prompt(template)


def test_max_chars_must_be_positive() -> None:
    with pytest.raises(TeacherError, match=r"'max_chars': must be at least 1, not 0"):
        Prompt(max_chars=0)


# The answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"relevant": true}', True),
        ('{"relevant":false}', False),
        ('```json\n{\n "relevant": true\n}\n```', True),
        ('Sure! Here: {"relevant": false, "reason": "{braces} and \\"quotes\\""} Bye.', False),
        ('{"reason": "it says {\\"relevant\\": true}", "relevant": false}', False),
        ('<think>{"relevant": true}? No.</think>\n{"relevant": false}', False),
        ("Yes", True),
        ("no.", False),
        ('  **"NO"**, it merely shares words', False),
        ("yes, since {x} holds", True),
        ("I think maybe", None),
        ("Not sure", None),
        ("nothing", None),
        ("yesterday", None),
        ("", None),
        ('{"relevant": "yes"}', None),
        ('{"relevant": 1}', None),
        ('{"relevant": null}', None),
        ('{"relevant": tr', None),
        ('{"relevant": true} or {"relevant": false}', None),
        ('<think>{"relevant": true}', True),
        ("<think>yes</think>", None),
        ("{" * 50_000, None),
        ('{"a":' * 10_000, None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_read_answer_finds_the_verdict(answer: str, expected: bool | None) -> None:
    assert read_answer(answer) is expected


@given(st.text(st.characters(), max_size=40))
@example('{"relevant": [{"relevant": true')
def test_read_answer_accepts_any_text(answer: str) -> None:
    assert read_answer(answer) in (True, False, None)

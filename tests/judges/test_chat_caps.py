"""Caps of the chat judge: no question and no cost beyond them, and what failed attempts cost."""

from __future__ import annotations

import pytest

from chat_judging import Delivered, Serve, by_attempt, judge_of, numbered, question
from chat_server import LINES, YES, Answer, refuse, say
from nvmine.errors import TeacherError
from nvmine.judges.prompt import Prompt


def test_no_question_is_asked_beyond_the_cap(serve: Serve) -> None:
    server = serve(lambda asked: YES)
    judge = judge_of(server, max_questions=5)
    delivered = Delivered()
    with pytest.raises(
        TeacherError, match=r"'max_questions': .* 5 questions are answered, 7 are left.* nothing is asked twice"
    ):
        judge.ask(numbered(12), delivered)
    assert sorted(delivered) == [0, 1, 2, 3, 4]
    assert len(server.asked) == 5
    judge.ask([], Delivered())
    resumed = judge_of(server, max_questions=6)
    resumed.asked = 5
    with pytest.raises(TeacherError, match="6 questions are answered, 6 are left"):
        resumed.ask(numbered(12)[5:], Delivered())
    assert len(server.asked) == 6
    judge_of(server, max_questions=2).ask(numbered(2), Delivered())


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_the_cost_never_exceeds_the_cap(serve: Serve, concurrency: int) -> None:
    # The endpoint reports 1000 tokens in and 64 out, at least the estimate for 4000 characters.
    server = serve(lambda asked: say("yes", tokens=(1000, 64)))
    judge = judge_of(server, price_in=1000.0, price_out=1000.0, max_cost=10.0, concurrency=concurrency)
    asked = [question("x" * 3960, number=number, positives=()) for number in range(40)]
    delivered = Delivered()
    with pytest.raises(TeacherError, match=r"'max_cost': .* 9 questions are answered, 31 are left, .* is 9\.576;"):
        judge.ask(asked, delivered)
    assert len(delivered) == len(server.asked) == 9
    assert sum(verdict.cost for verdict in delivered.values()) == pytest.approx(judge.spent) == pytest.approx(9.576)


def test_earlier_costs_count_towards_the_cap(serve: Serve) -> None:
    server = serve(lambda asked: YES)
    judge = judge_of(server, price_in=1.0, max_cost=1.0)
    judge.asked, judge.spent = 70, 0.999999
    with pytest.raises(TeacherError, match=r"70 questions are answered, 3 are left, and the cost so far is 0\.999999;"):
        judge.ask(numbered(3), Delivered())
    assert server.asked == []


def test_attempts_that_may_have_been_billed_count_as_cost(serve: Serve) -> None:
    prices = {"price_in": 10.0, "price_out": 1000.0, "concurrency": 1}
    asked = [question("x" * 40)]
    estimate = (len(Prompt(LINES).fill(asked[0])) / 4 * 10 + 64 * 1000) / 1e6
    reported = (100 * 10 + 5 * 1000) / 1e6
    for answer, cost, tokens in (
        (say("maybe"), reported, (200, 10)),
        (say("maybe", tokens=None), estimate, (100, 5)),
        (say("maybe", tokens=(-1, 10**400)), estimate, (100, 5)),
        (Answer(YES.body, sent=20), estimate, (100, 5)),
        (Answer(b'{"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 5}}'), reported, (200, 10)),
        (refuse(500), 0.0, (100, 5)),
        (refuse(429), 0.0, (100, 5)),
    ):
        judge = judge_of(serve(by_attempt(answer, YES)), **prices)
        delivered = Delivered()
        judge.ask(asked, delivered)
        assert delivered[0].cost == pytest.approx(cost + reported)
        assert judge.spent == pytest.approx(cost + reported)
        assert (delivered[0].tokens_in, delivered[0].tokens_out) == tokens


def test_the_cap_holds_for_an_endpoint_that_reports_no_tokens(serve: Serve) -> None:
    server = serve(lambda asked: say("yes", tokens=None))
    judge = judge_of(server, price_out=1e6, max_cost=64 * 3.5, concurrency=4)
    with pytest.raises(TeacherError, match="3 questions are answered, 7 are left"):
        judge.ask(numbered(10), Delivered())
    assert len(server.asked) == 3


def test_the_cap_holds_for_retries(serve: Serve) -> None:
    server = serve(lambda asked: say("maybe", tokens=(0, 64)))
    judge = judge_of(server, price_out=1e6, max_cost=64 * 3, retries=10)
    with pytest.raises(TeacherError, match="0 questions are answered, 1 are left, and the cost so far is 192;"):
        judge.ask(numbered(1), Delivered())
    assert len(server.asked) == 3

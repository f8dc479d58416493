"""The chat judge: concurrency, waits, interrupts and settings."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import sys
import threading
from typing import Any

import pytest

from chat_judging import KEY, Delivered, Serve, judge_of, numbered, question
from chat_server import NO, YES, Answer, Asked, refuse
from nvmine.errors import MissingExtraError, TeacherError
from nvmine.judges import ChatJudge, Verdict
from nvmine.judges.prompt import PROMPT

# Concurrency and waits


def test_requests_run_concurrently_up_to_the_limit(serve: Serve) -> None:
    barrier = threading.Barrier(6)

    def behave(asked: Asked) -> Answer:
        barrier.wait(timeout=120)  # passes only if six requests are in flight at once
        return YES

    server = serve(behave)
    delivered = Delivered()
    judge_of(server, concurrency=6).ask(numbered(30), delivered)
    assert len(delivered) == 30
    assert server.most == 6


def test_a_verdict_is_delivered_as_soon_as_it_arrives(serve: Serve) -> None:
    heard = threading.Event()
    server = serve(lambda asked: YES if "passage 1" in asked.prompt or heard.wait() else NO)
    order: list[int] = []

    def answered(number: int, verdict: Verdict) -> None:
        order.append(number)
        heard.set()  # lets the other question be answered

    judge_of(server, concurrency=2).ask(numbered(2), answered)
    assert order == [1, 0]


def test_ask_works_inside_a_running_event_loop(serve: Serve) -> None:
    judge = judge_of(serve(lambda asked: YES))

    async def cell() -> Delivered:
        delivered = Delivered()
        judge.ask(numbered(3), delivered)
        return delivered

    assert len(asyncio.run(cell())) == 3


def test_paid_verdicts_are_delivered_before_an_error(serve: Serve) -> None:
    refused = threading.Event()
    barrier = threading.Barrier(4)

    def behave(asked: Asked) -> Answer:
        barrier.wait(timeout=120)
        if "passage 2" in asked.prompt:
            refused.set()
            return refuse(401)
        assert refused.wait(timeout=120)
        return YES

    server = serve(behave)
    judge = judge_of(server, concurrency=4)
    delivered = Delivered()
    with pytest.raises(TeacherError, match="HTTP 401"):
        judge.ask(numbered(4), delivered)
    assert sorted(delivered) == [0, 1, 3]
    assert judge.asked == 3


def test_a_failure_ends_waits_and_starts_no_request(serve: Serve) -> None:
    """One question must wait a minute, longer than this test may take; the failure of the other ends the wait."""
    told = threading.Event()

    def behave(asked: Asked) -> Answer:
        if "passage 0" in asked.prompt:
            told.set()
            return refuse(429, Retry_After="3600")
        assert told.wait(timeout=120)
        return refuse(403)

    server = serve(behave)
    with pytest.raises(TeacherError, match="HTTP 403"):
        judge_of(server, concurrency=2).ask(numbered(10), Delivered())
    assert sum("passage 0" in asked.prompt for asked in server.asked) == 1
    assert len(server.asked) == 2


def waits(serve: Serve, monkeypatch: pytest.MonkeyPatch, answer: Answer, **options: Any) -> list[list[float]]:
    """Returns the seconds that two questions would wait before each attempt, without waiting."""
    waited: list[float] = []
    wait_for = asyncio.wait_for

    async def at_once(awaitable: Any, seconds: float) -> Any:
        waited.append(seconds)
        return await wait_for(awaitable, 0)

    server = serve(lambda asked: answer)
    found = []
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "wait_for", at_once)
        for number in range(2):
            waited.clear()
            with pytest.raises(TeacherError):
                judge_of(server, **options).ask([question(number=number)], Delivered())
            found.append(list(waited))
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("3600", 60.0),
        ("9" * 5000, 60.0),
        ("inf", 60.0),
        ("nan", 0.0),
        ("-3", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2315 07:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2315 07:28:00 -0000", 0.0),
    ],
    ids=lambda value: str(value)[:40],
)
def test_retry_after_is_honoured(serve: Serve, monkeypatch: pytest.MonkeyPatch, value: str, expected: float) -> None:
    found = waits(serve, monkeypatch, refuse(429, Retry_After=value), retries=2)
    assert found == [[0.0, expected, expected]] * 2


def test_backoff_grows_is_bounded_and_differs_by_question(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    found = waits(serve, monkeypatch, refuse(500), retries=8, backoff=4.0)
    assert found == waits(serve, monkeypatch, refuse(500), retries=8, backoff=4.0)
    assert found[0] != found[1]
    for waited in found:
        assert waited[0] == 0
        assert max(waited) > 16
        assert all(0 < wait < longest for wait, longest in zip(waited[1:], [4, 8, 16, 32, 60, 60, 60, 60], strict=True))


# Interrupts and errors


def test_an_interrupt_stops_at_once(serve: Serve) -> None:
    """Sends a real signal while three requests are in flight that get no answer."""
    arrived = itertools.count(1)

    def behave(asked: Asked) -> Answer:
        if next(arrived) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        server.closing.wait()
        return YES

    server = serve(behave)
    # A shell starts background jobs with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            judge_of(server, concurrency=3).ask(numbered(9), Delivered())
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(server.asked) == 3
    assert not [thread for thread in threading.enumerate() if "portal" in thread.name]


def test_an_interrupt_of_the_caller_delivers_what_has_arrived(serve: Serve) -> None:
    arrived = itertools.count(1)
    moved_on = threading.Event()

    def behave(asked: Asked) -> Answer:
        number = next(arrived)
        if number == 6:
            moved_on.set()  # three more requests wait, so three answers have been received
        if number > 3:
            server.closing.wait()
        return YES

    heard: list[int] = []

    def answered(number: int, verdict: Verdict) -> None:
        heard.append(number)
        if len(heard) == 1:
            assert moved_on.wait(timeout=120)
            raise KeyboardInterrupt

    server = serve(behave)
    judge = judge_of(server, concurrency=3)
    with pytest.raises(KeyboardInterrupt):
        judge.ask(numbered(50), answered)
    assert len(set(heard)) == len(heard) == judge.asked == 3


def test_an_error_of_the_caller_stops_the_requests(serve: Serve) -> None:
    server = serve(lambda asked: NO if "passage 0" not in asked.prompt and server.closing.wait() else YES)

    def full(number: int, verdict: Verdict) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        judge_of(server, concurrency=1).ask(numbered(5), full)
    assert len(server.asked) <= 2


# Settings


@pytest.mark.usefixtures("client")
def test_the_description_holds_all_that_changes_verdicts_and_nothing_else() -> None:
    judge = ChatJudge("m", base_url="https://example.org/v1/", api_key=KEY, extra_body={"seed": 1}, max_questions=7)
    described = judge.describe()
    assert json.loads(json.dumps(described)) == described
    assert described == {
        "kind": "chat",
        "model": "m",
        "url": "https://example.org/v1/chat/completions",
        "prompt": PROMPT,
        "max_chars": 4000,
        "temperature": 0.0,
        "max_tokens": 64,
        "extra_body": {"seed": 1},
    }


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"base_url": "ftp://example.org"},
            "'base_url': must be an http or https URL with a host and optionally a path, not 'ftp://example.org'",
        ),
        ({"base_url": "example.org/v1"}, "must be an http or https URL"),
        ({"base_url": "file:///etc/passwd"}, "must be an http or https URL"),
        ({"base_url": "https://"}, "must be an http or https URL"),
        ({"base_url": "https://example.org/v1?key=1"}, "with a host and optionally a path, not"),
        ({"base_url": "https://example.org:port"}, "'base_url': must be a URL, not 'https://example.org:port'"),
        ({"base_url": f"https://me:{KEY}@example.org"}, "'base_url': must not contain credentials"),
        ({"base_url": f"ftp://{KEY}@example.org"}, "'base_url': must not contain credentials"),
        ({"api_key": f"{KEY}\n{KEY}"}, "'api_key': the API key contains characters"),
        ({"api_key": f"{KEY}é"}, "'api_key': the API key contains characters"),
        ({"temperature": -1}, "'temperature': must be finite and at least 0, not -1"),
        ({"max_tokens": 0}, "'max_tokens': must be finite and at least 1, not 0"),
        ({"concurrency": 0}, "'concurrency': must be finite and at least 1, not 0"),
        ({"timeout": 0}, "'timeout': must be finite and at least 0.001, not 0"),
        ({"timeout": float("inf")}, "'timeout': must be finite and at least 0.001, not inf"),
        ({"retries": -1}, "'retries': must be finite and at least 0, not -1"),
        ({"backoff": float("nan")}, "'backoff': must be finite and at least 0, not nan"),
        ({"price_in": -1}, "'price_in': must be finite and at least 0, not -1"),
        ({"max_cost": 1.0}, "'max_cost': needs the prices of a million tokens; use price_in= and price_out="),
        ({"max_cost": -1.0, "price_in": 1.0}, "'max_cost': must be finite and at least 0, not -1.0"),
        ({"max_questions": -1}, "'max_questions': must be finite and at least 0, not -1"),
        ({"extra_body": {"seed": {1}}}, "'extra_body': is not JSON"),
        ({"extra_body": {"top_p": float("nan")}}, "'extra_body': is not JSON"),
        ({"prompt": "{query}"}, "'prompt': must contain"),
        ({"max_chars": 0}, "'max_chars': must be at least 1, not 0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(TeacherError, match=re.escape(expected)) as caught:
        ChatJudge("m", **({"base_url": "https://example.org/v1"} | options))
    assert "secret" not in str(caught.value)


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nvmine\[judge\]'"):
        ChatJudge("m", base_url="https://example.org/v1")

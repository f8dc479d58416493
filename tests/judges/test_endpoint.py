"""Requests to an endpoint that misbehaves in every way: what is retried, refused, and never shown."""

from __future__ import annotations

import gzip
import json

import pytest

from chat_judging import HOSTILE, KEY, Delivered, Serve, by_attempt, judge_of, numbered, question
from chat_server import NO, YES, Answer, ChatServer, refuse, say
from nvmine.errors import TeacherError
from nvmine.judges import Verdict


def test_a_request_carries_prompt_fields_and_key_and_a_reply_becomes_a_verdict(serve: Serve) -> None:
    server = serve(lambda asked: YES if "2" in asked.texts[2] else NO)
    judge = judge_of(server, price_in=2.0, price_out=10.0, extra_body={"seed": 7, "temperature": None})
    delivered = Delivered()
    judge.ask(numbered(4), delivered)
    cost = pytest.approx((100 * 2 + 5 * 10) / 1e6)
    yes, no = (Verdict(answer, f'{{"relevant": {str(answer).lower()}}}', 100, 5, 0.00025) for answer in (True, False))
    assert delivered == {0: no, 1: no, 2: yes, 3: no}
    assert delivered[0].cost == cost
    assert (judge.asked, judge.spent) == (4, pytest.approx(0.001))
    request = server.asked[0]
    assert request.fields.keys() == {"model", "messages", "max_tokens", "seed"}
    assert (request.fields["model"], request.fields["max_tokens"], request.fields["seed"]) == ("model-1", 64, 7)
    assert [message["role"] for message in request.fields["messages"]] == ["user"]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert sorted(asked.texts for asked in server.asked) == [["a query", ["known"], f"passage {n}"] for n in range(4)]


def test_no_questions_send_no_request(serve: Serve) -> None:
    server = serve(lambda asked: YES)
    judge_of(server, max_cost=0.0, price_in=1.0, max_questions=0).ask([], Delivered())
    assert server.asked == []


def test_the_key_comes_from_the_environment_or_is_left_out(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(lambda asked: YES)
    judge_of(server, api_key=None).ask(numbered(1), Delivered())
    monkeypatch.setenv("OTHER_KEY", f"{KEY}\n")
    judge_of(server, api_key=None, api_key_env="OTHER_KEY").ask(numbered(1), Delivered())
    assert [asked.headers.get("authorization") for asked in server.asked] == [None, f"Bearer {KEY}"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_passage_arrives_as_data(serve: Serve, text: str) -> None:
    server = serve(lambda asked: NO)
    judge_of(server).ask([question(text, positives=(text,))], Delivered())
    mended = text.replace("\ud83d", "�")
    assert server.asked[0].texts == ["a query", [mended], mended]


TRANSIENT = {
    "429": (refuse(429, "slow down", Retry_After="0"), "HTTP 429 ('slow down')"),
    "408": (refuse(408), "HTTP 408"),
    "409": (refuse(409), "HTTP 409"),
    "500": (refuse(500), "HTTP 500"),
    "503": (Answer(b"<html>busy</html>", 503, {"Content-Type": "text/html"}), "HTTP 503 ('<html>busy</html>')"),
    "cut": (Answer(YES.body, sent=20), "the connection broke (RemoteProtocolError"),
    "nothing": (Answer(YES.body, sent=0), "the connection broke (RemoteProtocolError"),
    "broken": (Answer(YES.body[:-3]), 'the reply is not a chat completion: \'{"choices"'),
    "no choices": (Answer(b'{"choices": []}'), "not a chat completion"),
    "no message": (Answer(b'{"choices": [{"text": "yes"}]}'), "not a chat completion"),
    "no object": (Answer(b"[1]"), "not a chat completion: '[1]'"),
    "not text": (Answer(b'{"choices": [{"message": {"content": ["yes"]}}]}'), "not a chat completion"),
    "html": (Answer(b"<html>welcome</html>", headers={"Content-Type": "text/html"}), "not a chat completion: '<html>"),
    "bytes": (Answer(b"\xff\xfe\x00"), "not a chat completion"),
    "deep": (Answer(b"[" * 200_000), "not a chat completion"),
    "huge": (Answer(b" " * 2**22 + YES.body), "the reply is longer than 1048576 bytes"),
    "bomb": (Answer(gzip.compress(bytes(2**25)), headers={"Content-Encoding": "gzip"}), "the reply is longer than"),
    "not gzip": (Answer(b"plain", headers={"Content-Encoding": "gzip"}), "the connection broke (DecodingError"),
    "maybe": (say("I think maybe"), "the answer 'I think maybe' is not a verdict"),
    "silence": (say(None), "needs a higher max_tokens"),
    "both": (say('{"relevant": true} {"relevant": false}'), "is not a verdict"),
}


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_transient_failure_is_retried(serve: Serve, kind: str) -> None:
    server = serve(by_attempt(TRANSIENT[kind][0], TRANSIENT[kind][0], YES))
    delivered = Delivered()
    judge_of(server).ask(numbered(3), delivered)
    assert {number: verdict.relevant for number, verdict in delivered.items()} == {0: True, 1: True, 2: True}
    assert len(server.asked) == 9


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_failure_of_every_attempt_is_reported(serve: Serve, kind: str) -> None:
    answer, expected = TRANSIENT[kind]
    server = serve(by_attempt(answer))
    with pytest.raises(TeacherError) as caught:
        judge_of(server, retries=2).ask([question(number=8)], Delivered())
    assert caught.value.query == "q8"
    assert "model 'model-1' gave no verdict on passage 'p8' in 3 attempts; the last time, " in str(caught.value)
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 600
    assert len(server.asked) == 3


def test_an_endless_reply_is_read_up_to_a_limit(serve: Serve) -> None:
    server = serve(lambda asked: Answer(bytes(2**16), 200 if asked.attempt == 1 else 400, endless=True))
    with pytest.raises(TeacherError, match="in 1 attempts; the last time, the reply is longer than"):
        judge_of(server, retries=0).ask(numbered(1), Delivered())
    with pytest.raises(TeacherError, match="HTTP 400"):
        judge_of(server, retries=0).ask(numbered(1), Delivered())


def test_the_content_type_of_a_reply_is_ignored(serve: Serve) -> None:
    delivered = Delivered()
    judge_of(serve(lambda asked: Answer(YES.body, headers={"Content-Type": "text/plain"}))).ask(numbered(1), delivered)
    assert delivered[0].relevant


def test_time_outs_are_retried_and_reported(serve: Serve) -> None:
    server = serve(lambda asked: YES if server.closing.wait() else NO)
    with pytest.raises(TeacherError, match=r"in 3 attempts; the last time, no reply within 0\.05 s"):
        judge_of(server, timeout=0.05, retries=2).ask(numbered(1), Delivered())


def test_a_request_after_a_time_out_can_succeed(serve: Serve) -> None:
    server = serve(lambda asked: YES if asked.attempt > 1 or server.closing.wait() else NO)
    delivered = Delivered()
    judge_of(server, timeout=0.5, retries=100).ask(numbered(1), delivered)
    assert delivered[0].relevant


def test_a_refused_connection_is_retried_and_costs_nothing(serve: Serve) -> None:
    with ChatServer(lambda asked: YES) as server:
        judge = judge_of(server, retries=1, price_in=1.0)
    with pytest.raises(TeacherError, match=r"in 2 attempts; the last time, no connection \(ConnectError"):
        judge.ask(numbered(1), Delivered())
    assert judge.spent == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refuse(401, "bad key"), r"HTTP 401 \('bad key'\); check the API key, .* environment variable MY_KEY"),
        (refuse(403), r"HTTP 403 .* check the API key"),
        (refuse(404), r"HTTP 404 .* check base_url and the name of the model"),
        (refuse(400, "max_tokens\x1b" + "x" * 500), r"HTTP 400 \('max_tokens\\x1bx{188}…'\); change the request"),
        (refuse(422, "no"), r"HTTP 422 \('no'\); change the request"),
        (Answer(b'{"detail": "odd"}', 422), r"""HTTP 422 \('{"detail": "odd"}'\)"""),
        (
            Answer(b"", 307, {"Location": "/v2/chat"}),
            r"HTTP 307 .*not followed; if '/v2/chat' is the right place",
        ),
        (Answer(b" " * 2**22, 400), r"HTTP 400"),
    ],
)
def test_a_permanent_failure_stops_at_once(serve: Serve, answer: Answer, expected: str) -> None:
    server = serve(lambda asked: answer)
    with pytest.raises(TeacherError, match=expected) as caught:
        judge_of(server, api_key_env="MY_KEY", concurrency=1).ask(numbered(5), Delivered())
    assert len(str(caught.value)) < 600
    assert len(server.asked) == 1


def test_the_api_key_is_shown_nowhere(serve: Serve) -> None:
    echoes = [
        lambda asked: refuse(401, f"key {asked.headers['authorization']} is wrong"),
        lambda asked: refuse(500, f"{'x' * 180} {KEY}"),
        lambda asked: say(f"maybe {KEY}"),
        lambda asked: Answer(f"<html>{KEY}".encode()),
        lambda asked: Answer(b"", 302, {"Location": f"https://example.org/{KEY}"}),
    ]
    for echo in echoes:
        judge = judge_of(serve(echo), retries=1)
        with pytest.raises(TeacherError) as caught:
            judge.ask(numbered(2), Delivered())
        for shown in (str(caught.value), repr(caught.value), repr(judge), json.dumps(judge.describe())):
            assert KEY not in shown
            assert "secret" not in shown
    delivered = Delivered()
    judge_of(serve(lambda asked: say(f'{{"relevant": true}} {KEY}'))).ask(numbered(1), delivered)
    assert delivered[0].answer == '{"relevant": true} ***'
    judge_of(serve(lambda asked: YES), api_key="e").ask(numbered(1), delivered := Delivered())
    assert delivered[0].answer == '{"relevant": true}'

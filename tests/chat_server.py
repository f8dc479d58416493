"""A chat endpoint on this machine that behaves as a test tells it to, over real sockets."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

# A prompt that a server can take apart: a JSON value a line.
LINES = "{query}\n{positives}\n{passage}"


@dataclass(frozen=True)
class Asked:
    """A request: its prompt, the how manieth with this prompt (from 1), all fields, all headers (in lower case)."""

    prompt: str
    attempt: int
    fields: dict[str, Any]
    headers: dict[str, str]

    @property
    def texts(self) -> list[Any]:
        """Query, positives and passage, if the prompt is LINES."""
        return [json.loads(line) for line in self.prompt.split("\n")]


@dataclass(frozen=True)
class Answer:
    """A response; `sent` bytes of the body go out before the connection is closed, or all, or all again for ever."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    endless: bool = False


def say(text: str | None, *, tokens: tuple[int, int] | None = (100, 5)) -> Answer:
    """A well-formed completion."""
    content: dict[str, Any] = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    if tokens is not None:
        content["usage"] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return Answer(json.dumps(content).encode(), headers={"Content-Type": "application/json"})


def refuse(status: int, message: str = "no", **headers: str) -> Answer:
    """An error in the usual form; underscores in the names of headers are hyphens."""
    body = json.dumps({"error": {"message": message, "code": None}}).encode()
    return Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


YES, NO = say('{"relevant": true}'), say('{"relevant": false}')


class ChatServer:
    """Answers ``POST {base_url}/chat/completions`` by `behave`; a context manager.

    Attributes
    ----------
    asked : list of Asked
        What has arrived, in order.
    most : int
        Requests that `behave` had at once, at most.
    closing : threading.Event
        Set at the end: a `behave` that answers late waits for it.
    """

    def __init__(self, behave: Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        self.most = 0
        self.closing = threading.Event()
        self._behave = behave
        self._now = 0
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.chat = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, fields: dict[str, Any], headers: dict[str, str]) -> Answer:
        with self._lock:
            prompt = fields["messages"][-1]["content"]
            self._attempts[prompt] += 1
            asked = Asked(prompt, self._attempts[prompt], fields, headers)
            self.asked.append(asked)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            return self._behave(asked)
        finally:
            with self._lock:  # before the answer goes out, and with it the next request can come
                self._now -= 1


class _Server(ThreadingHTTPServer):
    chat: ChatServer
    daemon_threads = False  # server_close waits for them
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client has gone, which is its right
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = refuse(404, f"no such path: {self.path}")
        if self.path == "/v1/chat/completions":
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = self.server.chat.answer(json.loads(body), headers)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(2**50 if answer.endless else len(answer.body)))
        self.end_headers()
        while answer.endless:
            self.wfile.write(answer.body)
        self.wfile.write(answer.body[: answer.sent])
        self.close_connection = answer.sent is not None

    def log_message(self, *_: Any) -> None:
        """Tests print nothing."""

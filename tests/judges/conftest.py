"""Fixtures of the judges: no proxy, no key, and servers that close at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from chat_judging import Serve
from chat_server import ChatServer


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def client() -> None:
    """Skips tests that need the HTTP client."""
    pytest.importorskip("httpx2")


@pytest.fixture
def serve(client: None) -> Iterator[Serve]:
    """Returns a function that starts a chat server with a behaviour."""
    with contextlib.ExitStack() as stack:
        yield lambda behave: stack.enter_context(ChatServer(behave))

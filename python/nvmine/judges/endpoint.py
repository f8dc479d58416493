"""Requests to an OpenAI-compatible endpoint, and the outcome of each.

An endpoint is not trusted, and any server may answer to a URL. So a request has a time limit for the whole exchange, at
most a megabyte of a reply is read, redirects are not followed, and a reply is parsed by its content, whatever its
headers say. The API key is sent in one header and nowhere else. If a server repeats it, it is removed from messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from nvmine.errors import TeacherError, quote, reason
from nvmine.extras import require

LONGEST_WAIT = 60.0
"""The longest wait in seconds that an endpoint can ask for."""

_LONGEST_BODY = 2**20
# Placeholder keys for local servers, such as "none", are not secret and occur in ordinary texts.
_SHORTEST_SECRET = 8
# More tokens than any model reads. The limit keeps sums and costs finite.
_MOST_TOKENS = 2**40


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one request.

    Parameters
    ----------
    text
        The text that the model wrote.
    failure
        Why there is no text, if a retry may help.
    tokens
        Tokens read and written, as reported. None if tokens may have been billed without a report.
    wait
        Seconds to wait, as the endpoint asked, at most 60.
    """

    text: str = ""
    failure: str = ""
    tokens: tuple[int, int] | None = None
    wait: float = 0.0


class ChatEndpoint:
    """The endpoint ``{base_url}/chat/completions`` and its API key. The arguments are those of ``ChatJudge``.

    Raises
    ------
    TeacherError
        The URL is not an http or https URL, or has more than a host and a path, or the key cannot be sent.
    MissingExtraError
        httpx2 is not installed.
    """

    def __init__(self, base_url: str, *, api_key: str | None, api_key_env: str, timeout: float) -> None:
        self._library = require("httpx2", extra="judge")
        self.url = _completions_url(self._library, base_url)
        self._key_env = api_key_env
        self._key = (os.environ.get(api_key_env, "") if api_key is None else api_key).strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise TeacherError("the API key contains characters that are not allowed in a header", argument="api_key")
        self._timeout = timeout

    def client(self, *, connections: int) -> Any:
        """Returns an HTTP client with this many connections, an asynchronous context manager."""
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        limits = self._library.Limits(max_connections=connections)
        return self._library.AsyncClient(headers=headers, limits=limits, timeout=None, follow_redirects=False)

    async def post(self, client: Any, body: bytes) -> Reply:
        """Sends one request.

        Raises
        ------
        TeacherError
            The endpoint refuses the request, and a retry would not help.
        """
        content = bytearray()
        try:
            async with asyncio.timeout(self._timeout), client.stream("POST", self.url, content=body) as response:
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > _LONGEST_BODY:
                        break
        except TimeoutError:
            return Reply(failure=f"no reply within {self._timeout:g} s")
        except self._library.ConnectError as error:
            return Reply(failure=f"no connection ({reason(error)})", tokens=(0, 0))
        except self._library.RequestError as error:
            return Reply(failure=f"the connection broke ({reason(error)})")
        if response.is_success:
            return self._completion(content)
        status = f"HTTP {response.status_code} ({quote(self._redacted(_message(content)))})"
        if response.status_code in (408, 409, 429) or response.is_server_error:
            return Reply(failure=status, tokens=(0, 0), wait=_retry_after(response.headers.get("Retry-After", "")))
        raise TeacherError(f"{self.url} answers {status}; {self._advice(response)}")

    def _completion(self, content: bytearray) -> Reply:
        if len(content) > _LONGEST_BODY:
            return Reply(failure=f"the reply is longer than {_LONGEST_BODY} bytes")
        completion = None
        with contextlib.suppress(ValueError, RecursionError):
            completion = json.loads(content)
        tokens = _tokens(completion)
        match completion:
            case {"choices": [{"message": {"content": str() | None as text}}, *_]}:
                # The content is null if all tokens went into reasoning.
                return Reply(self._redacted(text or ""), tokens=tokens)
        shown = quote(self._redacted(content.decode("utf-8", "replace")))
        return Reply(failure=f"the reply is not a chat completion: {shown}", tokens=tokens)

    def _advice(self, response: Any) -> str:
        if response.status_code in (401, 403):
            return f"check the API key, from api_key or the environment variable {self._key_env}, and its permissions"
        if response.status_code == 404:
            return "check base_url and the name of the model"
        if response.is_redirect:
            target = quote(self._redacted(response.headers.get("Location", "")))
            return f"redirects are not followed; if {target} is the right place, change base_url to lead there"
        return "change the request as the message says"

    def _redacted(self, text: str) -> str:
        return text if len(self._key) < _SHORTEST_SECRET else text.replace(self._key, "***")


def _completions_url(library: Any, base_url: str) -> str:
    if "@" in base_url:
        raise TeacherError(
            "must not contain credentials; use api_key= or its environment variable", argument="base_url"
        )
    try:
        url = library.URL(base_url)
    except library.InvalidURL:
        raise TeacherError(f"must be a URL, not {quote(base_url)}", argument="base_url") from None
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        message = f"must be an http or https URL with a host and optionally a path, not {quote(base_url)}"
        raise TeacherError(message, argument="base_url")
    return f"{str(url).rstrip('/')}/chat/completions"


def _tokens(completion: Any) -> tuple[int, int] | None:
    """Returns the reported usage, or None if it is missing or impossible."""
    match completion:
        case {"usage": {"prompt_tokens": int(read), "completion_tokens": int(written)}}:
            return (read, written) if 0 <= read < _MOST_TOKENS and 0 <= written < _MOST_TOKENS else None
    return None


def _message(content: bytearray) -> str:
    with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):
        return str(json.loads(content)["error"]["message"])
    return content.decode("utf-8", "replace")


def _retry_after(value: str) -> float:
    """Returns the seconds of the header, which holds seconds or a date; 0 if it holds neither."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(0.0, seconds), LONGEST_WAIT)  # in this order NaN becomes 0

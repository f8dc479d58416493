"""One request to an OpenAI-compatible endpoint, and what came of it.

An endpoint is not trusted to behave, and may be anything that answers to a URL. So a request has one limit of time from
start to end, at most a megabyte of a reply is read, redirects are not followed, and a reply is taken for what it holds,
whatever its headers say. The API key goes out in one header and nowhere else: a server that repeats it is not quoted
with it.
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
"""Seconds that an endpoint can ask for at most."""

_LONGEST_BODY = 2**20
# What local servers take for a key, such as "none", is no secret, and occurs in texts.
_SHORTEST_SECRET = 8
# More than any model reads; sums and costs stay finite.
_MOST_TOKENS = 2**40


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one request.

    Parameters
    ----------
    text
        What the model wrote.
    failure
        Why there is none, where trying again may help.
    tokens
        Those read and written, as reported; None where they may have been billed without a report.
    wait
        Seconds that the endpoint asks to wait, at most 60.
    """

    text: str = ""
    failure: str = ""
    tokens: tuple[int, int] | None = None
    wait: float = 0.0


class ChatEndpoint:
    """The address ``{base_url}/chat/completions`` and the key to it; arguments as of ``ChatJudge``.

    Raises
    ------
    TeacherError
        The URL is not one of http or https, or holds more than host and path; the key cannot be sent.
    MissingExtraError
        httpx2 is not installed.
    """

    def __init__(self, base_url: str, *, api_key: str | None, api_key_env: str, timeout: float) -> None:
        self._library = require("httpx2", extra="judge")
        self.url = _completions_url(self._library, base_url)
        self._key_env = api_key_env
        self._key = (os.environ.get(api_key_env, "") if api_key is None else api_key).strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise TeacherError("the API key holds characters that a header cannot carry", argument="api_key")
        self._timeout = timeout

    def client(self, *, connections: int) -> Any:
        """Connections to send requests through, an asynchronous context manager."""
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        limits = self._library.Limits(max_connections=connections)
        return self._library.AsyncClient(headers=headers, limits=limits, timeout=None, follow_redirects=False)

    async def post(self, client: Any, body: bytes) -> Reply:
        """Send one request.

        Raises
        ------
        TeacherError
            The endpoint refuses, and would again.
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
        said = f"HTTP {response.status_code} ({quote(self._redacted(_message(content)))})"
        if response.status_code in (408, 409, 429) or response.is_server_error:
            return Reply(failure=said, tokens=(0, 0), wait=_retry_after(response.headers.get("Retry-After", "")))
        raise TeacherError(f"{self.url} answers {said}; {self._advice(response)}")

    def _completion(self, content: bytearray) -> Reply:
        if len(content) > _LONGEST_BODY:
            return Reply(failure=f"the reply is longer than {_LONGEST_BODY} bytes")
        completion = None
        with contextlib.suppress(ValueError, RecursionError):
            completion = json.loads(content)
        tokens = _tokens(completion)
        match completion:
            case {"choices": [{"message": {"content": str() | None as text}}, *_]}:
                # Null where all tokens went into thoughts.
                return Reply(self._redacted(text or ""), tokens=tokens)
        shown = quote(self._redacted(content.decode("utf-8", "replace")))
        return Reply(failure=f"the reply is no chat completion: {shown}", tokens=tokens)

    def _advice(self, response: Any) -> str:
        if response.status_code in (401, 403):
            return f"check the API key, from api_key or the environment variable {self._key_env}, and its rights"
        if response.status_code == 404:
            return "check base_url and the name of the model"
        if response.is_redirect:
            target = quote(self._redacted(response.headers.get("Location", "")))
            return f"redirects are not followed: if {target} is the place, make base_url lead there"
        return "change the request as the message says"

    def _redacted(self, text: str) -> str:
        return text if len(self._key) < _SHORTEST_SECRET else text.replace(self._key, "***")


def _completions_url(library: Any, base_url: str) -> str:
    if "@" in base_url:
        raise TeacherError("must hold no credentials: give api_key, or its environment variable", argument="base_url")
    try:
        url = library.URL(base_url)
    except library.InvalidURL:
        raise TeacherError(f"is {quote(base_url)}, which is no URL", argument="base_url") from None
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        message = f"is {quote(base_url)}, must be of http or https with a host and perhaps a path"
        raise TeacherError(message, argument="base_url")
    return f"{str(url).rstrip('/')}/chat/completions"


def _tokens(completion: Any) -> tuple[int, int] | None:
    """Read the usage, where it is there and possible."""
    match completion:
        case {"usage": {"prompt_tokens": int(read), "completion_tokens": int(written)}}:
            return (read, written) if 0 <= read < _MOST_TOKENS and 0 <= written < _MOST_TOKENS else None
    return None


def _message(content: bytearray) -> str:
    with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):
        return str(json.loads(content)["error"]["message"])
    return content.decode("utf-8", "replace")


def _retry_after(value: str) -> float:
    """Read the header, which holds seconds or a date; 0 where it is neither."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(0.0, seconds), LONGEST_WAIT)  # in this order NaN becomes 0

"""A judge behind an OpenAI-compatible HTTP endpoint: a hosted model, or a local server such as vLLM or Ollama.

Each request holds one question, so no verdict depends on other questions, and a killed run repeats few requests.
Requests run concurrently, up to a limit. Transient failures (overload, time-outs, broken connections, answers without a
verdict) are retried with growing waits. Permanent failures, such as a wrong key, stop the work at once.

Caps hold before money is spent: a request only starts if its estimated cost, together with that of all requests in
flight, still fits. A reply costs what the endpoint reports. A request that may have been billed without a report, for
example after a time-out, costs its estimate.

Prefer :class:`~nvmine.judges.judge.CallableJudge` if the model runs in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

from nvmine.errors import TeacherError, quote
from nvmine.extras import require
from nvmine.inputs.keys import text_keys
from nvmine.judges.endpoint import LONGEST_WAIT, ChatEndpoint, Reply
from nvmine.judges.judge import Question, Verdict
from nvmine.judges.prompt import PROMPT, Prompt, read_answer

Arrivals = SimpleQueue[tuple[int, Verdict] | None]


class ChatJudge:
    """A language model that is called by ``POST {base_url}/chat/completions``.

    Parameters
    ----------
    model
        Name of the model at the endpoint.
    base_url
        Such as ``https://api.openai.com/v1``: http or https, without credentials. Texts of the data set are sent there.
    api_key
        Default: the value of the environment variable `api_key_env`. Without a key, requests carry none.
    prompt, max_chars
        As in :class:`~nvmine.judges.judge.Prompt`.
    temperature
        At least 0.
    max_tokens
        Maximum number of tokens of an answer, at least 1. A reasoning model needs more than the default.
    extra_body
        Further fields of each request, such as ``{"reasoning_effort": "low"}``. A field that is None is left out, so
        ``{"max_tokens": None, "max_completion_tokens": 64}`` renames a field as some models require. Costs are always
        estimated from `max_tokens`.
    concurrency
        Number of concurrent requests, at least 1.
    timeout
        Seconds for one request from start to end, at least 0.001.
    retries
        Number of attempts after the first, at least 0.
    backoff
        Maximum seconds to wait before the first retry, at least 0. The maximum doubles with each retry, up to 60. The
        wait is drawn uniformly below it, and added to a ``Retry-After``, which counts up to 60 seconds.
    price_in, price_out
        Prices per million tokens read and written, in any currency.
    max_cost
        No request starts that could raise :attr:`spent` above this. Input tokens are estimated as a quarter of the
        characters, output tokens as `max_tokens`.
    max_questions
        No question is asked that would raise :attr:`asked` above this.

    Attributes
    ----------
    asked : int
        Number of questions answered so far. To continue a run, set both attributes to the totals of its journal.
    spent : float
        Cost so far, including failed attempts.

    Raises
    ------
    TeacherError
        An argument is out of range, or prices are missing for `max_cost`.
    MissingExtraError
        httpx2 is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        prompt: str = PROMPT,
        max_chars: int = 4000,
        temperature: float = 0.0,
        max_tokens: int = 64,
        extra_body: Mapping[str, Any] | None = None,
        concurrency: int = 16,
        timeout: float = 60.0,
        retries: int = 5,
        backoff: float = 1.0,
        price_in: float = 0.0,
        price_out: float = 0.0,
        max_cost: float | None = None,
        max_questions: int | None = None,
    ) -> None:
        for option, value, least in (
            ("temperature", temperature, 0),
            ("max_tokens", max_tokens, 1),
            ("concurrency", concurrency, 1),
            ("timeout", timeout, 0.001),
            ("retries", retries, 0),
            ("backoff", backoff, 0),
            ("price_in", price_in, 0),
            ("price_out", price_out, 0),
            ("max_cost", max_cost, 0),
            ("max_questions", max_questions, 0),
        ):
            if value is not None and not (math.isfinite(value) and value >= least):
                raise TeacherError(f"must be finite and at least {least}, not {value}", argument=option)
        if max_cost is not None and not price_in + price_out:
            raise TeacherError(
                "needs the prices of a million tokens; use price_in= and price_out=", argument="max_cost"
            )
        self._endpoint = ChatEndpoint(base_url, api_key=api_key, api_key_env=api_key_env, timeout=timeout)
        self._prompt = Prompt(prompt, max_chars)
        self._model, self._temperature, self._max_tokens = model, temperature, max_tokens
        self._extra_body = dict(extra_body or {})
        try:
            json.dumps(self._extra_body, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise TeacherError(f"is not JSON ({error})", argument="extra_body") from None
        self._concurrency, self._retries, self._backoff = concurrency, retries, backoff
        self._price_in, self._price_out = price_in, price_out
        self._max_cost, self._max_questions = max_cost, max_questions
        self._in_flight = 0.0
        self.asked = 0
        self.spent = 0.0

    def describe(self) -> dict[str, Any]:
        """Returns everything that changes verdicts, ready for JSON."""
        return {
            "kind": "chat",
            "model": self._model,
            "url": self._endpoint.url,
            "prompt": self._prompt.template,
            "max_chars": self._prompt.max_chars,
            "temperature": self._temperature,
            "max_tokens": self._max_tokens,
            "extra_body": self._extra_body,
        }

    def ask(self, questions: Sequence[Question], answered: Callable[[int, Verdict], None]) -> None:
        """Answers questions, as :meth:`~nvmine.judges.judge.Judge.ask`; also works inside a running event loop.

        An interrupt cancels the requests in flight and delivers the verdicts that have arrived.

        Raises
        ------
        TeacherError
            The endpoint refuses a request, a question has no verdict after all attempts, or a cap is reached.
        """
        arrivals: Arrivals = SimpleQueue()
        try:
            with require("anyio.from_thread", extra="judge").start_blocking_portal() as portal:
                work = portal.start_task_soon(self._ask, questions, arrivals)
                work.add_done_callback(lambda _: arrivals.put(None))
                for number, verdict in _received(arrivals):
                    answered(number, verdict)
        except KeyboardInterrupt:
            arrivals.put(None)
            for number, verdict in _received(arrivals):
                answered(number, verdict)
            raise
        work.result()

    async def _ask(self, questions: Sequence[Question], arrivals: Arrivals) -> None:
        allowed = None if self._max_questions is None else max(self._max_questions - self.asked, 0)
        pending = islice(enumerate(questions), allowed)
        left = len(questions)
        failures: list[TeacherError] = []
        stop = asyncio.Event()

        async def work(client: Any) -> None:
            nonlocal left
            for number, question in pending:
                try:
                    verdict = await self._verdict(client, question, stop)
                except TeacherError as error:
                    failures.append(error)
                    stop.set()
                else:
                    if verdict is not None:
                        self.asked += 1
                        left -= 1
                        arrivals.put((number, verdict))
                if stop.is_set():
                    return

        async with self._endpoint.client(connections=self._concurrency) as client, asyncio.TaskGroup() as workers:
            for _ in range(min(self._concurrency, len(questions))):
                workers.create_task(work(client))
        if failures:
            raise failures[0]
        if left:
            raise TeacherError(
                f"the cap is reached: {self.asked} questions are answered, {left} are left, and the cost so far is"
                f" {self.spent:.6g}; start again with a higher cap to continue, and nothing is asked twice",
                argument="max_cost" if stop.is_set() else "max_questions",
            )

    async def _verdict(self, client: Any, question: Question, stop: asyncio.Event) -> Verdict | None:
        """Asks until there is a verdict; returns None if all work stops before."""
        prompt = self._prompt.fill(question)
        body = self._body(prompt)
        estimate = self._cost(len(prompt) / 4, self._max_tokens)
        tokens_in, tokens_out, cost = 0, 0, 0.0
        reply = Reply()
        for backoff in self._backoffs(question):
            if await _stopped(stop, reply.wait + backoff):
                return None
            if self._max_cost is not None and self.spent + self._in_flight + estimate > self._max_cost:
                stop.set()
                return None
            self._in_flight += estimate
            try:
                reply = await self._endpoint.post(client, body)
            finally:
                self._in_flight -= estimate
            paid = estimate if reply.tokens is None else self._cost(*reply.tokens)
            self.spent += paid
            read, written = reply.tokens or (0, 0)
            tokens_in, tokens_out, cost = tokens_in + read, tokens_out + written, cost + paid
            relevant = read_answer(reply.text)
            if relevant is not None:
                return Verdict(relevant, reply.text, tokens_in, tokens_out, cost)
        failure = reply.failure or (
            f"the answer {quote(reply.text)} is not a verdict; a reasoning model needs a higher max_tokens"
        )
        raise TeacherError(
            f"model {quote(self._model)} gave no verdict on passage {quote(question.passage_id)} in"
            f" {self._retries + 1} attempts; the last time, {failure}."
            " Fix the cause and start again to continue from here",
            query=question.query_id,
        )

    def _body(self, prompt: str) -> bytes:
        fields = {
            "model": self._model,
            "temperature": self._temperature,
            "max_tokens": self._max_tokens,
            **self._extra_body,
            "messages": [{"role": "user", "content": prompt}],
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()

    def _cost(self, tokens_in: float, tokens_out: float) -> float:
        return (tokens_in * self._price_in + tokens_out * self._price_out) / 1e6

    def _backoffs(self, question: Question) -> Iterator[float]:
        """Yields the seconds to wait before each attempt, drawn from the question's ids so that retries spread out."""
        yield 0.0
        longest = self._backoff
        for retry in range(self._retries):
            (draw,) = text_keys([f"{question.query_id}\0{question.passage_id}\0{retry}"]).tolist()
            yield min(longest, LONGEST_WAIT) * draw / 2**64
            longest *= 2


def _received(arrivals: Arrivals) -> Iterator[tuple[int, Verdict]]:
    """Yields verdicts as they arrive, until the final None."""
    while True:
        # A wait without a time limit would miss signals that reach another thread, and all signals on Windows.
        try:
            arrival = arrivals.get(timeout=0.1)
        except Empty:
            continue
        if arrival is None:
            return
        yield arrival


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Waits until all work stops, for at most `seconds`; returns whether it has stopped."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()

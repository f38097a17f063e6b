"""An HTTP vendor whose answers a test gives: an httpx transport without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class FakeVendor(httpx.AsyncBaseTransport):
    """Returns its answers in turn, then repeats the last one, and stores the requests."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        await request.aread()
        self.requests.append(request)
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def body(self, number: int = 0) -> Any:  # noqa: ANN401 - parsed JSON
        """Return the JSON of a request."""
        return json.loads(self.requests[number].content)


class Pauses:
    """Replaces waiting: stores the seconds and returns at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Return at once."""
        self.seconds.append(seconds)

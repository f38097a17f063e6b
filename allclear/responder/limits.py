"""How much the responder takes on at once, and how long it waits: what is over that is told to come again.

It says so with 503 and Retry-After. Senders repeat what was answered 5xx; what was answered 429 or another 4xx most of
them drop (docs/reference/alert-sources.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from fastapi import HTTPException, Request

from allclear.responder.strict_json import MOST_BYTES

T = TypeVar("T")

RETRY_AFTER = {"Retry-After": "2"}
"""Seconds; senders that do not know the header have a pause of their own."""

TOO_LARGE = f"The body is over {MOST_BYTES} bytes."


def come_again(reason: str, **more: str) -> HTTPException:
    """Return the answer to what cannot be taken now and shall be sent once more."""
    return HTTPException(503, reason, RETRY_AFTER | more)


@dataclass
class Limits:
    """What is under way in this process, and the bounds it is held to."""

    most_requests: int = 512
    """Alerts under way, from the first byte of the body to the answer."""
    most_bytes: int = 32 * MOST_BYTES
    """Bytes of their bodies together."""
    body_seconds: float = 10.0
    """A body has arrived by then, or its sender is cut off."""
    journal_seconds: float = 2.0
    """The journal has kept an alert by then, or its sender is told to come again. Most senders wait 5 to 15 seconds,
    Sentry one; a sender that comes again although the journal has the alert by now is counted as a repeat."""
    requests: int = 0
    held: int = 0
    """Bytes of bodies in memory."""

    @contextmanager
    def room(self) -> Generator[BoundedBody]:
        """Yield the room for one request. Raises HTTPException 503 where there is none."""
        if self.requests >= self.most_requests:
            raise come_again("Too many alerts are under way.")
        self.requests += 1
        held = BoundedBody(self)
        try:
            yield held
        finally:
            self.requests -= 1
            self.held -= held.bytes

    async def in_time(self, work: Awaitable[T]) -> T:
        """Return what the journal answers. Raises HTTPException 503 when that takes too long; it is cancelled then."""
        try:
            async with asyncio.timeout(self.journal_seconds):
                return await work
        except TimeoutError as error:
            raise come_again(f"The journal did not answer within {self.journal_seconds:g} s.") from error


@dataclass
class BoundedBody:
    """The room of one request."""

    limits: Limits
    bytes: int = 0

    async def read(self, request: Request) -> bytes:
        """Return the body.

        Raises HTTPException 413 for one that is too large, 503 where there is no room or its sender is too slow;
        starlette's ClientDisconnect when the sender hangs up.
        """
        said = request.headers.get("content-length", "")
        if said.isascii() and said.isdigit() and int(said[:20]) > MOST_BYTES:
            raise HTTPException(413, TOO_LARGE)
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                return await self._read(request)
        except TimeoutError as error:
            slow = f"The body did not arrive within {self.limits.body_seconds:g} s."
            raise come_again(slow, Connection="close") from error

    async def _read(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            if len(body) + len(chunk) > MOST_BYTES:
                raise HTTPException(413, TOO_LARGE)
            if self.limits.held + len(chunk) > self.limits.most_bytes:
                raise come_again("Too many bytes are under way.")
            self.bytes += len(chunk)
            self.limits.held += len(chunk)
            body += chunk
        return bytes(body)

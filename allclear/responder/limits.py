"""Limits on concurrent alerts and their bytes, and on the time for a body and for the journal.

A request over a limit is answered 503 with Retry-After. Senders retry after 5xx; after 429 or another 4xx most of them
drop the alert (docs/reference/alert-sources.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from fastapi import HTTPException, Request

from allclear.responder.strict_json import MAX_BYTES

T = TypeVar("T")

RETRY_AFTER = {"Retry-After": "2"}
"""Seconds; senders that ignore the header choose their own pause."""

TOO_LARGE = f"The body is over {MAX_BYTES} bytes."


def unavailable(reason: str, **headers: str) -> HTTPException:
    """Return the 503 response to a request that cannot be accepted now and should be retried."""
    return HTTPException(503, reason, RETRY_AFTER | headers)


@dataclass
class Limits:
    """The limits of this process, and its alerts in progress."""

    max_requests: int = 512
    """Alerts in progress, from the first byte of the body to the response."""
    max_bytes: int = 32 * MAX_BYTES
    """Bytes of all their bodies together."""
    body_seconds: float = 10.0
    """Seconds for a body to arrive; then the request is answered 503 and the connection is closed."""
    journal_seconds: float = 2.0
    """Seconds for the journal to store an alert; then the request is answered 503. Most senders wait 5 to 15 seconds,
    Sentry one. If the journal has stored the alert after all, the retry counts as a repeat."""
    requests: int = 0
    """Alerts in progress now."""
    bytes_in_progress: int = 0
    """Bytes of their bodies now."""

    @contextmanager
    def admit(self) -> Generator[BoundedBody]:
        """Count one request as in progress inside the block. Raises HTTPException 503 if there are too many."""
        if self.requests >= self.max_requests:
            raise unavailable("Too many requests are in progress.")
        self.requests += 1
        body = BoundedBody(self)
        try:
            yield body
        finally:
            self.requests -= 1
            self.bytes_in_progress -= body.bytes

    async def in_time(self, work: Awaitable[T]) -> T:
        """Return the result of `work`. Raises HTTPException 503 if it takes too long; it is then cancelled."""
        try:
            async with asyncio.timeout(self.journal_seconds):
                return await work
        except TimeoutError as error:
            raise unavailable(f"The journal did not answer within {self.journal_seconds:g} s.") from error


@dataclass
class BoundedBody:
    """The body of one request in progress; its bytes count towards the limits."""

    limits: Limits
    bytes: int = 0
    """Bytes received so far."""

    async def read(self, request: Request) -> bytes:
        """Return the body.

        Raises HTTPException 413 if it is too large, 503 if too many bytes are in progress or the sender is too slow,
        and starlette's ClientDisconnect if the sender disconnects.
        """
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > MAX_BYTES:
            raise HTTPException(413, TOO_LARGE)
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                return await self._read(request)
        except TimeoutError as error:
            reason = f"The body did not arrive within {self.limits.body_seconds:g} s."
            raise unavailable(reason, Connection="close") from error

    async def _read(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            if len(body) + len(chunk) > MAX_BYTES:
                raise HTTPException(413, TOO_LARGE)
            if self.limits.bytes_in_progress + len(chunk) > self.limits.max_bytes:
                raise unavailable("Too many bytes are in progress.")
            self.bytes += len(chunk)
            self.limits.bytes_in_progress += len(chunk)
            body += chunk
        return bytes(body)

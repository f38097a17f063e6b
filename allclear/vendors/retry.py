"""The one retry with back-off of all clients. A client says what may be retried; this module decides how often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from allclear.domain.backoff import Backoff

T = TypeVar("T")

Pause = Callable[[float], Awaitable[object]]
"""Waits for a number of seconds."""


@dataclass(frozen=True)
class Attempt(Generic[T]):
    """What one attempt came to."""

    result: T
    retryable: bool = False
    """Whether another attempt is safe and may help."""
    retry_after: float | None = None
    """The seconds to wait before it, if the vendor has set them; otherwise the back-off does."""


@dataclass(frozen=True)
class RetryLimits:
    """When to stop trying: after a number of attempts, at a deadline, or if the next pause is too long."""

    backoff: Backoff
    attempts: int | None = None
    seconds: float | None = None
    """Counted from the first attempt: no attempt starts later."""
    longest_pause: float = float("inf")

    def allow(self, attempts: int, elapsed: float, pause: float) -> bool:
        """Return whether another attempt may follow `attempts` of them after a pause of `pause` seconds."""
        return (
            (self.attempts is None or attempts < self.attempts)
            and (self.seconds is None or elapsed + pause <= self.seconds)
            and pause <= self.longest_pause
        )


async def retry(
    send: Callable[[], Awaitable[Attempt[T]]],
    limits: RetryLimits,
    *,
    pause: Pause = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Return the result of the last attempt; `send` is called until it is not retryable, or the limits are reached."""
    began, attempts = clock(), 0
    while True:
        attempt = await send()
        attempts += 1
        seconds = limits.backoff.pause(attempts) if attempt.retry_after is None else attempt.retry_after
        if not attempt.retryable or not limits.allow(attempts, clock() - began, seconds):
            return attempt.result
        await pause(seconds)

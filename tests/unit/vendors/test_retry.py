"""Retry with back-off: how long the pauses are, and when it stops."""

from __future__ import annotations

import pytest

from allclear.domain.backoff import Backoff
from allclear.vendors.retry import Attempt, RetryLimits, retry
from tests.unit.fakes_http import Pauses

BACKOFF = Backoff(first=0.2, longest=1.0)


class Sender:
    """Returns its attempts in turn, then repeats the last one, and counts the calls."""

    def __init__(self, *attempts: Attempt[str]) -> None:
        self._attempts = list(attempts)
        self.calls = 0

    async def __call__(self) -> Attempt[str]:
        """Return the next attempt."""
        self.calls += 1
        return self._attempts[0] if len(self._attempts) == 1 else self._attempts.pop(0)


BUSY = Attempt("busy", retryable=True)


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        (Backoff(first=0.2), [0.2, 0.4, 0.8, 1.6]),
        (Backoff(first=0.2, longest=1.0), [0.2, 0.4, 0.8, 1.0]),
        (Backoff(first=2.0, factor=1.5, longest=4.0), [2.0, 3.0, 4.0, 4.0]),
    ],
)
def test_pauses_grow_up_to_their_maximum(backoff: Backoff, pauses: list[float]) -> None:
    """Each pause is the one before times the factor."""
    assert [pause for pause, _ in zip(backoff.pauses(), range(4), strict=False)] == pytest.approx(pauses)
    assert backoff.pause(1_000_000) <= backoff.longest


async def test_the_first_final_result_is_returned() -> None:
    """Only retryable attempts are followed by another."""
    pauses, send = Pauses(), Sender(BUSY, BUSY, Attempt("done"))
    assert await retry(send, RetryLimits(BACKOFF, attempts=5), pause=pauses) == "done"
    assert pauses.seconds == [0.2, 0.4]


async def test_the_last_result_is_returned_when_the_attempts_are_used_up() -> None:
    """The caller decides what a failed result means."""
    pauses, send = Pauses(), Sender(BUSY)
    assert await retry(send, RetryLimits(BACKOFF, attempts=3), pause=pauses) == "busy"
    assert (send.calls, pauses.seconds) == (3, [0.2, 0.4])


async def test_the_vendors_own_pause_replaces_the_back_off() -> None:
    """Retry-After counts, unless it is longer than we wait."""
    pauses = Pauses()
    limits = RetryLimits(BACKOFF, attempts=3, longest_pause=10)
    short = Sender(Attempt("busy", retryable=True, retry_after=3.0), Attempt("done"))
    assert await retry(short, limits, pause=pauses) == "done"
    too_long = Sender(Attempt("busy", retryable=True, retry_after=60.0), Attempt("done"))
    assert await retry(too_long, limits, pause=pauses) == "busy"
    assert pauses.seconds == [3.0]


async def test_no_attempt_starts_after_the_deadline() -> None:
    """A pause that would end after it is not begun."""
    pauses, send = Pauses(), Sender(BUSY)
    limits = RetryLimits(BACKOFF, seconds=2.0)
    assert await retry(send, limits, pause=pauses, clock=lambda: sum(pauses.seconds)) == "busy"
    assert pauses.seconds == [0.2, 0.4, 0.8]

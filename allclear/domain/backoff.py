"""Back-off: how long to wait before trying again, or before checking again. Pure; the caller does the waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

_LARGEST_EXPONENT = 64
"""Beyond this every pause is at its maximum, and a larger exponent would overflow."""


@dataclass(frozen=True)
class Backoff:
    """Pauses in seconds: the first, then each longer by a factor, up to a maximum."""

    first: float
    factor: float = 2.0
    longest: float = float("inf")

    def pause(self, attempt: int) -> float:
        """Return the pause after attempt number `attempt`; the first attempt is number 1."""
        return min(self.first * self.factor ** min(attempt - 1, _LARGEST_EXPONENT), self.longest)

    def pauses(self) -> Iterator[float]:
        """Yield the pause after each attempt, without end."""
        return map(self.pause, count(1))

"""What really happened in the simulated production, in order: the drill is scored against it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

Clock = Callable[[], datetime]
Entry = dict[str, Any]


class Record(Protocol):
    """Takes down one fact of a kind."""

    def __call__(self, kind: str, **facts: object) -> None:
        """Take it down, timed now."""
        ...


def utc_now() -> datetime:
    """Return the present, aware and in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC with microseconds; `None` stays `None`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds") if moment else None


class EventLog:
    """An append-only list of facts, each with its number, its UTC time and its kind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[Entry] = []

    def record(self, kind: str, **facts: object) -> None:
        """Append one fact, timed now."""
        entry: Entry = {"seq": len(self._entries), "at": iso(self._clock()), "kind": kind}
        self._entries.append({**facts, **entry})

    def entries(self, after: int = -1) -> list[Entry]:
        """Return the facts whose number is above `after`, oldest first."""
        return [dict(entry) for entry in self._entries[max(after, -1) + 1 :]]

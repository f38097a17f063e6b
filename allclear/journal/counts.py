"""What the journal holds, in numbers, as `stats.py` reads it and monitoring shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Counts:
    """What the journal holds, in numbers."""

    deliveries: dict[str, int]
    """State -> number of deliveries."""
    unread_since: datetime | None
    """When the oldest delivery arrived that was never read. A repeat that is to be read again does not count."""
    acts: dict[str, int]
    """Status of the outcome -> number of acts, in all incidents."""
    outbox: list[str]
    """The keys of the messages that are not delivered."""

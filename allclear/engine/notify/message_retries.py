"""When a message that failed is sent again: the one back-off of all messages, worked out from the journal.

`allclear.vendors.retry` repeats one request of a client within seconds; this repeats a whole message within minutes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from allclear.domain.incident import Incident

TRIES, PAUSE, LONGEST = 10, timedelta(seconds=30), timedelta(minutes=15)
"""How often a failing message is sent, the back-off for each failed try, and the longest back-off."""


def next_try(incident: Incident, phase: str, step: str, first: datetime, tries: int = TRIES) -> datetime | None:
    """Return when a message is to be sent or sent again; None if it was sent, or was tried often enough."""
    last = incident.act_of(phase, step)
    if last is None or last.outcome is None:
        return first
    failed = len(incident.failed_in_a_row(phase, step))
    if not failed or failed >= tries:
        return None
    return (last.finished_at or first) + min(PAUSE * failed, LONGEST)

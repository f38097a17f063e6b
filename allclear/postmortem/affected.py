"""When users were affected: until they were served again, and again whenever containment was lost.

Maintenance mode contains an incident, but its users are affected until it is undone or the service has recovered.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from allclear.domain.durations import in_words
from allclear.domain.incident import Incident
from allclear.domain.local_times import local
from allclear.domain.states import Period, StateHistory

BRIEF = timedelta(minutes=15)
"""The times of a shorter incident are shown to the second."""


def affected(incident: Incident, now: datetime) -> list[tuple[datetime, datetime | None]]:
    """Return the spans in which users were affected; the last one has no end while it goes on at `now`."""
    spans: list[tuple[datetime, datetime | None]] = []
    start: datetime | None = incident.began_at or incident.opened_at
    for period in incident.containment.periods:
        served = _served(incident, period)
        if served is None:
            continue
        if start:
            spans.append((start, served))
        start = period.until
    recovered = incident.recovery.current
    end = recovered.since if recovered else incident.ended_at
    if start and (end is None or end > start) and start <= now:
        spans.append((start, end))
    return spans


def _served(incident: Incident, period: Period) -> datetime | None:
    """Return when users were served again in a contained period, or None if they were not.

    A measure that closes the service to them serves them only after it is undone, or after the recovery.
    """
    act = incident.acts.get(period.act)
    if act is None or not act.proposed.closes_service:
        return period.since
    undo = incident.acts.get(act.undone_by or "")
    opened = undo.finished_at if undo else None
    recovered = next((one.since for one in incident.recovery.periods if one.since >= period.since), None)
    times = [at for at in (opened, recovered) if at and at >= period.since and (not period.until or at < period.until)]
    return min(times, default=None)


def affected_words(incident: Incident, now: datetime, zone: tzinfo) -> str:
    """Return how long users were affected, and when, in a line: `9 minutes, 14:28 to 14:34 and 14:40 to 14:43`."""
    spans = affected(incident, now)
    total = sum(((end or now) - start for start, end in spans), timedelta())
    going_on = " so far" if any(end is None for _, end in spans) else ""
    shape = "%H:%M:%S" if total < BRIEF else "%H:%M"
    times = " and ".join(
        f"{local(start, zone):{shape}} to {f'{local(end, zone):{shape}}' if end else 'now'}" for start, end in spans
    )
    since = "" if incident.began_at else ", counted from its detection"
    return f"{in_words(total)}{going_on}, {times}{since}"


def held(history: StateHistory, shape: str, zone: tzinfo) -> str:
    """Return when a state began and ended, as `10:12, lost 10:20, again 10:31`; empty if it never held."""
    words: list[str] = []
    for period in history.periods:
        words.append(f"{'again ' if words else ''}{local(period.since, zone):{shape}}")
        if period.until:
            words.append(f"lost {local(period.until, zone):{shape}}")
    return ", ".join(words)

"""The true order of the messages about one alert: which of them say something that was superseded before they came.

A sender's number or time decides if each later message has a higher one. Otherwise the order of arrival decides. The
time at which a problem began says nothing: a monitoring system that was away for a while reports the end of a problem
and then the same problem, with the same beginning, again. An end has a time of its own, so an end that was received
before is recognised. docs/decisions/0021-order-of-alerts.md has the reasons.
"""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.alert import AlertState
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.engine.alerts.received import ReceivedAlert


def late(alert: ReceivedAlert, known: AlertState) -> str | None:
    """Return why the message changes nothing: its source has said something later. None if it is the latest."""
    if alert.record.state == known.source_state:
        return None
    if alert.order and known.source_order:
        if alert.order < known.source_order:
            return f"By its sender's order it is older than the {known.source_state} that was received last."
        return None
    return None if alert.firing else _end_before(alert, known)


def _end_before(alert: ReceivedAlert, known: AlertState) -> str | None:
    """Return why the end of an alert that fires is an earlier end; None if it may be the end of this firing."""
    at = alert.record.at
    if at and known.source_end and at <= known.source_end:
        return "The same end was received before, and it has been firing again since."
    if at and known.source_time and at < known.source_time:
        return "It ended before the firing began that was received last."
    return None


def fired_before(alert: ReceivedAlert, known: AlertState, ended: Incident, renotify_after: timedelta) -> str | None:
    """Return why a firing alert, whose incident has ended, is no new problem; None if it opens an incident.

    People may end an incident while its alert fires. Its repeats then open nothing for `renotify_after`.
    """
    if alert.order and known.source_order:
        if alert.order < known.source_order or (alert.order == known.source_order and known.source_state == "firing"):
            return f"By its sender's order it is from before {known.incident} ended; a new problem comes later."
        return None
    at, last = alert.record.at, known.source_time
    if known.source_state != "firing" or at is None or last is None or at > last:
        return None
    if ended.ended_at is None or alert.now - ended.ended_at >= renotify_after:
        return None
    return (
        f"It has been firing since before {known.incident} ended, and was never resolved. "
        f"If it is still firing {short_duration(renotify_after)} after that end, it opens another incident."
    )

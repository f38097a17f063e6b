"""Flap detection: an alert whose state changes again and again counts as firing until it has been stable."""

from __future__ import annotations

from datetime import datetime

from allclear.domain.alert import AlertState
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.plan import Storm
from allclear.engine.alerts.received import IntakeResult, ReceivedAlert
from allclear.journal.ports import Journal


def recent_changes(storm: Storm, known: AlertState, now: datetime, *, changed: bool) -> tuple[datetime, ...]:
    """Return when the alert's state changed within the policy's time; `changed` adds the present moment."""
    changes = (*known.transitions, now) if changed else known.transitions
    return tuple(at for at in changes if at > now - storm.flapping.within)


def is_flapping(storm: Storm, changes: tuple[datetime, ...]) -> bool:
    """Return whether an alert with these recent changes is flapping."""
    return len(changes) >= storm.flapping.times


def hold(journal: Journal, storm: Storm, alert: ReceivedAlert, incident: Incident, changes: int) -> IntakeResult:
    """Let a flapping alert count as firing. The record notes it now and then, and people are notified once.

    The record keeps why the alert ended last, if that is no recovery: a person may have paused the rule that flaps.
    """
    last, known = incident.flapping.get(alert.record.key), incident.alerts.get(alert.record.key)
    ends_otherwise = known is not None and not alert.firing and known.no_recovery != alert.record.no_recovery
    if last is None or ends_otherwise or alert.now - last >= storm.flapping_noted_every:
        news = "flapping" if last is None else ""
        held = alert.record.model_copy(update={"state": "firing", "flapping": True, "news": news})
        journal.append(incident.id, [held], alert.by)
    within = short_duration(storm.flapping.within)
    reason = f"It is flapping, with {changes} changes within {within}: it counts as firing, and no action is automatic."
    return IntakeResult("held", reason, incident.id)

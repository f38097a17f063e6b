"""Which messages are to be brought up to date: what a runbook's step with `live` posted tells how it stands.

Pure, as reminders are: it follows from the record alone. The messages wait for nobody and nothing waits for them, so
a team reads that somebody is on it, what was answered, and that it is contained, whatever else waits for an approval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from allclear.domain.incident import LIVE_MESSAGE, Incident
from allclear.domain.runbook import Phase, Runbook, Step
from allclear.engine.notify.page_updates import next_try

SPACE = timedelta(seconds=2)
"""How far apart two updates of a message lie: what comes meanwhile is told together. Slack takes one a second."""


@dataclass(frozen=True)
class LiveMessage:
    """A message that tells of what was."""

    step: Step
    key: str
    """Its step in the record, as `detect-internal-alert`."""
    due: datetime


def due_live_messages(incident: Incident, runbook: Runbook) -> Iterator[LiveMessage]:
    """Yield the messages that the incident has overtaken since they were posted or brought up to date."""
    for phase in Phase:
        for step in runbook.steps(phase):
            key = f"{phase.value}-{step.id}"
            if step.live and (due := _due(incident, phase, step, key)):
                yield LiveMessage(step, key, due)


def _due(incident: Incident, phase: Phase, step: Step, key: str) -> datetime | None:
    posted, last = incident.act_of(phase, step.id), incident.act_of(LIVE_MESSAGE, key)
    if posted is None or posted.outcome is None or not posted.outcome.good or incident.last_change is None:
        return None
    number, at = incident.last_change
    told = last or posted
    if told.outcome is not None and number > told.number:
        return max(at, (told.finished_at or at) + SPACE)
    return next_try(incident, LIVE_MESSAGE, key, at) if last else None

"""Which live messages have to be updated: a runbook's step with `live` posts a message that shows the incident's state.

What has to be updated follows from the record alone, as for reminders. An update needs no approval, and no step waits
for it. So the team reads who responds, which answers were given and when the incident is contained, even while an
approval is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from allclear.domain.incident import Incident
from allclear.domain.pseudo_phases import LIVE_MESSAGE
from allclear.domain.runbook import Phase, Runbook, Step
from allclear.engine.notify.message_retries import next_try

Space = Callable[[str], timedelta]
"""Returns the shortest time between two updates of a message that an action sends."""


@dataclass(frozen=True)
class LiveMessage:
    """A message whose content is older than the incident's last change."""

    step: Step
    key: str
    """The update's step in the record, as `detect-internal-alert`."""
    due: datetime


def due_live_messages(incident: Incident, runbook: Runbook, space: Space) -> Iterator[LiveMessage]:
    """Yield the messages that were posted or updated before the incident's last change.

    Changes within `space` of an action are shown together.
    """
    for phase in Phase:
        for step in runbook.steps(phase):
            key = f"{phase.value}-{step.id}"
            if step.live and (due := _due(incident, phase, step, key, space)):
                yield LiveMessage(step, key, due)


def _due(incident: Incident, phase: Phase, step: Step, key: str, space: Space) -> datetime | None:
    posted, last = incident.act_of(phase, step.id), incident.act_of(LIVE_MESSAGE, key)
    if posted is None or posted.outcome is None or not posted.outcome.good or incident.last_change is None:
        return None
    number, at = incident.last_change
    shown = last or posted
    if shown.outcome is not None and number > shown.number:
        return max(at, (shown.finished_at or at) + space(step.action or ""))
    return next_try(incident, LIVE_MESSAGE, key, at) if last else None

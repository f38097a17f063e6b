"""Cancels the meeting of an incident that ended as a false alarm, and carries on what a person began and did not end.

What is due follows from the record and the clock alone, as for reminders, so a restart neither loses nor repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from allclear.domain.approved_change import clearance
from allclear.domain.base import Clock
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.pseudo_phases import MEETING
from allclear.domain.reminders.meetings import CANCEL, TRIES
from allclear.domain.review.meeting import Meeting, meeting_of
from allclear.engine.actions.meetings import cancellation, meeting_params
from allclear.engine.actions.message_acts import MessageActs
from allclear.engine.notify.message_retries import next_try
from allclear.engine.response.conductor import Conductor

_LEFT_AFTER = timedelta(seconds=60)
"""How long a process that began a person's change of the meeting has for it, before another one carries it on."""


class MeetingSender:
    """Keeps the meeting of one incident as it should be."""

    def __init__(self, conductor: Conductor, acts: MessageActs, plan: Plan, clock: Clock) -> None:
        self._plan = plan
        self._conductor = conductor
        self._acts = acts
        self._clock = clock

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each change of the meeting is to be made or carried on."""
        yield from (at for _, at in _left(incident))
        if (due := self._to_cancel(incident)) is not None:
            yield due[1]

    async def send_due(self, incident_id: str) -> None:
        """Make and carry on what is due. Raises AllclearError for the first that fails."""
        now, incident = self._clock(), self._conductor.incident(incident_id)
        for act, due in list(_left(incident)):
            if due <= now:
                await self._acts.finish(incident_id, act)
        incident = self._conductor.incident(incident_id)
        due_now = self._to_cancel(incident)
        if due_now is not None and due_now[1] <= now:
            params = meeting_params(self._plan, incident, due_now[0])
            request = cancellation(due_now[0], params, f"{incident_id} was a false alarm.")
            await self._acts.send(incident, request)

    def _to_cancel(self, incident: Incident) -> tuple[Meeting, datetime] | None:
        """Return the meeting that is to be cancelled, and when; None if there is none, or it is over."""
        if incident.ended is None or incident.ended_at is None or incident.ended.ending != "false-alarm":
            return None
        meeting = meeting_of(incident)
        if meeting is None or meeting.start <= self._clock():
            return None
        if meeting.cancelled_for_all:
            return None
        due = next_try(incident, MEETING, CANCEL, incident.ended_at, TRIES)
        return (meeting, due) if due else None


def _left(incident: Incident) -> Iterator[tuple[str, datetime]]:
    """Yield the acts on the meeting that were begun or approved and have no outcome, and when each is carried on."""
    for act in incident.acts.values():
        if act.proposed.phase == MEETING and clearance(incident, act).may_go_ahead:
            yield act.id, act.at + _LEFT_AFTER

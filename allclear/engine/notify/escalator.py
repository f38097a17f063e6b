"""Raises the severity of an incident that was not contained in time, unless a probe finds the service healthy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from allclear.domain.action import Verdict
from allclear.domain.base import Clock
from allclear.domain.durations import in_words
from allclear.domain.errors import ConcurrentWrite
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.records import SeverityChanged, StepDone
from allclear.domain.reminders.escalation import POSTPONED_BY
from allclear.domain.reminders.reminder import Reminder, highest_due
from allclear.engine.actions.message_acts import BY
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.flow_starts import loss_messages, restart_messages
from allclear.journal.ports import Journal
from allclear.journal.rows import OutboxMessage


class Escalator:
    """Records the escalations of one incident, each once when it is due."""

    def __init__(
        self,
        journal: Journal,
        conductor: Conductor,
        plan: Plan,
        clock: Clock,
        reminders: Callable[[Incident], list[Reminder]],
    ) -> None:
        """`reminders` returns what was not recorded yet, with the escalations."""
        self._journal = journal
        self._conductor = conductor
        self._plan = plan
        self._clock = clock
        self._reminders = reminders

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each escalation is due."""
        yield from (reminder.due for reminder in self._reminders(incident) if reminder.becomes)

    async def send_due(self, incident_id: str) -> None:
        """Record what is due. Raises AllclearError, ConcurrentWrite if the record has grown meanwhile."""
        incident = self._conductor.incident(incident_id)
        for reminder in highest_due(self._reminders(incident), self._clock()):
            if reminder.becomes:
                await self._escalate(incident, reminder, reminder.becomes)
                incident = self._conductor.incident(incident_id)

    async def _escalate(self, incident: Incident, reminder: Reminder, severity: str) -> None:
        """Raise the severity, unless a new probe finds the service healthy and can tell.

        Raises ConcurrentWrite if the escalation was done or became needless during the probe.
        """
        finding = await self._conductor.check_health(incident)
        probed = StepDone(
            phase=incident.phase or "detect",
            step="escalation-check",
            title="Still failing?",
            finding=finding,
            health_check=True,
            after_entry=incident.length,
        )
        # Other entries may have been written during the probe; only the escalation itself must still be due.
        incident = self._conductor.incident(incident.id)
        due = {(one.topic, one.level) for one in self._reminders(incident)}
        if (reminder.topic, reminder.level) not in due:
            raise ConcurrentWrite(f"{incident.id} needs no escalation any more.", "Nothing is to be done.")
        outbox: list[OutboxMessage] = []
        records: list[Any]
        people_verify = self._plan.people_verify(incident.kind)
        if finding.verdict is Verdict.SUCCESS and not people_verify:
            sentence = (
                f"Not escalated to {severity}: the service is healthy. The next check is in {in_words(POSTPONED_BY)}."
            )
            records = [probed, reminder.record().model_copy(update={"sentence": sentence, "roles": []})]
        else:
            raised = SeverityChanged(was=incident.severity, now=severity, reason=reminder.sentence)
            records = [probed, raised, reminder.record()]
            outbox = restart_messages(incident, self._plan, severity)
        outbox += loss_messages(incident, probed, self._clock())
        self._journal.append(incident.id, records, BY, expect=incident.length, outbox=outbox)

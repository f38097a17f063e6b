"""Records each reminder and escalation once when it is due, and has it sent.

What is due follows from the record alone (`allclear.domain.reminders.due_reminders`), so a restart loses nothing and
repeats nothing. A reminder is an entry first and a message then (`sender.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from allclear.company import Company
from allclear.domain.action import Verdict
from allclear.domain.base import Clock
from allclear.domain.durations import in_words
from allclear.domain.errors import ConcurrentWrite, Unreadable
from allclear.domain.incident import Incident
from allclear.domain.notify.channel import Channel
from allclear.domain.notify.ways import NO_WAY_LEFT
from allclear.domain.privacy import is_private
from allclear.domain.records import SeverityChanged, StepDone
from allclear.domain.reminders.due_reminders import reminders
from allclear.domain.reminders.escalation import POSTPONED_BY
from allclear.domain.reminders.follow_ups import FOLLOW_UP
from allclear.domain.reminders.reminder import Reminder
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.message_acts import BY, READS, MessageActs
from allclear.engine.actions.proposals import Proposer
from allclear.engine.concurrency import Sweep
from allclear.engine.incidents import overrides_of
from allclear.engine.notify.fact_asker import FactAsker
from allclear.engine.notify.meeting_sender import MeetingSender
from allclear.engine.notify.notice_sender import NoticeSender
from allclear.engine.notify.sender import Sender
from allclear.engine.notify.thread_sender import ThreadSender
from allclear.engine.notify.ticket_sender import TicketSender
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.earlier_simulation import EarlierSimulation
from allclear.engine.response.flow_starts import loss_messages, restart_messages
from allclear.journal.ports import Journal
from allclear.journal.rows import IncidentRow, OutboxKind, OutboxMessage

log = logging.getLogger("allclear.reminders")

_WATCHED_AFTER_END = timedelta(days=60)
"""How long after its end an incident may still have a change in place, or a post-mortem due.

Later, only follow-ups count."""

_OLDER_EVERY = timedelta(hours=1)
"""How often older incidents are looked up: only those with a follow-up that is not done."""

_AT_ONCE_AGAIN = datetime.min.replace(tzinfo=UTC)

_NO_WAY = "NO WAY IS LEFT to tell people. It is private: its page says what failed."

_AT_ONCE = 50
"""Incidents whose messages are sent at the same time."""


@dataclass(frozen=True)
class _NextDue:
    """When the next message of an incident is due, as of one length of its record."""

    length: int
    at: datetime | None
    """None if nothing is due until the record grows."""


class Reminders:
    """Watches the deadlines of one company's incidents. Every process may run one; each reminder is recorded once."""

    def __init__(  # noqa: PLR0913 - the pieces that `allclear.bootstrap` puts together
        self,
        journal: Journal,
        conductor: Conductor,
        proposer: Proposer,
        executor: Executor,
        company: Company,
        clock: Clock,
        channels: Mapping[str, Channel],
        *,
        earlier: EarlierSimulation,
    ) -> None:
        self._journal = journal
        self._conductor = conductor
        self._company = company
        self._clock = clock
        self._earlier = earlier
        acts = MessageActs(proposer, executor)
        self._sender = Sender(journal, conductor, acts, company, clock, on_end=self._forget)
        self._threads = ThreadSender(journal, conductor, acts, company, clock, channels)
        self._tickets = TicketSender(journal, conductor, acts, company.plan, clock, on_end=self._forget)
        self._meetings = MeetingSender(conductor, acts, company.plan, clock)
        self._notices = NoticeSender(journal, conductor, acts, company, clock, on_end=self._forget)
        self._facts = FactAsker(journal, conductor, company.plan, clock)
        self._next_due: dict[str, _NextDue] = {}
        self._older: list[IncidentRow] = []
        """The incidents that ended long ago and have a follow-up that is not done, or was done lately, as of the last
        look-up."""
        self._older_until = _AT_ONCE_AGAIN
        """When they are looked up again."""
        self._sweep = Sweep(log, "send what is due in", _AT_ONCE, on_end=self._forget)

    async def start_due(self) -> list[str]:
        """Start sending everything that is due, and return the incidents; `wait` waits for it. Raises JournalError."""
        due = await asyncio.to_thread(self._due_incidents, self._clock())
        return [incident for incident in due if self._sweep.start(incident, partial(self._visit, incident))]

    async def wait(self) -> None:
        """Wait until everything that was started is recorded, and was sent or failed."""
        await self._sweep.wait()
        await self._sender.wait()
        await self._notices.wait()
        await self._tickets.wait()

    async def _visit(self, incident_id: str) -> None:
        self._notices.start_due(incident_id)
        self._tickets.start_due(incident_id)
        for left in reversed(range(READS)):
            try:
                await self._send_due(incident_id)
            except ConcurrentWrite:  # a notice or a ticket was written meanwhile
                if not left:
                    raise
            else:
                return

    async def _send_due(self, incident_id: str) -> None:
        self._facts.ask_due(incident_id)
        await self._record_due(incident_id)
        await self._sender.send_due(incident_id)
        await self._threads.send_due(incident_id)
        await self._meetings.send_due(incident_id)

    # --- what is due -----------------------------------------------------------------------------------

    def _due_incidents(self, now: datetime) -> list[str]:
        rows = self._journal.incidents(ended_since=now - _WATCHED_AFTER_END, with_tickets=True)
        if now >= self._older_until:
            known = {row.id for row in rows}
            followed_up = self._journal.incidents(with_follow_ups=now - _WATCHED_AFTER_END)
            self._older = [row for row in followed_up if row.id not in known]
            self._older_until = now + _OLDER_EVERY
        return [row.id for row in dict.fromkeys([*rows, *self._older]) if self._is_due(row, now)]

    def _is_due(self, row: IncidentRow, now: datetime) -> bool:
        known = self._next_due.get(row.id)
        if known is None or known.length != row.length:
            known = self._next_due[row.id] = self._find_next_due(row)
        return known.at is not None and known.at <= now

    def _find_next_due(self, row: IncidentRow) -> _NextDue:
        try:
            incident = self._conductor.incident(row.id)
        except Unreadable as error:  # one damaged record must not hold up the other incidents
            log.warning("%s", error)
            return _NextDue(row.length, None)
        if self._earlier.includes(incident):
            return _NextDue(incident.length, None)
        times = [reminder.due for reminder in self._reminders(incident)[:1]]
        times += [*self._sender.due_times(incident), *self._threads.due_times(incident)]
        times += [*self._tickets.due_times(incident), *self._notices.due_times(incident)]
        times += self._facts.due_times(incident)
        times += self._meetings.due_times(incident)
        return _NextDue(incident.length, min(times, default=None))

    def _forget(self, incident_id: str) -> None:
        self._next_due.pop(incident_id, None)
        if any(row.id == incident_id for row in self._older):
            self._older_until = _AT_ONCE_AGAIN  # its record has grown

    def _reminders(self, incident: Incident) -> list[Reminder]:
        plan = self._company.plan
        due = reminders(plan, incident, overrides_of(self._journal, plan), self._notices.reaches)
        if incident.ended_at and incident.ended_at < self._clock() - _WATCHED_AFTER_END:
            return [reminder for reminder in due if reminder.topic.startswith(FOLLOW_UP)]
        return due

    # --- recording reminders ---------------------------------------------------------------------------

    async def _record_due(self, incident_id: str) -> None:
        incident = self._conductor.incident(incident_id)
        for reminder in _highest(self._reminders(incident), self._clock()):
            if reminder.becomes:
                await self._escalate(incident, reminder, reminder.becomes)
            else:
                outbox = [_alarm(incident, reminder)] if reminder.topic.startswith(f"{NO_WAY_LEFT}:") else []
                self._journal.append(incident.id, [reminder.record()], BY, expect=incident.length, outbox=outbox)
                if outbox:
                    private = is_private(self._company.plan, incident)
                    log.critical("%s: %s", incident.id, _NO_WAY if private else reminder.sentence)
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
        people_verify = self._company.plan.people_verify(incident.kind)
        if finding.verdict is Verdict.SUCCESS and not people_verify:
            sentence = (
                f"Not escalated to {severity}: the service is healthy. The next check is in {in_words(POSTPONED_BY)}."
            )
            records = [probed, reminder.record().model_copy(update={"sentence": sentence, "roles": []})]
        else:
            raised = SeverityChanged(was=incident.severity, now=severity, reason=reminder.sentence)
            records = [probed, raised, reminder.record()]
            outbox = restart_messages(incident, self._company.plan, severity)
        outbox += loss_messages(incident, probed, self._clock())
        self._journal.append(incident.id, records, BY, expect=incident.length, outbox=outbox)


def _alarm(incident: Incident, reminder: Reminder) -> OutboxMessage:
    """Return the message that shows in Prefect that no way to people is left. It carries no text of an alert."""
    return OutboxMessage(OutboxKind.ALARM, incident.id, f"alarm:{incident.id}:{reminder.topic}", {})


def _highest(found: list[Reminder], now: datetime) -> list[Reminder]:
    """Return the reminders that are due, only the highest level of each topic, because it includes the lower levels."""
    return list({reminder.topic: reminder for reminder in found if reminder.due <= now}.values())

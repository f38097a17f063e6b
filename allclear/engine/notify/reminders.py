"""Records each reminder and escalation once when it is due, and has it sent.

What is due follows from the record alone (`allclear.domain.reminders.due_reminders`), so a restart loses nothing and
repeats nothing. A reminder is an entry first and a message then (`sender.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from allclear.company import Company
from allclear.domain.base import Clock
from allclear.domain.errors import Unreadable
from allclear.domain.incident import Incident
from allclear.domain.notify.channel import Channel
from allclear.domain.notify.ways import NO_WAY_LEFT
from allclear.domain.privacy import is_private
from allclear.domain.reminders.due_reminders import reminders
from allclear.domain.reminders.follow_ups import FOLLOW_UP
from allclear.domain.reminders.reminder import Reminder, highest_due
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.message_acts import BY, MessageActs, with_fresh_reads
from allclear.engine.actions.proposals import Proposer
from allclear.engine.concurrency import Sweep
from allclear.engine.incidents import overrides_of
from allclear.engine.notify.escalator import Escalator
from allclear.engine.notify.fact_asker import FactAsker
from allclear.engine.notify.live_message_sender import LiveMessageSender
from allclear.engine.notify.meeting_sender import MeetingSender
from allclear.engine.notify.notice_sender import NoticeSender
from allclear.engine.notify.sender import Sender
from allclear.engine.notify.task_keys import incident_in, task_key
from allclear.engine.notify.thread_sender import ThreadSender
from allclear.engine.notify.ticket_sender import TicketSender
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.earlier_simulation import EarlierSimulation
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


class _Work(Protocol):
    """Work on one incident that waits for vendors. One task does what is due of it, one thing after the other."""

    def due_times(self, incident: Incident) -> Iterable[datetime]:
        """Return when each thing is to be done."""
        ...

    async def send_due(self, incident_id: str) -> None:
        """Do what is due. Raises AllclearError for the first that fails, ConcurrentWrite if the record grew."""
        ...


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
        self._tickets = TicketSender(journal, conductor, acts, company.plan, clock, on_end=self._forget)
        self._notices = NoticeSender(journal, conductor, acts, company, clock, on_end=self._forget)
        self._facts = FactAsker(journal, conductor, company.plan, clock)
        self._works: dict[str, _Work] = {
            "the escalation": Escalator(journal, conductor, company.plan, clock, self._reminders),
            "the live messages": LiveMessageSender(conductor, acts, clock),
            "the thread": ThreadSender(journal, conductor, acts, company, clock, channels),
            "the meeting": MeetingSender(conductor, acts, company.plan, clock),
        }
        self._next_due: dict[str, _NextDue] = {}
        self._changed: set[str] = set()
        """The incidents of which something has ended since `_next_due` was worked out."""
        self._older: list[IncidentRow] = []
        """The incidents that ended long ago and have a follow-up that is not done, or was done lately, as of the last
        look-up."""
        self._older_until = _AT_ONCE_AGAIN
        """When they are looked up again."""
        self._visits = Sweep(log, "record what is due in", _AT_ONCE, on_end=self._forget)
        self._tasks = Sweep(log, "finish", _AT_ONCE, on_end=lambda key: self._forget(incident_in(key)))

    async def start_due(self) -> list[str]:
        """Start sending everything that is due, and return the incidents; `wait` waits for it. Raises JournalError."""
        due = await asyncio.to_thread(self._due_incidents, self._clock())
        return [incident for incident in due if self._visits.start(incident, partial(self._visit, incident))]

    async def wait(self) -> None:
        """Wait until everything that was started is recorded, and was sent or failed."""
        await self._visits.wait()
        await self._tasks.wait()
        await self._sender.wait()
        await self._notices.wait()
        await self._tickets.wait()

    async def _visit(self, incident_id: str) -> None:
        """Record what is due, and start what has to be done. It waits for no vendor, so a round never is left out."""
        self._notices.start_due(incident_id)
        self._tickets.start_due(incident_id)
        await with_fresh_reads(partial(self._record_due, incident_id))
        self._sender.start_due(incident_id)
        incident = self._conductor.incident(incident_id)
        for name, work in self._works.items():
            if any(due <= self._clock() for due in work.due_times(incident)):
                key, send = task_key(incident_id, name), partial(work.send_due, incident_id)
                self._tasks.start(key, partial(with_fresh_reads, send), group=name)

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
        if known is None or known.length != row.length or row.id in self._changed:
            self._changed.discard(row.id)  # before the record is read: a task may end meanwhile
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
        times = [reminder.due for reminder in self._reminders(incident) if not reminder.becomes][:1]
        times += [*self._facts.due_times(incident), *self._sender.due_times(incident)]
        times += [*self._tickets.due_times(incident), *self._notices.due_times(incident)]
        for name, work in self._works.items():
            if task_key(incident.id, name) not in self._tasks:
                times += work.due_times(incident)
        return _NextDue(incident.length, min(times, default=None))

    def _forget(self, incident_id: str) -> None:
        self._changed.add(incident_id)
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
        """Ask for facts, and record the reminders. An escalation is recorded by the task that probes the service."""
        self._facts.ask_due(incident_id)
        incident = self._conductor.incident(incident_id)
        for reminder in highest_due(self._reminders(incident), self._clock()):
            if not reminder.becomes:
                outbox = [_alarm(incident, reminder)] if reminder.topic.startswith(f"{NO_WAY_LEFT}:") else []
                self._journal.append(incident.id, [reminder.record()], BY, expect=incident.length, outbox=outbox)
                if outbox:
                    private = is_private(self._company.plan, incident)
                    log.critical("%s: %s", incident.id, _NO_WAY if private else reminder.sentence)
                incident = self._conductor.incident(incident_id)


def _alarm(incident: Incident, reminder: Reminder) -> OutboxMessage:
    """Return the message that shows in Prefect that no way to people is left. It carries no text of an alert."""
    return OutboxMessage(OutboxKind.ALARM, incident.id, f"alarm:{incident.id}:{reminder.topic}", {})

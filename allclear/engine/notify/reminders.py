"""Says what is to be said when a time is over, once, and makes graver what was left too long.

What is due follows from the record alone (`allclear.domain.reminders`), so a restart loses nothing and repeats nothing.
Each reminder is an entry first and a message then: the message is an act like any other, and is sent once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from allclear.company import Company
from allclear.domain.action import Verdict
from allclear.domain.base import Clock
from allclear.domain.durations import in_words
from allclear.domain.errors import ConcurrentWrite, NotFound, Refused, Unreadable
from allclear.domain.incident import LIVE_MESSAGE, Act, Incident, ReminderState
from allclear.domain.placeholders import render, render_all
from allclear.domain.plan import MessageAction, Rota, RotaOverride
from allclear.domain.records import By, ReminderDue, SeverityChanged, StepDone
from allclear.domain.reminders import POSTPONED_BY, Reminder, reminders
from allclear.domain.text import plain
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.concurrency import Sweep
from allclear.engine.notify.live_messages import LiveMessage, due_live_messages
from allclear.engine.notify.page_updates import PHASE, PageUpdate, next_try, page_updates
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.flow_starts import restart_messages
from allclear.journal.ports import IncidentRow, Journal

log = logging.getLogger("allclear.reminders")

BY = By(actor="allclear", via="clock")

_REMEMBERED = timedelta(days=60)
"""How long after its end an incident may still have something in place, or a post-mortem due."""

_AT_ONCE = 50
"""Incidents that are seen to at the same time."""


@dataclass(frozen=True)
class _Seen:
    """What was found when an incident was last read."""

    length: int
    next: datetime | None
    """When there is something to do; None for nothing until its record grows."""


class Reminders:
    """Watches the times of one company's incidents. Any process may: what one has said, no other says again."""

    def __init__(
        self,
        journal: Journal,
        conductor: Conductor,
        proposer: Proposer,
        executor: Executor,
        company: Company,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._conductor = conductor
        self._proposer = proposer
        self._executor = executor
        self._company = company
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._sweep = Sweep(log, "send what is due in", _AT_ONCE, on_end=self._forget)

    async def start_due(self) -> list[str]:
        """Start to send everything that is due, and return the incidents; `wait` waits for it. Raises JournalError."""
        due = await asyncio.to_thread(self._waiting, self._clock())
        return [one for one in due if self._sweep.start(one, partial(self._send_due, one))]

    async def wait(self) -> None:
        """Wait until everything that was started is recorded, and was sent or failed."""
        await self._sweep.wait()

    def _forget(self, incident_id: str) -> None:
        self._seen.pop(incident_id, None)

    def _waiting(self, now: datetime) -> list[str]:
        rows = self._journal.incidents(ended_since=now - _REMEMBERED)
        return [row.id for row in rows if self._is_due(row, now)]

    def _is_due(self, row: IncidentRow, now: datetime) -> bool:
        seen = self._seen.get(row.id)
        if seen is None or seen.length != row.length:
            try:
                seen = self._read(self._conductor.incident(row.id))
            except Unreadable as error:  # one damaged record never holds up the others
                log.warning("%s", error)
                seen = _Seen(row.length, None)
            self._seen[row.id] = seen
        return seen.next is not None and seen.next <= now

    def _read(self, incident: Incident) -> _Seen:
        moments = [one.due for one in self._open(incident)[:1]]
        moments += [at for _, at in self._unsent(incident)]
        moments += [word.due for word in self._pager_words(incident)]
        moments += [message.due for message in self._overtaken(incident)]
        return _Seen(incident.length, min(moments, default=None))

    def _open(self, incident: Incident) -> list[Reminder]:
        return reminders(self._company.plan, incident, self._taken())

    def _taken(self) -> list[RotaOverride]:
        return [one for rota in self._company.plan.rotas for one in self._journal.overrides(rota.role)]

    async def _send_due(self, incident_id: str) -> None:
        """Record what is due in one incident, and send it."""
        await self._say_all(incident_id)
        for state, at in self._unsent(self._conductor.incident(incident_id)):
            if at <= self._clock():
                await self._send(incident_id, state)
        for word in self._pager_words(self._conductor.incident(incident_id)):
            if word.due <= self._clock():
                await self._tell_pager(incident_id, word)
        for message in self._overtaken(self._conductor.incident(incident_id)):
            if message.due <= self._clock():
                await self._keep_up(incident_id, message)

    async def _say_all(self, incident_id: str) -> None:
        incident = self._conductor.incident(incident_id)
        for one in _highest(self._open(incident), self._clock()):
            await self._say(incident, one)
            incident = self._conductor.incident(incident_id)

    async def _say(self, incident: Incident, one: Reminder) -> None:
        """Record that it is said; what would become graver is looked at once more before it does."""
        records: list[Any] = [_record(one)]
        outbox = []
        if one.becomes:
            check = await self._conductor.check_health(incident)
            seen = StepDone(
                phase=incident.phase or "detect",
                step="escalation-look",
                title="Still failing?",
                finding=check,
                health_check=True,
            )
            # A look takes its time: only what it bears on must not have moved.
            now = self._conductor.incident(incident.id)
            if not any((one.topic, one.level) == (still.topic, still.level) for still in self._open(now)):
                raise ConcurrentWrite(f"{incident.id} needs no escalation any more.", "Nothing is to be done.")
            incident = now
            if check.verdict is Verdict.SUCCESS:
                held = f"It would become {one.becomes}, but looks well; the next look is in {in_words(POSTPONED_BY)}."
                records = [seen, _record(one).model_copy(update={"sentence": held, "roles": []})]
            else:
                change = SeverityChanged(was=incident.severity, now=one.becomes, reason=one.sentence)
                records = [seen, change, *records]
                outbox = restart_messages(incident, self._company.plan, one.becomes)
        self._journal.append(incident.id, records, BY, expect=incident.length, outbox=outbox)

    # --- the message -----------------------------------------------------------------------------------

    def _unsent(self, incident: Incident) -> Iterator[tuple[ReminderState, datetime]]:
        """Yield what was to be said and has not reached anybody, with when it is tried next."""
        for states in incident.reminders.values():
            for state in states:
                if self._way(state.reminder) is None or not state.reminder.roles:
                    continue
                if at := next_try(incident, PHASE, str(state.number), state.at):
                    yield state, at

    async def _send(self, incident_id: str, state: ReminderState) -> None:
        way, incident = self._way(state.reminder), self._conductor.incident(incident_id)
        if way is None:
            return
        act = incident.act_of(PHASE, str(state.number))
        if act is None or _failed(act):
            self._only_tells(way.action)
            reminder = {
                "reminder": state.reminder.sentence,
                "for": self._whom(state.reminder.roles),
                "number": str(state.number),
            }
            words = self._conductor.values(incident).extended(reminder)
            params = render_all(way.with_, words)
            request = ActionRequest(PHASE, str(state.number), way.action, params, "Remind people", authorised=True)
            await self._executor.carry_out(incident_id, await self._proposer.propose(incident, request, BY), BY)
        elif act.outcome is None:
            await self._executor.carry_out(incident_id, act.id, BY)

    async def _tell_pager(self, incident_id: str, word: PageUpdate) -> None:
        """Record that a page is over, so that whoever was woken may sleep again, or taken, so that nobody else is."""
        page, incident = word.page.proposed, self._conductor.incident(incident_id)
        act = incident.act_of(PHASE, word.step)
        if act and act.outcome is None:
            await self._executor.carry_out(incident_id, act.id, BY)
            return
        request = ActionRequest(
            PHASE, word.step, page.action, page.params, "Close the page", undoes=word.page, authorised=True
        )
        if not word.over and (taken_by := self._taken_by(page.action)):
            kind = self._executor.action(taken_by)
            params = {name: value for name, value in page.params.items() if name in kind.params.model_fields}
            request = ActionRequest(PHASE, word.step, taken_by, params, kind.title, authorised=True)
        await self._executor.carry_out(incident_id, await self._proposer.propose(incident, request, BY), BY)

    def _overtaken(self, incident: Incident) -> list[LiveMessage]:
        with suppress(NotFound):  # a runbook that was taken away says nothing more
            return list(due_live_messages(incident, self._conductor.runbook(incident)))
        return []

    async def _keep_up(self, incident_id: str, message: LiveMessage) -> None:
        """Says in place what a message says by now."""
        incident, step = self._conductor.incident(incident_id), message.step
        act = incident.act_of(LIVE_MESSAGE, message.key)
        if act is None or act.outcome is not None:
            self._only_tells(step.action or "")
            words = self._conductor.values(incident)
            title = f"Keep up to date: {render(step.title, words) or step.id}"
            request = ActionRequest(
                LIVE_MESSAGE, message.key, step.action or "", render_all(step.with_, words), title, authorised=True
            )
            act_id = await self._proposer.propose(incident, request, BY)
        else:
            act_id = act.id
        await self._executor.carry_out(incident_id, act_id, BY)

    def _pager_words(self, incident: Incident) -> list[PageUpdate]:
        return [word for word in page_updates(incident) if word.over or self._taken_by(word.page.proposed.action)]

    def _taken_by(self, action: str) -> str | None:
        """Return what says that the page has been taken; None where its pager knows no such thing, or is gone."""
        with suppress(NotFound):
            return self._executor.action(action).taken_by
        return None

    def _way(self, said: ReminderDue) -> MessageAction | None:
        rules = self._company.plan.reminders
        return (rules.page or rules.message) if said.urgent else rules.message

    def _only_tells(self, action: str) -> None:
        """Raise Refused for an action that does more than tell people: nobody is asked here."""
        kind = type(self._executor.action(action))
        if not kind.speaks or kind.approval is not None:
            raise Refused(f"`{action}` does more than tell people.", "Name one that only speaks, as slack.post.")

    def _whom(self, roles: list[str]) -> str:
        """Return the people whom it is for, each with what reaches them now: `CTO: Ana (phone +49 …)`."""
        now, plan = self._clock(), self._company.plan
        lines: list[str] = []
        for role in roles:
            rota = next((rota for rota in plan.rotas if rota.role == role), None)
            on_duty = self._on_duty(rota, now) if rota else [person.name for person in plan.holders(role)]
            names = [self._reached(name, now) for name in dict.fromkeys(on_duty)]
            lines.append(f"{plan.role_title(role)}: {', '.join(names) or 'nobody is named'}")
        return plain("; ".join(lines), 1000) or "everybody"

    def _on_duty(self, rota: Rota, now: datetime) -> list[str]:
        taken = self._journal.overrides(rota.role)
        return [shift.person for shift in rota.on_duty(now, self._company.plan.working_time, taken)]

    def _reached(self, name: str, now: datetime) -> str:
        plan = self._company.plan
        person = next((one for one in plan.people if one.name == name), None)
        if person is None:
            return name
        ways = [f"{kind} {person.contacts[kind].address}" for kind in person.reached_by(now, plan.working_time)]
        return f"{name} ({', '.join(ways)})" if ways else name


def _record(one: Reminder) -> ReminderDue:
    return ReminderDue(
        topic=one.topic, level=one.level, sentence=one.sentence, roles=list(one.roles), urgent=one.urgent
    )


def _highest(found: list[Reminder], now: datetime) -> list[Reminder]:
    """Return what is due, of each topic the highest rung: what nobody heard in time is not said rung by rung."""
    return list({one.topic: one for one in found if one.due <= now}.values())


def _failed(act: Act) -> bool:
    return act.outcome is not None and not act.outcome.good

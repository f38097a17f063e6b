"""Sends reminders, and updates pages. Each message is an act, and is sent once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from allclear.company import Company
from allclear.domain.act import Act
from allclear.domain.base import Clock
from allclear.domain.errors import NotFound
from allclear.domain.incident import Incident, ReminderState
from allclear.domain.notify.ways import Way, failed
from allclear.domain.plan import RotaOverride
from allclear.engine.actions.message_acts import MessageActs, with_fresh_reads
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.concurrency import Sweep
from allclear.engine.incidents import overrides_of
from allclear.engine.notify.failed_sends import failed_page_tries, next_ways
from allclear.engine.notify.page_updates import PHASE, PageUpdate, page_updates
from allclear.engine.notify.reminder_params import ReminderParams
from allclear.engine.notify.task_keys import incident_in, task_key
from allclear.engine.response.conductor import Conductor
from allclear.journal.ports import Journal

log = logging.getLogger("allclear.reminders")

_AT_ONCE = 20
"""Tasks that send by one action, or to one vendor, at the same time."""


@dataclass(frozen=True)
class _Due:
    """A message that is to be sent."""

    name: str
    """Identifies it in its incident, as `reminder-7-page`."""
    task: str
    """The task that sends it: its own, or the one that sends what goes to this vendor, in turn."""
    group: str
    """The action or the vendor whose slots it takes."""
    due: datetime
    send: Callable[[], Awaitable[None]]


class Sender:
    """Sends reminders and updates of pages, and retries what could not be sent. A vendor that hangs delays no other.

    A reminder by one of the plan's `ways` has a task of its own, because a call is pending for minutes. Everything else
    of an incident has one task for each vendor: a page has to be sent before the update that ends it.
    """

    def __init__(
        self,
        journal: Journal,
        conductor: Conductor,
        acts: MessageActs,
        company: Company,
        clock: Clock,
        on_end: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_end` is called with the incident of each message that was sent or failed."""
        self._journal = journal
        self._conductor = conductor
        self._acts = acts
        self._company = company
        self._clock = clock
        self._reminders = ReminderParams(journal, conductor, acts, company, clock)
        self._sweep = Sweep(log, "send", _AT_ONCE, on_end=lambda key: on_end(incident_in(key)))

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each message is to be sent, without those whose task is running."""
        yield from (one.due for one in self._due(incident) if task_key(incident.id, one.task) not in self._sweep)

    def start_due(self, incident_id: str) -> None:
        """Start sending what is due; `wait` waits for it."""
        for one in self._due_now(incident_id):
            send = partial(self._send_all, incident_id, one.task)
            self._sweep.start(task_key(incident_id, one.task), send, group=one.group)

    async def wait(self) -> None:
        """Wait until everything that was started was sent or failed."""
        await self._sweep.wait()

    def _due(self, incident: Incident) -> Iterator[_Due]:
        """Yield each message that is not sent yet: the reminders, the failed pages, the updates of pages."""
        for state, way, at in self._unsent(incident):
            send = partial(self._send_reminder, incident, state, way)
            if way.of_plan:
                yield _Due(way.step, way.step, way.message.action, at, send)
            else:
                yield _in_turn(way.step, way.message.action, at, send)
        for page, at in self._failed_page_tries(incident):
            name = f"{page.proposed.phase}/{page.proposed.step}"
            yield _in_turn(name, page.proposed.action, at, partial(self._send_page_again, incident, page))
        for update in self._page_updates(incident):
            action, send = update.page.proposed.action, partial(self._update_page, incident, update)
            yield _in_turn(update.step, action, update.due, send)

    def _due_now(self, incident_id: str) -> list[_Due]:
        return [one for one in self._due(self._conductor.incident(incident_id)) if one.due <= self._clock()]

    async def _send_all(self, incident_id: str, task: str) -> None:
        """Send what is due of one task, each message once. Raises AllclearError for the first that fails."""
        tried: set[str] = set()
        while left := [one for one in self._due_now(incident_id) if one.task == task and one.name not in tried]:
            await with_fresh_reads(partial(self._send, incident_id, left[0].name))
            tried.add(left[0].name)

    async def _send(self, incident_id: str, name: str) -> None:
        """Send one message, unless it is no longer due. Raises AllclearError, ConcurrentWrite if the record grew."""
        for one in self._due_now(incident_id):
            if one.name == name:
                await one.send()
                return

    # --- reminders -------------------------------------------------------------------------------------

    def _unsent(self, incident: Incident) -> Iterator[tuple[ReminderState, Way, datetime]]:
        """Yield the reminders that were recorded and not sent, each with the way and the time of its next try."""
        overrides = self._overrides()
        for states in incident.reminders.values():
            for state in states:
                if state.reminder.roles:
                    chosen = self._reminders.ways(incident, state, overrides)
                    yield from ((state, way, at) for way, at in next_ways(incident, state, chosen))

    async def _send_reminder(self, incident: Incident, state: ReminderState, way: Way) -> None:
        act = incident.act_of(PHASE, way.step)
        if act is None or failed(act):
            self._acts.require_message(way.message.action)
            message = self._reminders.message(incident, state, way)
            request = ActionRequest(
                PHASE,
                way.step,
                way.message.action,
                message.params,
                "Remind people",
                about=_question(incident, state),
                authorised=True,
                refused=message.refused,
            )
            await self._acts.send(incident, request)
        elif act.outcome is None:
            await self._acts.finish(incident.id, act.id)

    async def _send_page_again(self, incident: Incident, page: Act) -> None:
        """Send a page of the runbook that failed once more, under its own step; `page` is its newest try."""
        if page.outcome is None:  # interrupted
            await self._acts.finish(incident.id, page.id)
            return
        of = page.proposed
        request = ActionRequest(of.phase, of.step, of.action, of.params, of.title, authorised=True)
        await self._acts.send(incident, request)

    # --- pages -----------------------------------------------------------------------------------------

    def _overrides(self) -> list[RotaOverride]:
        return overrides_of(self._journal, self._company.plan)

    def _failed_page_tries(self, incident: Incident) -> Iterator[tuple[Act, datetime]]:
        return failed_page_tries(self._company.plan, incident, self._overrides())

    def _page_updates(self, incident: Incident) -> list[PageUpdate]:
        updates = page_updates(self._company.plan, incident, self._overrides())
        return [update for update in updates if update.over or self._acknowledging(update.page.proposed.action)]

    def _acknowledging(self, action: str) -> str | None:
        """Return the action that acknowledges such a page; None if the pager has none, or is not installed any more."""
        with suppress(NotFound):
            return self._acts.kind(action).acknowledge_action
        return None

    async def _update_page(self, incident: Incident, update: PageUpdate) -> None:
        """Resolve a page that is over, or acknowledge one that was answered, so that it wakes no one else."""
        page = update.page.proposed
        if await self._acts.carry_on(incident, PHASE, update.step):
            return
        request = ActionRequest(
            PHASE, update.step, page.action, page.params, "Close the page", undoes=update.page, authorised=True
        )
        if not update.over and (acknowledging := self._acknowledging(page.action)):
            kind = self._acts.kind(acknowledging)
            params = {name: value for name, value in page.params.items() if name in kind.params.model_fields}
            request = ActionRequest(PHASE, update.step, acknowledging, params, kind.title, authorised=True)
        await self._acts.send(incident, request)


def _in_turn(name: str, action: str, due: datetime, send: Callable[[], Awaitable[None]]) -> _Due:
    """Return a message that waits for those before it that go to the same vendor."""
    vendor = action.partition(".")[0]
    return _Due(name, vendor, vendor, due, send)


def _question(incident: Incident, state: ReminderState) -> str:
    """Return the question that a reminder is about, or nothing."""
    kind, _, about = state.reminder.topic.partition(":")
    return about if kind == "answer" and about in incident.asks else ""

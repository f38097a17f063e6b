"""Sends reminders, and updates pages and live messages. Each message is an act, and is sent once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial

from allclear.company import Company
from allclear.domain.act import Act
from allclear.domain.base import Clock
from allclear.domain.errors import ConcurrentWrite, NotFound, Refused
from allclear.domain.incident import Incident, ReminderState
from allclear.domain.notify.ways import Way, failed
from allclear.domain.placeholders import render, render_all
from allclear.domain.plan import RotaOverride
from allclear.domain.pseudo_phases import LIVE_MESSAGE
from allclear.engine.actions.message_acts import READS, MessageActs
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.concurrency import Sweep
from allclear.engine.incidents import overrides_of
from allclear.engine.notify.failed_sends import failed_page_tries, next_ways
from allclear.engine.notify.live_messages import LiveMessage, due_live_messages
from allclear.engine.notify.page_updates import PHASE, PageUpdate, page_updates
from allclear.engine.notify.reminder_params import ReminderParams
from allclear.engine.notify.task_keys import incident_in, task_key
from allclear.engine.response.conductor import Conductor
from allclear.journal.ports import Journal

log = logging.getLogger("allclear.reminders")

_AT_ONCE = 20
"""Reminders by the plan's `ways` that one action sends at the same time."""


class Sender:
    """Sends what is due in one incident, and retries what could not be sent."""

    def __init__(
        self,
        journal: Journal,
        conductor: Conductor,
        acts: MessageActs,
        company: Company,
        clock: Clock,
        on_end: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_end` is called with the incident of each reminder that was sent, or failed, in a task of its own."""
        self._journal = journal
        self._conductor = conductor
        self._acts = acts
        self._company = company
        self._clock = clock
        self._reminders = ReminderParams(journal, conductor, acts, company, clock)
        self._sweep = Sweep(log, "send the reminder", _AT_ONCE, on_end=lambda key: on_end(incident_in(key)))

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each message of the incident that is not sent yet is to be sent."""
        yield from (at for _, way, at in self._unsent(incident) if task_key(incident.id, way.step) not in self._sweep)
        yield from (at for _, at in self._failed_page_tries(incident))
        yield from (update.due for update in self._page_updates(incident))
        yield from (message.due for message in self._live_messages(incident))

    async def send_due(self, incident_id: str) -> None:
        """Send the messages that are due. Raises AllclearError for the first that fails.

        A reminder by one of the plan's `ways` has a task of its own, because a call is pending for minutes; `wait`
        waits for it.
        """
        for state, way, at in self._unsent(self._conductor.incident(incident_id)):
            if at > self._clock():
                continue
            if way.of_plan:
                key = task_key(incident_id, way.step)
                self._sweep.start(key, partial(self._send_by_way, incident_id, way), group=way.message.action)
            else:
                await self._send_reminder(incident_id, state, way)
        for page, at in self._failed_page_tries(self._conductor.incident(incident_id)):
            if at <= self._clock():
                await self._send_page_again(incident_id, page)
        for update in self._page_updates(self._conductor.incident(incident_id)):
            if update.due <= self._clock():
                await self._update_page(incident_id, update)
        for message in self._live_messages(self._conductor.incident(incident_id)):
            if message.due <= self._clock():
                await self._update_live_message(incident_id, message)

    async def wait(self) -> None:
        """Wait until every reminder that has a task of its own was sent or failed."""
        await self._sweep.wait()

    # --- reminders -------------------------------------------------------------------------------------

    def _unsent(self, incident: Incident) -> Iterator[tuple[ReminderState, Way, datetime]]:
        """Yield the reminders that were recorded and not sent, each with the way and the time of its next try."""
        overrides = self._overrides()
        for states in incident.reminders.values():
            for state in states:
                if state.reminder.roles:
                    chosen = self._reminders.ways(incident, state, overrides)
                    yield from ((state, way, at) for way, at in next_ways(incident, state, chosen))

    async def _send_by_way(self, incident_id: str, way: Way) -> None:
        """Send a reminder by one of the plan's `ways`, unless it is no longer due."""
        for left in reversed(range(READS)):
            unsent = self._unsent(self._conductor.incident(incident_id))
            due = [state for state, one, at in unsent if one.step == way.step and at <= self._clock()]
            try:
                for state in due[:1]:
                    await self._send_reminder(incident_id, state, way)
            except ConcurrentWrite:  # something else was written meanwhile: read again
                if not left:
                    raise
            else:
                return

    async def _send_reminder(self, incident_id: str, state: ReminderState, way: Way) -> None:
        incident = self._conductor.incident(incident_id)
        act = incident.act_of(PHASE, way.step)
        if act is None or failed(act):
            self._require_message(way.message.action)
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
            await self._acts.finish(incident_id, act.id)

    async def _send_page_again(self, incident_id: str, page: Act) -> None:
        """Send a page of the runbook that failed once more, under its own step; `page` is its newest try."""
        if page.outcome is None:  # interrupted
            await self._acts.finish(incident_id, page.id)
            return
        of = page.proposed
        request = ActionRequest(of.phase, of.step, of.action, of.params, of.title, authorised=True)
        await self._acts.send(self._conductor.incident(incident_id), request)

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

    async def _update_page(self, incident_id: str, update: PageUpdate) -> None:
        """Resolve a page that is over, or acknowledge one that was answered, so that it wakes no one else."""
        page, incident = update.page.proposed, self._conductor.incident(incident_id)
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

    # --- live messages ---------------------------------------------------------------------------------

    def _live_messages(self, incident: Incident) -> list[LiveMessage]:
        with suppress(NotFound):  # a runbook that was removed has no messages to update
            runbook = self._conductor.runbook(incident)
            return list(due_live_messages(incident, runbook, lambda name: self._acts.kind(name).updates_every))
        return []

    async def _update_live_message(self, incident_id: str, message: LiveMessage) -> None:
        incident, step = self._conductor.incident(incident_id), message.step
        if await self._acts.carry_on(incident, LIVE_MESSAGE, message.key):
            return
        self._require_message(step.action or "")
        values = self._conductor.values_for(incident, self._acts.kind(step.action or ""))
        title = f"Keep up to date: {render(step.title, values) or step.id}"
        params = render_all(step.with_, values)
        await self._acts.send(
            incident, ActionRequest(LIVE_MESSAGE, message.key, step.action or "", params, title, authorised=True)
        )

    # --- acts ------------------------------------------------------------------------------------------

    def _require_message(self, action: str) -> None:
        """Raise Refused for an action that does more than send a message, because no one approves it here."""
        kind = self._acts.kind(action)
        if not kind.text_params or kind.approval is not None:
            raise Refused(f"`{action}` does more than send a message.", "Name a message action, such as slack.post.")


def _question(incident: Incident, state: ReminderState) -> str:
    """Return the question that a reminder is about, or nothing."""
    kind, _, about = state.reminder.topic.partition(":")
    return about if kind == "answer" and about in incident.asks else ""

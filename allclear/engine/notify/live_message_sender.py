"""Updates the live messages of one incident. Each update is an act, and is sent once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from allclear.domain.base import Clock
from allclear.domain.errors import NotFound
from allclear.domain.incident import Incident
from allclear.domain.placeholders import render, render_all
from allclear.domain.pseudo_phases import LIVE_MESSAGE
from allclear.engine.actions.message_acts import MessageActs
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.notify.live_messages import LiveMessage, due_live_messages
from allclear.engine.response.conductor import Conductor


class LiveMessageSender:
    """Keeps the live messages of one incident up to date, and retries an update that could not be sent."""

    def __init__(self, conductor: Conductor, acts: MessageActs, clock: Clock) -> None:
        self._conductor = conductor
        self._acts = acts
        self._clock = clock

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each message is to be updated."""
        yield from (message.due for message in self._live_messages(incident))

    async def send_due(self, incident_id: str) -> None:
        """Update the messages that are due. Raises AllclearError for the first that fails."""
        for message in self._live_messages(self._conductor.incident(incident_id)):
            if message.due <= self._clock():
                await self._update_live_message(incident_id, message)

    def _live_messages(self, incident: Incident) -> list[LiveMessage]:
        with suppress(NotFound):  # a runbook that was removed has no messages to update
            runbook = self._conductor.runbook(incident)
            return list(due_live_messages(incident, runbook, lambda name: self._acts.kind(name).updates_every))
        return []

    async def _update_live_message(self, incident_id: str, message: LiveMessage) -> None:
        incident, step = self._conductor.incident(incident_id), message.step
        if await self._acts.carry_on(incident, LIVE_MESSAGE, message.key):
            return
        self._acts.require_message(step.action or "")
        values = self._conductor.values_for(incident, self._acts.kind(step.action or ""))
        title = f"Keep up to date: {render(step.title, values) or step.id}"
        params = render_all(step.with_, values)
        await self._acts.send(
            incident, ActionRequest(LIVE_MESSAGE, message.key, step.action or "", params, title, authorised=True)
        )

"""Sends the posts and cards in the thread under an incident's summary message. Each is an act, and is sent once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime

from allclear.company import Company
from allclear.domain.ask_state import AskState
from allclear.domain.base import Clock
from allclear.domain.errors import NotFound
from allclear.domain.incident import Incident
from allclear.domain.notify.channel import Channel, Post
from allclear.domain.plan import Plan
from allclear.domain.plan.people import ON_CALL
from allclear.domain.privacy import is_private
from allclear.domain.pseudo_phases import THREAD
from allclear.domain.states import Turn
from allclear.engine.actions.message_acts import MessageActs
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.notify.recipients import RecipientFinder
from allclear.engine.notify.thread_words import card, card_text, private_card, private_card_text, turn_text
from allclear.engine.notify.threads import DuePost, due_posts
from allclear.engine.response.conductor import Conductor
from allclear.journal.ports import Journal


class ThreadSender:
    """Posts the turns of one incident and the cards of its questions, and retries what could not be sent."""

    def __init__(
        self,
        journal: Journal,
        conductor: Conductor,
        acts: MessageActs,
        company: Company,
        clock: Clock,
        channels: Mapping[str, Channel],
    ) -> None:
        self._journal = journal
        self._conductor = conductor
        self._acts = acts
        self._plan: Plan = company.plan
        self._clock = clock
        self._channels = channels
        self._recipients = RecipientFinder(journal, company.plan)

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each post that is not sent yet is to be sent."""
        yield from (post.due for post in self._posts(incident))

    async def send_due(self, incident_id: str) -> None:
        """Send the posts that are due. Raises AllclearError for the first that fails."""
        for post in self._posts(self._conductor.incident(incident_id)):
            if post.due <= self._clock():
                await self._send(incident_id, post)

    def _posts(self, incident: Incident) -> list[DuePost]:
        with suppress(NotFound):  # a runbook that was removed has no messages
            runbook = self._conductor.runbook(incident)
            return list(due_posts(incident, runbook, self._channels.values(), self._clock()))
        return []

    async def _send(self, incident_id: str, due: DuePost) -> None:
        incident = self._conductor.incident(incident_id)
        if await self._acts.carry_on(incident, THREAD, due.step):
            return
        post = self._turn(incident, due, due.about) if isinstance(due.about, Turn) else self._card(incident, due)
        params = due.channel.params(due.summary.proposed.params, post)
        title = "Close a question's card" if due.closed else "Post in the thread"
        request = ActionRequest(THREAD, due.step, due.channel.action, params, title, authorised=True)
        await self._acts.send(incident, request)

    def _turn(self, incident: Incident, due: DuePost, turn: Turn) -> Post:
        entry = self._journal.entries(incident.id, after=turn.number - 1)[0]
        people = self._mentioned(incident, due, ON_CALL) if turn.calls else []
        if turn.person:
            people = self._recipients.addresses_of(turn.person, due.channel.contact, self._clock())
        return Post(key=due.key, text=turn_text(incident, entry, self._plan), people=people)

    def _card(self, incident: Incident, due: DuePost) -> Post:
        assert isinstance(due.about, AskState)  # noqa: S101 - the other kind is a turn
        state = incident.asks[due.about.ask.id]
        people = [] if due.closed else self._mentioned(incident, due, *state.ask.policy.roles)
        if is_private(self._plan, incident):
            text, shown = private_card_text(incident, state.ask, self._plan), private_card(state, closed=due.closed)
        else:
            text, shown = (
                card_text(incident, state.ask, self._plan),
                card(incident, state, self._plan, closed=due.closed),
            )
        return Post(key=due.key, text=text, people=people, card=shown)

    def _mentioned(self, incident: Incident, due: DuePost, *roles: str) -> list[str]:
        return self._recipients.to_mention(roles, due.channel.contact, incident, self._clock())

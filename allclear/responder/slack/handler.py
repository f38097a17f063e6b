"""What happens when a person presses a button, sends a form or types a command in Slack.

Slack is answered at once; the work comes after it, on the loop of the background workers. Whatever a person does has
one visible result: the card in the thread changes, a form opens, or one sentence appears that only that person sees.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError
from allclear.domain.links import LinkTo
from allclear.domain.notify.channel import Pressed, read_button
from allclear.domain.plan.slack_ids import slack_user_id
from allclear.domain.records import By
from allclear.engine.people.declare import Declaration, declared_words
from allclear.responder.channels.answers import ChannelAnswers
from allclear.responder.channels.authors import author, person_of
from allclear.responder.slack import forms
from allclear.responder.slack.payloads import Press, Received, Submission, Typed
from allclear.responder.slack.typed import Declare, meaning
from allclear.vendors.slack import Slack
from allclear.vendors.slack_blocks import ANSWER

log = logging.getLogger("allclear.responder")

_REMEMBERED = 2_000
"""Requests: Slack may send one twice."""


@dataclass(frozen=True)
class Place:
    """Where a person acts, so that a sentence for that person appears there."""

    user: str
    channel: str = ""
    thread: str = ""


class SlackHandler:
    """Does what people ask for in Slack, with the same commands as everywhere. Its methods run on one event loop."""

    def __init__(self, engine: Engine, written: Callable[[], None]) -> None:
        """`written` is called after something was written, so that the background workers go on at once."""
        self._engine = engine
        self._written = written
        self._channel = engine.registry.channels["slack"]
        self._answers = ChannelAnswers(engine, self._channel)
        self._known: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, received: Received) -> None:
        """Begin the work on what was received. It must be called on the loop of the background workers."""
        task = asyncio.create_task(self.handle(received))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for the work that has begun, and for the messages that it started."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._known:
            await self._engine.reminders.wait()

    async def handle(self, received: Received) -> None:
        """Do what was asked, and tell its author if it was not done."""
        match received:
            case Press():
                place = Place(received.user.id, received.channel.id, received.thread)
                work = partial(self._press, received, place)
            case Submission():
                remembered = forms.remembered_in(received.view.private_metadata)
                place = Place(received.user.id, remembered.get("channel", ""), remembered.get("thread", ""))
                work = partial(self._submit, received, place, remembered)
            case Typed():
                place = Place(received.user_id, received.channel_id)
                work = partial(self._typed, received, place)
        try:
            sentence = await work()
        except AllclearError as error:
            sentence = str(error)
        except Exception:  # whatever happens, its author must read something
            log.exception("Handling what a person did in Slack failed.")
            sentence = "It failed, and the responder's log says why. Look at the incident before you repeat it."
        if sentence:
            await self._tell(place, sentence)

    # --- buttons -------------------------------------------------------------------------------------------

    async def _press(self, press: Press, place: Place) -> str:
        action = press.actions[0]
        pressed = read_button(action.value) if action.action_id.startswith(ANSWER) else None
        if pressed is None:  # the link to the page, or a button that is not ours
            return ""
        team = press.team.id if press.team else press.user.team_id
        request = f"slack:{team}:{place.user}:{action.action_ts}:{action.value}"
        if not self._is_new(request):
            return ""
        state, decision = self._answers.pressed(pressed, place.user, request)
        if state.open and state.ask.reason_needed(yes=decision.yes):
            remembered = {"value": action.value, "channel": place.channel, "thread": place.thread, "request": request}
            form = forms.reason_form(state.ask, decision, remembered)
            await self._engine.context.client(Slack).open_view(press.trigger_id, form)
            return ""
        return await self._answer(pressed, place.user, request, "")

    async def _answer(self, pressed: Pressed, user: str, request: str, reason: str) -> str:
        """Give the answer, and return a sentence if the question is still open then."""
        try:
            return await self._answers.answer(pressed, user, request, reason)
        finally:
            await self._go_on()

    # --- forms ---------------------------------------------------------------------------------------------

    async def _submit(self, sent: Submission, place: Place, remembered: dict[str, str]) -> str:
        team = sent.team.id if sent.team else sent.user.team_id
        if not self._is_new(f"view:{sent.view.id}"):
            return ""
        if sent.view.callback_id == forms.REASON:
            pressed = read_button(remembered.get("value", ""))
            request = f"{remembered.get('request', '')}:{sent.view.id}"
            return await self._answer(pressed, place.user, request, sent.entered(forms.WHY)) if pressed else ""
        if sent.view.callback_id == forms.DECLARE:
            by = author(self._engine.company.plan, self._channel, place.user, f"slack:{team}:view:{sent.view.id}")
            return await self._declare(sent, by)
        return ""

    async def _declare(self, sent: Submission, by: By) -> str:
        """Open the incident; a form that is sent again, even to another process, opens no second one."""
        severity = sent.entered(forms.SEVERITY)
        declaration = Declaration(
            title=sent.entered(forms.TITLE),
            severity=None if severity in {"", forms.BY_RULES} else severity,
            service=sent.entered(forms.SERVICE),
            runbook=sent.entered(forms.RUNBOOK),
            facets={
                name: value
                for name in self._engine.company.plan.facets
                if (value := sent.entered(f"{forms.FACT}{name}"))
            },
        )
        declared = self._engine.people.declare(declaration, by)
        await self._go_on()
        incident = self._engine.conductor.incident(declared.incident)
        link = "" if incident.opened.ticket else self._engine.links.href(LinkTo(incident=incident.id))
        return f"{declared_words(incident, declared)} {link}".strip()

    # --- commands ------------------------------------------------------------------------------------------

    async def _typed(self, typed: Typed, place: Place) -> str:
        request = f"slack:{typed.team_id}:{place.user}:{typed.trigger_id}"
        if not self._is_new(request):
            return ""
        plan = self._engine.company.plan
        person_of(plan, self._channel, place.user)
        given = meaning(typed.text, self._names())
        if isinstance(given, Declare):
            form = forms.declare_form(self._engine.company, given.title[:150], {"channel": place.channel})
            await self._engine.context.client(Slack).open_view(typed.trigger_id, form)
            return ""
        incident = self._engine.conductor.incident(given.incident)
        by = author(plan, self._channel, place.user, request, incident)
        try:
            return await given.command.carry_out(self._engine, incident.id, by)
        finally:
            await self._go_on()

    def _names(self) -> dict[str, str]:
        """Return the people of the plan by their Slack user ids."""
        contacts = ((person, person.contacts.get("slack")) for person in self._engine.company.plan.people)
        return {
            user: person.name for person, contact in contacts if contact and (user := slack_user_id(contact.address))
        }

    # --- what follows --------------------------------------------------------------------------------------

    async def _go_on(self) -> None:
        """Let the workers go on, and the card in the thread change at once."""
        self._written()
        try:
            await self._engine.reminders.start_due()
        except AllclearError as error:  # the worker that sends what is due tries again within a second
            log.warning("%s", error)

    async def _tell(self, place: Place, sentence: str) -> None:
        try:
            slack = self._engine.context.client(Slack)
            await slack.tell(place.channel, place.user, sentence, thread=place.thread)
        except AllclearError as error:
            log.warning("Telling a person in Slack what became of a request failed: %s", error)

    def _is_new(self, request: str) -> bool:
        """Return whether this process has not seen the request; the journal knows those of other processes."""
        if request in self._known:
            return False
        self._known[request] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return True

"""Answers that people give with the buttons of a channel's cards."""

from __future__ import annotations

from allclear.bootstrap import Engine
from allclear.commands.answers import Answer
from allclear.domain.ask_state import AskState
from allclear.domain.decisions import Decision, asked_now
from allclear.domain.errors import NotAllowed
from allclear.domain.incident import Incident
from allclear.domain.notify.channel import Channel, Pressed
from allclear.domain.privacy import require_reader
from allclear.responder.channels.authors import author


class ChannelAnswers:
    """Gives the answers of pressed buttons, each for the change that it showed (`read_button` reads them).

    The channel must have proven who pressed, and that it comes from the channel itself.
    """

    def __init__(self, engine: Engine, channel: Channel) -> None:
        self._engine = engine
        self._channel = channel

    def pressed(self, pressed: Pressed, user: str, request: str) -> tuple[AskState, Decision]:
        """Return the question of a button, and the answer that the button gives.

        Raises NotFound, and NotAllowed for a button without such an answer or for a user who may not read the incident.
        """
        incident = self.require_reader(user, pressed.ask.partition("/")[0], request)
        state = self._engine.people.question(pressed.ask)
        decision = pressed.decision(state.ask)
        if decision is None:
            raise NotAllowed(f"{pressed.ask} has no such answer.", asked_now(incident, self._engine.company.plan))
        return state, decision

    async def answer(self, pressed: Pressed, user: str, request: str, reason: str = "") -> str:
        """Give the answer; return the sentence for its author, or nothing if the card shows that it is closed.

        A request that is repeated answers nothing more. Raises what `Command.carry_out` raises.
        """
        state, decision = self.pressed(pressed, user, request)
        incident = self._engine.conductor.incident(pressed.ask.partition("/")[0])
        by = author(self._engine.company.plan, self._channel, user, request, incident, state.ask.policy)
        command = Answer(
            ask=pressed.ask,
            word=decision.word,
            reason=reason,
            choice=decision.choice,
            digest=pressed.digest or None,
        )
        sentence = await command.carry_out(self._engine, incident.id, by)
        return sentence if self._engine.people.question(pressed.ask).open else ""

    def require_reader(self, user: str, incident_id: str, request: str = "") -> Incident:
        """Return the incident. Raises UnknownUser or NotAllowed for a user who may not read it, NotFound."""
        incident = self._engine.conductor.incident(incident_id)
        plan = self._engine.company.plan
        require_reader(plan, incident, author(plan, self._channel, user, request, incident))
        return incident

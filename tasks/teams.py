"""Posting in Microsoft Teams, through a flow of the Workflows app.

Teams shows us nothing of what it did: it has no message id, and nothing can be read, changed or deleted. So:
- What was posted is known from our record alone: the state after an act is what the flow accepted.
- A message that is posted again with another text is a new message, which says what has changed.
- If no answer came, the message may be there. It is posted again, and says that it may be a repeat.
- A question has a link to the incident's page instead of buttons.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    COMPANY,
    Action,
    Change,
    Client,
    Fence,
    Finding,
    LinkedParams,
    ParamProblem,
    Receipt,
    Verdict,
)
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import digest
from allclear.domain.errors import Refused
from allclear.domain.notify.channel import Card
from allclear.domain.notify.delivery import MAY_BE_REPEAT, Delivery, Sent
from allclear.domain.preflight import PlannedUse, Preflight, PreflightCheck, Unproven
from allclear.domain.systems import Service
from allclear.vendors.teams import Teams
from allclear.vendors.teams_cards import TeamsMessage, can_be_mentioned, news
from tasks.permissions import TEAMS_POST

DEADLINE = timedelta(seconds=15)


class TeamsParams(LinkedParams):
    """The text, what stands beside it, and the key by which our record knows the message."""

    message: str = Field(min_length=1, max_length=200, description="Our key for the message, as VS-1.")
    text: str = Field(min_length=1, description="The text of the message.")
    title: str = Field(default="", description="The headline.")
    facts: dict[str, str] = Field(default={}, description="Short facts under the text: name -> value.")
    people: list[str] = Field(default=[], description="The user names (as ana@example.com) whom it mentions.")
    card: Card | None = Field(default=None, description="The question that it asks.")


class TeamsState(Sent):
    """A message as our record knows it; `fingerprint` is that of all it shows, None until a flow has accepted it."""

    incidental: ClassVar[frozenset[str]] = frozenset({"text", "deliveries", "unanswered"})

    key: str
    fingerprint: str | None = None
    text: str = ""
    unanswered: bool = Field(default=False, description="Whether an earlier try got no answer, and may be there.")

    @override
    def in_words(self) -> str:
        return self.text.strip().partition("\n")[0] or "nothing posted"


class TeamsPreflight(Preflight):
    """Tests the form of the address. More cannot be read: only a card in the channel proves that the flow posts."""

    client: ClassVar[type[Client]] = Teams

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        yield PreflightCheck("webhook", partial(self._webhook, self.context.client(Teams)))

    async def _webhook(self, teams: Teams) -> Unproven:
        return Unproven(
            f"The address has the form of a flow's. Only a card in {teams.channel} shows whether the flow posts there.",
            f'Post one, and look: allclear act {COMPANY} teams.post message=TEST text="A test" --reason test --as NAME '
            "--role ROLE",
        )


class PostInTeams(Action[TeamsParams, TeamsState]):
    """Posts a card in the channel; a changed text is a new card that says what has changed."""

    name = "teams.post"
    title = "Post in Teams"
    permissions = (TEAMS_POST,)
    usual_risk = "Everyone in the channel can read it."
    usual_undo = "It cannot be undone: post a correction."
    params = TeamsParams
    state = TeamsState
    needs: ClassVar[tuple[type[Client], ...]] = (Teams,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (TeamsPreflight,)
    fence = Fence.NONE
    approval: ClassVar[ApprovalPolicy | None] = None
    text_params = ("title", "text")
    reaches: ClassVar[str | None] = "teams"
    tells = True
    shows_late = True
    """After a crash the record proves nothing, so that the message counts as one that may be there."""
    updates_every = timedelta(minutes=5)
    """Each update is a new message in the channel."""

    @property
    def teams(self) -> Teams:
        """Return the client."""
        return self.context.client(Teams)

    @classmethod
    @override
    def check_params(cls, params: TeamsParams, services: Mapping[str, Service]) -> Iterable[ParamProblem]:
        for person in params.people:
            if not can_be_mentioned(person):
                sentence = f"`{person}` is no user name in Teams, so the message would mention no one."
                next_step = "Write the name with which the person signs in, as ana@example.com."
                yield ParamProblem(param="people", sentence=sentence, next_step=next_step)

    @override
    def resource(self, params: TeamsParams) -> str:
        return f"message:teams/{params.message}"

    @override
    async def observe(self, params: TeamsParams) -> TeamsState:
        record, resource = self.context.record, self.resource(params)
        known = await asyncio.to_thread(record.last_state, resource, "fingerprint")
        state = TeamsState.model_validate(known) if known else TeamsState(key=params.message)
        return state.model_copy(update={"unanswered": await asyncio.to_thread(record.may_be_sent, resource)})

    @override
    def plan(self, params: TeamsParams, before: TeamsState) -> Change[TeamsState]:
        first = (params.title or params.text).strip().partition("\n")[0].rstrip(": ")
        fingerprint = digest(params.model_dump(mode="json", exclude={"link"}))[:16]
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Post in Teams{', what has changed' if before.fingerprint else ''}: {first}",
            before=before,
            after=TeamsState(key=params.message, fingerprint=fingerprint, text=params.text),
            risk=self.usual_risk,
            undo=self.usual_undo,
            deadline=DEADLINE,
        )

    @override
    async def apply(self, params: TeamsParams, change: Change[TeamsState], key: str) -> Receipt:
        before, text = change.before, params.text
        if before.fingerprint and params.card is None:
            text = news(before.text, text)
        if before.unanswered:
            text = f"{MAY_BE_REPEAT}\n{text}"
        link = params.card.link if params.card else params.link
        message = TeamsMessage(
            text=text,
            title=params.title,
            facts=params.facts,
            people=tuple(params.people),
            card=params.card,
            href=self.context.links.href(link) if link else "",
        )
        await self.teams.post(message.as_json())
        return Receipt(facts={"channel": self.teams.channel})

    @override
    def state_after(self, change: Change[TeamsState], seen: TeamsState, receipt: Receipt | None) -> TeamsState:
        if receipt is None:
            return seen
        channel = str(receipt.facts.get("channel"))
        return change.after.model_copy(update={"deliveries": {channel: Delivery.ACCEPTED}})

    @override
    def verify(self, change: Change[TeamsState], after: TeamsState, receipt: Receipt | None) -> Finding:
        if after.fingerprint == change.after.fingerprint:
            sentence = "Teams has started the flow. No answer shows whether the message is in the channel."
            return Finding(verdict=Verdict.SUCCESS, sentence=sentence)
        sentence = "It is not known whether Teams has started the flow, because no answer came."
        return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence, final=True)

    @override
    def undo(self, params: TeamsParams, done: Change[TeamsState], now: TeamsState) -> Change[TeamsState]:
        raise Refused("A message in Teams cannot be undone.", f"Post a correction under {params.message}.")

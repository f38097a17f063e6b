"""Tickets in Jira: creating one, opening it again, moving it to another status, and assigning it.

Jira has no idempotency key. Ours is a label, by which the ticket is searched for. A search shows a new ticket only
after seconds to minutes, so after a lost answer nothing is created again: the act is indeterminate until a search can
tell. If the answer came, our record has the ticket's key, by which it is read and is current at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import ClassVar, Generic, Literal, TypeVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, Finding, Params, Receipt, State, Verdict
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import Candidate, TicketLink
from allclear.domain.errors import AllclearError, Denied, NotFound, Refused, VendorRefused
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.domain.text import as_sentence
from allclear.vendors.jira import Category, Jira, Ticket, Transition
from tasks.permissions import JIRA_WRITE
from tasks.tickets import Standing, is_opened

DEADLINE = timedelta(seconds=30)
_CATEGORIES: dict[str, Category] = {"to do": "new", "in progress": "indeterminate", "done": "done"}
_OPEN = ("new", "indeterminate")
"""The kinds of status to which a closed ticket is opened again, the better one first."""


class TicketParams(Params):
    """Our name for the ticket."""

    ticket: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Our name for the ticket, as VS-12, which is its label. It is never created twice.",
    )


class CreateParams(TicketParams):
    """The ticket's text, and to whom it goes."""

    summary: str = Field(min_length=1, description="The headline.")
    text: str = Field(min_length=1, description="What the team reads.")
    labels: list[str] = Field(default=[], description="Further labels, without spaces.")
    assignee: str | None = Field(default=None, description="The e-mail address of the person who gets it.")
    status: str | None = Field(
        default=None,
        description="The status by name to which a closed ticket is opened again, if several are possible.",
    )


class MoveParams(TicketParams):
    """Where the ticket goes."""

    to: Literal["to do", "in progress", "done"] = Field(description="The kind of status that it gets.")
    status: str | None = Field(default=None, description="The status by name, if several are of that kind.")


class AssignParams(TicketParams):
    """Who gets the ticket."""

    assignee: str = Field(min_length=1, description="The e-mail address of the person who gets it.")


class TicketState(State):
    """Our ticket in a project."""

    incidental: ClassVar[frozenset[str]] = frozenset({"key", "status", "wanted"})

    project: str
    ticket: str
    category: Category | Literal["none"] = "none"
    assignee: str | None = None
    """The id of the account to which it is assigned."""
    key: str = ""
    status: str = ""
    wanted: str | None = None
    """The account to which it is to be assigned, when planning."""

    @property
    def standing(self) -> Standing:
        """Return whether there is a ticket, and whether it is open."""
        return "none" if self.category == "none" else "closed" if self.category == "done" else "open"

    @override
    def in_words(self) -> str:
        if self.category == "none":
            return f"no ticket of {self.project} is called {self.ticket}"
        return f"{self.key or 'the ticket'} is {self.status or self.category}"


class JiraPreflight(Preflight):
    """Tests the token, and whether its account may create tickets in the project."""

    client: ClassVar[type[Client]] = Jira

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        jira = self.context.client(Jira)
        yield PreflightCheck(f"project {jira.project}", partial(self._project, jira))

    async def _project(self, jira: Jira) -> Passed:
        if not await jira.may_create():
            raise Denied(
                f"The token's account may not create tickets in {jira.project}.",
                "Give it the permission Create issues there, or correct `project` in systems.yaml.",
            )
        await jira.find("allclear")
        return Passed("It can be searched, and the token's account may create tickets.")


P = TypeVar("P", bound=TicketParams)


class _TicketAction(Action[P, TicketState], Generic[P]):
    """The base of what is done to a ticket."""

    state: ClassVar[type[State]] = TicketState
    needs: ClassVar[tuple[type[Client], ...]] = (Jira,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (JiraPreflight,)
    fence: ClassVar[Fence] = Fence.NONE
    approval: ClassVar[ApprovalPolicy | None] = None
    tells = True
    found_again = True
    permissions = (JIRA_WRITE,)
    usual_risk = "Everyone who can read the project reads it."

    @property
    def jira(self) -> Jira:
        """Return the client."""
        return self.context.client(Jira)

    @override
    def resource(self, params: P) -> str:
        return f"ticket:{self.jira.project}/{params.ticket}"

    @override
    async def observe(self, params: P) -> TicketState:
        known = await asyncio.to_thread(self.context.record.last_state, self.resource(params), "key")
        if known:
            try:
                return self._state(params, await self.jira.ticket(str(known["key"])))
            except NotFound:  # it was deleted: there may be another one
                pass
        found = await self.jira.find(params.ticket)
        if len(found) > 1:
            raise Refused(
                f"Several tickets of {self.jira.project} have the label {params.ticket}.",
                "Take the label off all but one.",
                tuple(Candidate(name=one.key, reason=one.fields.summary) for one in found),
            )
        # The search may show an older state than the ticket itself.
        return self._state(params, await self.jira.ticket(found[0].key) if found else None)

    def _state(self, params: P, ticket: Ticket | None) -> TicketState:
        if ticket is None:
            return TicketState(project=self.jira.project, ticket=params.ticket)
        fields = ticket.fields
        return TicketState(
            project=self.jira.project,
            ticket=params.ticket,
            category=fields.status.category.key,
            assignee=fields.assignee.id if fields.assignee else None,
            key=ticket.key,
            status=fields.status.name,
        )

    async def account(self, person: str) -> str:
        """Return the id of the one account that `person` finds. Raises Refused if there is none, or more than one."""
        found = await self.jira.accounts(person)
        if len(found) == 1:
            return found[0].id
        sentence = f"Jira finds {'several accounts' if found else 'no account'} for {person}."
        candidates = tuple(Candidate(name=one.name, reason=one.id) for one in found)
        raise Refused(sentence, "Name the person's e-mail address as Jira has it.", candidates)

    async def way(self, ticket: TicketState, kinds: Sequence[str], status: str | None) -> Transition:
        """Return the one move to a status of the first of `kinds` that the ticket can go to; `status` names it.

        Raises VendorRefused if there is none, or more than one.
        """
        known = await self.jira.transitions(ticket.key)
        for kind in kinds:
            fitting = [one for one in known if one.to.category.key == kind and status in (None, one.to.name)]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                break
        words = " or ".join(f"`{name}`" for name, kind in _CATEGORIES.items() if kind in kinds)
        names = ", ".join(one.to.name for one in known if one.to.category.key in kinds) or "none"
        raise VendorRefused(
            f"{ticket.key} is {ticket.status} and can go to no single status of the kind {words}: it has {names}.",
            "Name one of them as `status`, or move the ticket in Jira.",
        )

    def changed(self, params: P, before: TicketState, summary: str, **after: object) -> Change[TicketState]:
        """Return the change to `after`, with the sentences for people."""
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=before.model_copy(update=after),
            risk=self.usual_risk,
            undo=self.usual_undo,
            deadline=DEADLINE,
        )

    def existing(self, before: TicketState) -> TicketState:
        """Return the state of a ticket that must exist. Raises Refused."""
        if before.category == "none":
            raise Refused(
                f"No ticket of {before.project} has the label {before.ticket}.",
                "If it was created a moment ago, Jira's search may not show it yet: try again in a minute.",
            )
        return before

    @override
    def verify(self, change: Change[TicketState], after: TicketState, receipt: Receipt | None) -> Finding:
        sentence = as_sentence(after.in_words())
        good = self.target_reached(change, after)
        return Finding(
            verdict=Verdict.SUCCESS if good else Verdict.FAILURE,
            sentence=sentence,
            facts={"key": after.key},
            ticket=self.link(after.key),
        )

    def link(self, key: str) -> TicketLink | None:
        """Return where people read a ticket; None for an empty key."""
        return TicketLink(number=key, url=self.jira.page(key)) if key else None


class CreateTicket(_TicketAction[CreateParams]):
    """Creates a ticket in Jira. If people have closed it, it is opened again."""

    name = "jira.create"
    title = "Create a ticket in Jira"
    params: ClassVar[type[Params]] = CreateParams
    text_params = ("summary", "text")
    opens_ticket = True
    shows_late = True
    usual_undo = "It cannot be undone: move the ticket to done, or delete it in Jira."

    @override
    def plan(self, params: CreateParams, before: TicketState) -> Change[TicketState]:
        if before.standing == "closed":
            summary = f"Open {before.key} again, which is {before.status}: {params.summary}"
        else:
            summary = f"Create a ticket in {before.project}: {params.summary}"
        return self.changed(params, before, summary, category="new")

    @override
    async def apply(self, params: CreateParams, change: Change[TicketState], key: str) -> Receipt:
        if change.before.standing == "closed":
            way = await self.way(change.before, _OPEN, params.status)
            await self.jira.move(change.before.key, way)
            return Receipt(facts={"key": change.before.key})
        assignee = await self.account(params.assignee) if params.assignee else None
        labels = [params.ticket, *params.labels]
        made = await self.jira.create(summary=params.summary, text=params.text, labels=labels, assignee=assignee)
        facts: dict[str, object] = {"key": made}
        with suppress(AllclearError):  # the ticket was created; a search shows it later
            status = (await self.jira.ticket(made)).fields.status
            facts |= {"status": status.name, "category": status.category.key}
        return Receipt(facts=facts)

    @override
    def state_after(self, change: Change[TicketState], seen: TicketState, receipt: Receipt | None) -> TicketState:
        """Return what was read; if the search does not show the ticket yet, what reading it by its key has shown."""
        if seen.standing != "none" or receipt is None:
            return seen
        return seen.model_copy(update=receipt.facts)

    @override
    def verify(self, change: Change[TicketState], after: TicketState, receipt: Receipt | None) -> Finding:
        if after.standing == "none":
            sentence = f"Jira's search does not show a ticket with the label {after.ticket} yet."
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence)
        return super().verify(change, after, receipt)

    @override
    def target_reached(self, change: Change[TicketState], now: TicketState) -> bool:
        return is_opened(change.before.standing, now.standing)

    @override
    def undo(self, params: CreateParams, done: Change[TicketState], now: TicketState) -> Change[TicketState]:
        raise Refused(f"A ticket is not taken back: {now.in_words()}.", "Move it to done: jira.transition.")


class MoveTicket(_TicketAction[MoveParams]):
    """Moves a ticket to a status of another kind."""

    name = "jira.transition"
    title = "Move a ticket in Jira"
    params: ClassVar[type[Params]] = MoveParams
    closes_ticket = MappingProxyType({"to": "done"})
    usual_undo = "Moves it back to the kind of status that it had."

    @override
    def plan(self, params: MoveParams, before: TicketState) -> Change[TicketState]:
        ticket, category = self.existing(before), _CATEGORIES[params.to]
        return self.changed(
            params, ticket, f"Move {ticket.key} from {ticket.status} to {params.to}.", category=category
        )

    @override
    async def apply(self, params: MoveParams, change: Change[TicketState], key: str) -> Receipt:
        wanted = change.after.category
        status = params.status if wanted == _CATEGORIES[params.to] else None  # its undo leads to another one
        way = await self.way(change.before, [wanted], status)
        await self.jira.move(change.before.key, way)
        return Receipt(facts={"status": way.to.name})

    @override
    def target_reached(self, change: Change[TicketState], now: TicketState) -> bool:
        return now.category == change.after.category

    @override
    def undo(self, params: MoveParams, done: Change[TicketState], now: TicketState) -> Change[TicketState]:
        if now.category != done.after.category:
            raise Refused(f"It was moved since then: {now.in_words()}.", "Find out who moved it and why.")
        summary = f"Move {now.key} from {now.status} back to {done.before.status}."
        return self.changed(params, now, summary, category=done.before.category)


class AssignTicket(_TicketAction[AssignParams]):
    """Assigns a ticket to a person."""

    name = "jira.assign"
    title = "Assign a ticket in Jira"
    params: ClassVar[type[Params]] = AssignParams
    usual_undo = "Assigns it to the person who had it."

    @override
    async def observe_for_plan(self, params: AssignParams) -> TicketState:
        before = self.existing(await self.observe(params))
        return before.model_copy(update={"wanted": await self.account(params.assignee)})

    @override
    def plan(self, params: AssignParams, before: TicketState) -> Change[TicketState]:
        ticket = self.existing(before)
        return self.changed(params, ticket, f"Assign {ticket.key} to {params.assignee}.", assignee=before.wanted)

    @override
    async def apply(self, params: AssignParams, change: Change[TicketState], key: str) -> Receipt:
        await self.jira.assign(change.before.key, change.after.assignee)
        return Receipt()

    @override
    def target_reached(self, change: Change[TicketState], now: TicketState) -> bool:
        return now.assignee == change.after.assignee

    @override
    def undo(self, params: AssignParams, done: Change[TicketState], now: TicketState) -> Change[TicketState]:
        if now.assignee != done.after.assignee:
            raise Refused("It was assigned to another person since then.", "Find out who assigned it and why.")
        return self.changed(params, now, f"Assign {now.key} as before.", assignee=done.before.assignee)

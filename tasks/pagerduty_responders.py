"""Asking more people to join a page, through PagerDuty's responder requests.

One incident in PagerDuty then has all whom allclear has called, each with an answer of their own: joined or declined.
PagerDuty calls them until they answer. If it has no open page under our key, because the first page failed or was
resolved there, a page is opened for these people: a climb must ring a phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field, field_validator
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, Finding, LinkedParams, Receipt, State, Verdict
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.errors import NotFound, Refused
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.pagerduty import LINK_TEXT, fitting
from allclear.vendors.pagerduty_rest import ASKED, PagerDutyRest, PagerIncident, PagerStatus
from tasks.pagerduty_people import DEADLINE, UserId, from_command_line
from tasks.pagerduty_preflight import PagerDutyRestPreflight
from tasks.permissions import PAGER_WRITE


class AskResponders(LinkedParams):
    """Who is asked to join which page."""

    incident: str = Field(min_length=1, description="Our key of the page that they join, as VS-1.")
    number: str = Field(default="1", min_length=1, description="Which request of this page it is, as {number}.")
    summary: str = Field(min_length=1, description="The message that they read.")
    people: list[UserId] = Field(default=[], description="Their ids in PagerDuty, as PXXXXXX.")
    policy: UserId | None = Field(
        default=None, description="The escalation policy that is asked if no people are named, as PXXXXXX."
    )

    _from_command_line = field_validator("people", mode="before")(from_command_line)

    @property
    def targets(self) -> list[str]:
        """Return the ids of those who are asked."""
        return self.people or ([self.policy] if self.policy else [])


class Responders(State):
    """Who was asked to join a page, and what each answered."""

    incidental: ClassVar[frozenset[str]] = frozenset({"id"})

    key: str
    page: PagerStatus | Literal["none"]
    """How the page stands; `none` if PagerDuty has none under our key."""
    asked: dict[str, str] = Field(default={}, description="Id -> pending, joined, declined, user_cancelled, assigned.")
    id: str = ""

    @override
    def in_words(self) -> str:
        who = ", ".join(f"{one} {state}" for one, state in self.asked.items())
        return f"page {self.page}; {who or 'no one of them was asked'}"


class RespondersPreflight(Preflight):
    """Tests whether the account has responder requests, which not every subscription has."""

    client: ClassVar[type[Client]] = PagerDutyRest

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        yield PreflightCheck("responder requests", partial(self._ability, self.context.client(PagerDutyRest)))

    async def _ability(self, pager: PagerDutyRest) -> Passed:
        if not await pager.may_ask():
            raise NotFound(
                "This PagerDuty account has no responder requests, so that no one can be asked to join a page.",
                "Write `action: pagerduty.page_people` under `reminders.page` in plan.yaml, or upgrade the account.",
            )
        return Passed("The account may ask people to join a page.")


class AddResponders(Action[AskResponders, Responders]):
    """Asks people to join the page of an incident, which rings their phones."""

    name = "pagerduty.add_responders"
    title = "Ask people to join the page"
    permissions = (PAGER_WRITE,)
    usual_risk = "It wakes the people that it is for."
    usual_undo = "Calls those no more who have not answered."
    params = AskResponders
    state = Responders
    needs: ClassVar[tuple[type[Client], ...]] = (PagerDutyRest,)
    preflights = (PagerDutyRestPreflight, RespondersPreflight)
    fence = Fence.NONE  # a second request calls the phone again
    approval: ClassVar[ApprovalPolicy | None] = None
    tells = True
    pages = True
    reaches = "pagerduty"
    knows_on_call = True
    knows_groups = True
    text_params = ("summary",)
    leaves = "people asked to join the page"

    @property
    def pager(self) -> PagerDutyRest:
        """Return the client."""
        return self.context.client(PagerDutyRest)

    @override
    def resource(self, params: AskResponders) -> str:
        return f"page-responders:{_key(params)}/{params.number}"

    @override
    async def observe(self, params: AskResponders) -> Responders:
        found = await _find(self.pager, _key(params))
        if found is None:
            return Responders(key=_key(params), page="none")
        asked = {one: found.asked[one] for one in params.targets if one in found.asked}
        return Responders(key=_key(params), page=found.status, asked=asked, id=found.id)

    @override
    def plan(self, params: AskResponders, before: Responders) -> Change[Responders]:
        if not params.targets:
            raise Refused(
                "PagerDuty cannot ask anyone: no person of the role has an id in PagerDuty, and the role no policy.",
                "Add `contacts: {pagerduty: PXXXXXX}` to a person or `pager_policy: PXXXXXX` to the role in plan.yaml.",
            )
        who = ", ".join(params.targets)
        opens = _is_over(before)
        asked = {one: "assigned" if opens else _after(before.asked.get(one)) for one in params.targets}
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Ask {who} to join the page of {params.incident}: {params.summary}",
            before=before,
            after=before.model_copy(update={"page": "triggered" if opens else before.page, "asked": asked}),
            risk="It wakes the people that it is for.",
            undo="Calls those no more who have not answered.",
            deadline=DEADLINE,
        )

    @override
    async def apply(self, params: AskResponders, change: Change[Responders], key: str) -> Receipt:
        before, after = change.before, change.after
        link = self.context.links.href(params.link) if params.link else ""
        if after.page == "resolved" and before.page != "resolved":
            await self.pager.change(before.id, "resolved")
        elif "user_cancelled" in after.asked.values() and before.asked != after.asked:
            await self.pager.cancel(before.id, people=params.people, policy=params.policy)
        elif _is_over(before):
            people, policy = params.people, params.policy
            opened = await self.pager.open(
                after.key, params.summary, people=people, policy=policy, details=key, link=link
            )
            return Receipt(facts={"id": opened.id, "paged": opened.names})
        else:
            new = [one for one in params.people if before.asked.get(one) not in ASKED]
            message = f"{params.summary} {LINK_TEXT}: {link}" if link else params.summary
            await self.pager.ask(before.id, message, people=new, policy=params.policy)
        return Receipt(facts={"id": before.id})

    @override
    def verify(self, change: Change[Responders], after: Responders, receipt: Receipt | None) -> Finding:
        shown = ", ".join(f"{one}: {state.replace('user_', '')}" for one, state in after.asked.items())
        sentence = f"PagerDuty shows {shown or 'none of them as asked'}."
        reached = self.target_reached(change, after)
        return Finding(verdict=Verdict.SUCCESS if reached else Verdict.INCONCLUSIVE, sentence=sentence)

    @override
    def target_reached(self, change: Change[Responders], now: Responders) -> bool:
        if change.after.page == "resolved" or "user_cancelled" in change.after.asked.values():
            return now.page in ("resolved", "none") or "pending" not in now.asked.values()
        if now.page in ("resolved", "none"):
            return False
        # A policy that opened the page is not shown as asked: its on-call is assigned.
        opened_by_policy = _is_over(change.before) and not _is_over(now)
        return opened_by_policy or all(now.asked.get(one) in ASKED for one in change.after.asked)

    @override
    def undo(self, params: AskResponders, done: Change[Responders], now: Responders) -> Change[Responders]:
        opened = _is_over(done.before)
        asked = {one: "user_cancelled" if state == "pending" else state for one, state in now.asked.items()}
        page = "resolved" if opened and now.page != "none" else now.page
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Call no more people to the page of {params.incident}.",
            before=now,
            after=now.model_copy(update={"asked": asked, "page": page}),
            risk="PagerDuty no longer calls those who have not answered.",
            undo="It cannot be undone: ask again.",
            deadline=DEADLINE,
        )

    @override
    async def on_call(self, policy: str) -> list[str]:
        return await self.pager.on_call(policy)

    @override
    async def keys_in(self, page: str) -> list[str]:
        return await self.pager.alert_keys(page)


async def _find(pager: PagerDutyRest, key: str) -> PagerIncident | None:
    """Return the page under our key, or the open incident into which PagerDuty has grouped it."""
    found = await pager.find(key)
    if found is None or found.status == "resolved":
        return await pager.find_holding(key) or found
    return found


def _after(state: str | None) -> str:
    """Return the state of a person after the request: one who is called already is not called anew."""
    return state if state in ASKED and state else "pending"


def _is_over(state: Responders) -> bool:
    return state.page in ("none", "resolved")


def _key(params: AskResponders) -> str:
    return fitting(f"allclear/{params.incident}")

"""Paging the people that are meant, through PagerDuty's REST API, and acknowledging and resolving that page.

`pagerduty.page` reaches the on-call of one service. These actions reach named people: their `pagerduty` contact in
plan.yaml is their id in PagerDuty. The page can be read back, so it is verified by a read.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, Finding, LinkedParams, Params, Receipt, State, Verdict
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.errors import Refused
from allclear.domain.notify.delivery import from_command_line
from allclear.domain.preflight import Preflight
from allclear.vendors.pagerduty import fitting
from allclear.vendors.pagerduty_rest import USER, PagerDutyRest, PagerStatus
from tasks.pagerduty_preflight import PagerDutyRestPreflight
from tasks.permissions import PAGER_WRITE

DEADLINE = timedelta(seconds=15)
_OPEN = ("triggered", "acknowledged")

UserId = Annotated[str, StringConstraints(pattern=USER)]


class PageOfPeople(Params):
    """Which page."""

    incident: str = Field(min_length=1, description="Our key for the page, as VS-1.")


class PagePeopleParams(PageOfPeople, LinkedParams):
    """What the paged people read, and who they are."""

    summary: str = Field(min_length=1, description="The text of the page.")
    people: list[UserId] = Field(
        default=[], description="Their ids in PagerDuty, as PXXXXXX; the service's own on-call if left out."
    )

    policy: UserId | None = Field(
        default=None, description="The escalation policy that is paged if no people are named, as PXXXXXX."
    )

    _from_command_line = field_validator("people", mode="before")(from_command_line)


class PeoplePaged(State):
    """A page; its status is `none` if PagerDuty has none with our key."""

    incidental: ClassVar[frozenset[str]] = frozenset({"id", "names"})

    key: str
    status: PagerStatus | Literal["none"]
    people: list[str] = Field(default=[], description="The ids of those who are paged.")
    id: str = ""
    names: list[str] = []

    @override
    def in_words(self) -> str:
        who = ", ".join(self.names or self.people)
        return f"{self.status}, for {who}" if who else "no page" if self.status == "none" else self.status


class _PageOfPeople(Action[PageOfPeople, PeoplePaged]):
    """The base of all changes of such a page."""

    params: ClassVar[type[Params]] = PageOfPeople
    state: ClassVar[type[State]] = PeoplePaged
    needs: ClassVar[tuple[type[Client], ...]] = (PagerDutyRest,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (PagerDutyRestPreflight,)
    fence: ClassVar[Fence] = Fence.KEY
    approval: ClassVar[ApprovalPolicy | None] = None
    tells = True

    @property
    def pager(self) -> PagerDutyRest:
        """Return the client."""
        return self.context.client(PagerDutyRest)

    @override
    def resource(self, params: PageOfPeople) -> str:
        return f"people-page:{_key(params)}"

    @override
    async def observe(self, params: PageOfPeople) -> PeoplePaged:
        found = await self.pager.find(_key(params))
        if found is None:
            return PeoplePaged(key=_key(params), status="none")
        return PeoplePaged(key=_key(params), status=found.status, people=found.people, id=found.id, names=found.names)

    @override
    async def apply(self, params: PageOfPeople, change: Change[PeoplePaged], key: str) -> Receipt:
        after = change.after
        if after.status == "none":
            raise Refused("A page cannot be taken back.", "Resolve it.")
        if after.status != "triggered" and change.before.status in (after.status, "resolved"):
            return Receipt()  # a person was first
        if after.status == "triggered" and isinstance(params, PagePeopleParams):
            link = self.context.links.href(params.link) if params.link else ""
            written = await self.pager.open(
                after.key, params.summary, people=params.people, policy=params.policy, details=key, link=link
            )
        else:
            written = await self.pager.change(change.before.id, after.status)
        return Receipt(facts={"id": written.id, "paged": written.names})

    @override
    def verify(self, change: Change[PeoplePaged], after: PeoplePaged, receipt: Receipt | None) -> Finding:
        if not self.target_reached(change, after):
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=f"PagerDuty shows the page as {after.status}.")
        who = f", assigned to {', '.join(after.names)}" if after.names and after.status != "resolved" else ""
        return Finding(verdict=Verdict.SUCCESS, sentence=f"PagerDuty shows the page as {after.status}{who}.")

    @override
    def target_reached(self, change: Change[PeoplePaged], now: PeoplePaged) -> bool:
        if change.after.status == "triggered":
            return now.status in _OPEN
        return now.status in (change.after.status, "resolved")

    @override
    def undo(self, params: PageOfPeople, done: Change[PeoplePaged], now: PeoplePaged) -> Change[PeoplePaged]:
        raise Refused(f"A page that is {done.after.status} cannot be undone.", "Page again if it is needed.")

    def change(self, params: PageOfPeople, before: PeoplePaged, to: PagerStatus, summary: str) -> Change[PeoplePaged]:
        """Return the change to the status `to`, with the sentences for people."""
        pages = to == "triggered"
        people = list(params.people) if pages and isinstance(params, PagePeopleParams) else before.people
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=before.model_copy(update={"status": to, "people": people, "names": []}),
            risk="It wakes the people that it is for." if pages else "PagerDuty sends no more reminders.",
            undo="Resolves the page." if pages else "It cannot be undone: page again.",
            deadline=DEADLINE,
        )


class PagePeople(_PageOfPeople):
    """Pages the people that are meant, once for each key."""

    name = "pagerduty.page_people"
    title = "Page people by name"
    permissions = (PAGER_WRITE,)
    usual_risk = "It wakes the people that it is for."
    usual_undo = "Resolves the page."
    params = PagePeopleParams
    pages = True
    reaches = "pagerduty"
    knows_on_call = True
    knows_groups = True
    acknowledge_action = "pagerduty.acknowledge_people"
    text_params = ("summary",)
    leaves = "page open"

    @override
    def plan(self, params: PageOfPeople, before: PeoplePaged) -> Change[PeoplePaged]:
        if not isinstance(params, PagePeopleParams):
            raise Refused("A page needs a text.", "Give a summary.")
        policy = f"the on-call of {params.policy}" if params.policy else "the on-call"
        who = ", ".join(params.people) or policy
        return self.change(params, before, "triggered", f"Page {who} for {params.incident}: {params.summary}")

    @override
    def undo(self, params: PageOfPeople, done: Change[PeoplePaged], now: PeoplePaged) -> Change[PeoplePaged]:
        if now.status == "none":
            raise Refused(f"PagerDuty has no page of {params.incident}.", "Nothing is left to do.")
        return self.change(params, now, "resolved", f"Resolve the page of {params.incident}.")

    @override
    async def on_call(self, policy: str) -> list[str]:
        return await self.pager.on_call(policy)

    @override
    async def keys_in(self, page: str) -> list[str]:
        return await self.pager.alert_keys(page)


class AcknowledgePeople(_PageOfPeople):
    """Acknowledges such a page, which stops PagerDuty's escalation."""

    name = "pagerduty.acknowledge_people"
    title = "Acknowledge the page of people"
    permissions = (PAGER_WRITE,)
    usual_risk = "PagerDuty sends no more reminders, and escalates to no one."
    usual_undo = "It cannot be undone: page again."

    @override
    def plan(self, params: PageOfPeople, before: PeoplePaged) -> Change[PeoplePaged]:
        if before.status == "none":
            raise Refused(f"PagerDuty has no page of {params.incident}.", "Nothing is to be acknowledged.")
        return self.change(params, before, "acknowledged", f"Acknowledge the page of {params.incident}.")


def _key(params: PageOfPeople) -> str:
    return fitting(f"allclear/{params.incident}")

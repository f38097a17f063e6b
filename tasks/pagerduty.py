"""Waking people through PagerDuty, and letting them sleep again.

A routing key only sends: what is open cannot be read. So a look says "not known", a write proves itself by PagerDuty's
answer, and writing again under the same key changes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, Finding, Params, Receipt, State, Verdict
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.errors import Refused
from allclear.vendors.pagerduty import PagerDuty, Urgency, fitting

DEADLINE = timedelta(seconds=15)

PageStatus = Literal["not known", "triggered", "acknowledged", "resolved"]


class PageOf(Params):
    """Whose page."""

    incident: str = Field(min_length=1, description="The incident's id: one page is open for each.")


class PageParams(PageOf):
    """What the person who is woken reads."""

    summary: str = Field(min_length=1, description="What the page says.")
    severity: Urgency = Field(default="critical", description="How urgent PagerDuty takes it to be.")
    source: str = Field(default="allclear", min_length=1, description="What the page is said to come from.")


class PageState(State):
    """A page, as far as we know."""

    key: str
    status: PageStatus

    @override
    def say(self) -> str:
        return self.status


class _Page(Action[PageOf, PageState]):
    """What all events of a page share."""

    params: ClassVar[type[Params]] = PageOf
    state: ClassVar[type[State]] = PageState
    needs: ClassVar[tuple[type[Client], ...]] = (PagerDuty,)
    fence: ClassVar[Fence] = Fence.KEY
    approval: ClassVar[ApprovalPolicy | None] = None
    to: ClassVar[PageStatus]
    doing: ClassVar[str] = ""

    @override
    def resource(self, params: PageOf) -> str:
        return f"page:{_key(params)}"

    @override
    async def observe(self, params: PageOf) -> PageState:
        return PageState(key=_key(params), status="not known")

    @override
    def plan(self, params: PageOf, before: PageState) -> Change[PageState]:
        return self.change(params, before, self.to, f"{self.doing} {params.incident}.")

    @override
    async def apply(self, params: PageOf, change: Change[PageState], key: str) -> Receipt:
        pager = self.context.client(PagerDuty)
        match change.after.status:
            case "triggered" if isinstance(params, PageParams):
                taken = await pager.trigger(
                    change.after.key,
                    params.summary,
                    source=params.source,
                    severity=params.severity,
                    details={"incident": params.incident, "act": key},
                )
            case "acknowledged":
                taken = await pager.acknowledge(change.after.key)
            case "resolved":
                taken = await pager.resolve(change.after.key)
            case _:
                raise Refused(f"A page cannot become {change.after.status}.", "Page again, or resolve it.")
        return Receipt(facts={"dedup_key": taken})

    @override
    def verify(self, change: Change[PageState], after: PageState, receipt: Receipt | None) -> Finding:
        # It cannot be read.
        if receipt is None:
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence="Whether PagerDuty took it cannot be read.")
        return Finding(verdict=Verdict.SUCCESS, sentence=f"PagerDuty took it: the page is {change.after.status}.")

    @override
    def target_reached(self, change: Change[PageState], now: PageState) -> bool:
        # It cannot be read.
        return False

    @override
    def undo(self, params: PageOf, done: Change[PageState], now: PageState) -> Change[PageState]:
        # It cannot be read.
        raise Refused(f"A page that is {done.after.status} cannot be taken back.", "Page again if it is needed.")

    def change(self, params: PageOf, before: PageState, to: PageStatus, summary: str) -> Change[PageState]:
        """Return the change to the status `to`, in words for people."""
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=before.model_copy(update={"status": to}),
            risk="It wakes whoever is on call." if to == "triggered" else "Nobody is reminded any more.",
            undo="Resolves the page." if to == "triggered" else "Cannot be undone: page again.",
            deadline=DEADLINE,
        )


class Page(_Page):
    """Wakes whoever is on call, once for each incident."""

    name = "pagerduty.page"
    title = "Page the on-call"
    params = PageParams
    pages = True
    taken_by = "pagerduty.acknowledge"
    speaks = ("summary",)
    leaves = "page open"
    to = "triggered"

    @override
    def plan(self, params: PageOf, before: PageState) -> Change[PageState]:
        said = params.summary if isinstance(params, PageParams) else ""
        return self.change(params, before, self.to, f"Page the on-call for {params.incident}: {said}")

    @override
    def undo(self, params: PageOf, done: Change[PageState], now: PageState) -> Change[PageState]:
        # It cannot be read.
        return self.change(params, now, "resolved", f"Resolve the page of {params.incident}.")


class Acknowledge(_Page):
    """Tells PagerDuty that somebody has taken the page: it stops climbing."""

    name = "pagerduty.acknowledge"
    title = "Acknowledge the page"
    to = "acknowledged"
    doing = "Acknowledge the page of"


class Resolve(_Page):
    """Ends the page."""

    name = "pagerduty.resolve"
    title = "Resolve the page"
    reverses = "pagerduty.page"
    to = "resolved"
    doing = "Resolve the page of"


def _key(params: PageOf) -> str:
    return fitting(f"allclear/{params.incident}")

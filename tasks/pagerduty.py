"""Paging people through PagerDuty, and acknowledging and resolving the page.

A routing key can only send, so the state of a page cannot be read: it is observed as "not known", and PagerDuty's
answer to a write is the only proof. Writing again under the same key changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar, Literal

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
    Params,
    Receipt,
    State,
    Verdict,
)
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.errors import Denied, Refused
from allclear.domain.preflight import PlannedUse, Preflight, PreflightCheck, Unproven
from allclear.domain.systems import Service
from allclear.vendors.pagerduty import KEY_LENGTH, PagerDuty, Urgency, fitting
from allclear.vendors.pagerduty_rest import PagerDutyRest
from tasks.pagerduty_preflight import PagerDutyRestPreflight
from tasks.permissions import PAGER_EVENTS, PAGER_WRITE

DEADLINE = timedelta(seconds=15)

PageStatus = Literal["not known", "triggered", "acknowledged", "resolved"]


class PageOf(Params):
    """Which incident the page belongs to."""

    incident: str = Field(min_length=1, description="The incident's id. Each incident has one page.")


class PageParams(PageOf, LinkedParams):
    """What the paged person reads."""

    summary: str = Field(min_length=1, description="The text of the page.")
    severity: Urgency = Field(default="critical", description="How urgent PagerDuty treats it.")
    source: str = Field(default="allclear", min_length=1, description="What the page names as its source.")


class PageState(State):
    """A page; its status is `not known` unless we have just written it."""

    key: str
    status: PageStatus

    @override
    def in_words(self) -> str:
        return self.status


class PagerDutyPreflight(Preflight):
    """Tests the form of the routing key and the address. More cannot be read with a routing key."""

    client: ClassVar[type[Client]] = PagerDuty

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        yield PreflightCheck("routing key", partial(self._routing_key, self.context.client(PagerDuty)))

    async def _routing_key(self, pager: PagerDuty) -> Unproven:
        if not pager.key_fits:
            raise Denied(
                f"This is no routing key: one has {KEY_LENGTH} letters and digits.",
                "Copy the integration key of an Events API v2 integration of your service in PagerDuty.",
            )
        await pager.check_reachable()
        return Unproven(
            "PagerDuty answers, and the key has the form of a routing key. Whether it is accepted shows only a page.",
            f'Page once: allclear act {COMPANY} pagerduty.page incident=TEST summary="A test" --reason test --as NAME '
            "--role ROLE",
        )


class _Page(Action[PageOf, PageState]):
    """The base of all events of a page."""

    params: ClassVar[type[Params]] = PageOf
    state: ClassVar[type[State]] = PageState
    needs: ClassVar[tuple[type[Client], ...]] = (PagerDuty,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (PagerDutyPreflight,)
    fence: ClassVar[Fence] = Fence.KEY
    approval: ClassVar[ApprovalPolicy | None] = None
    tells = True
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
                dedup_key = await pager.trigger(
                    change.after.key,
                    params.summary,
                    source=params.source,
                    severity=params.severity,
                    details={"incident": params.incident, "act": key},
                    link=self.context.links.href(params.link) if params.link else "",
                )
            case "acknowledged":
                dedup_key = await pager.acknowledge(change.after.key)
            case "resolved":
                dedup_key = await pager.resolve(change.after.key)
            case _:
                raise Refused(f"A page cannot become {change.after.status}.", "Page again, or resolve the page.")
        return Receipt(facts={"dedup_key": dedup_key})

    @override
    def verify(self, change: Change[PageState], after: PageState, receipt: Receipt | None) -> Finding:
        if receipt is None:
            sentence = "It is not known whether PagerDuty accepted the page: a routing key cannot read."
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence)
        return Finding(verdict=Verdict.SUCCESS, sentence=f"PagerDuty accepted it: the page is {change.after.status}.")

    @override
    def target_reached(self, change: Change[PageState], now: PageState) -> bool:
        return False  # the status cannot be read

    @override
    def undo(self, params: PageOf, done: Change[PageState], now: PageState) -> Change[PageState]:
        raise Refused(f"A page that is {done.after.status} cannot be undone.", "Page again if it is needed.")

    def change(self, params: PageOf, before: PageState, to: PageStatus, summary: str) -> Change[PageState]:
        """Return the change to the status `to`, with the sentences for people."""
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=before.model_copy(update={"status": to}),
            risk="It wakes the person on call." if to == "triggered" else "PagerDuty sends no more reminders.",
            undo="Resolves the page." if to == "triggered" else "It cannot be undone: page again.",
            deadline=DEADLINE,
        )


class Page(_Page):
    """Pages the person on call, once for each incident."""

    name = "pagerduty.page"
    title = "Page the on-call"
    permissions = (PAGER_EVENTS, PAGER_WRITE)
    usual_risk = "It wakes the person on call."
    usual_undo = "Resolves the page."
    params = PageParams
    pages = True
    uses = (PagerDutyRest,)
    preflights = (PagerDutyPreflight, PagerDutyRestPreflight)
    knows_groups = True
    acknowledge_action = "pagerduty.acknowledge"
    text_params = ("summary",)
    leaves = "page open"
    to = "triggered"

    @override
    def plan(self, params: PageOf, before: PageState) -> Change[PageState]:
        text = params.summary if isinstance(params, PageParams) else ""
        return self.change(params, before, self.to, f"Page the on-call for {params.incident}: {text}")

    @override
    def undo(self, params: PageOf, done: Change[PageState], now: PageState) -> Change[PageState]:
        return self.change(params, now, "resolved", f"Resolve the page of {params.incident}.")

    @override
    async def keys_in(self, page: str) -> list[str]:
        return await self.context.client(PagerDutyRest).alert_keys(page)


class Acknowledge(_Page):
    """Acknowledges the page, which stops PagerDuty's escalation."""

    name = "pagerduty.acknowledge"
    title = "Acknowledge the page"
    permissions = (PAGER_EVENTS,)
    usual_risk = "PagerDuty sends no more reminders, and escalates to no one."
    usual_undo = "It cannot be undone: page again."
    to = "acknowledged"
    doing = "Acknowledge the page of"


class Resolve(_Page):
    """Resolves the page."""

    name = "pagerduty.resolve"
    title = "Resolve the page"
    permissions = (PAGER_EVENTS,)
    usual_risk = "PagerDuty sends no more reminders."
    usual_undo = "It cannot be undone: page again."
    reverses = "pagerduty.page"
    to = "resolved"
    doing = "Resolve the page of"


def _key(params: PageOf) -> str:
    return fitting(f"allclear/{params.incident}")

"""Informing the public: opening an incident on the status page, updating it, and resolving it.

Statuspage has no idempotency key. Ours is in the incident's metadata, and every observation searches for it.

An incident that was resolved and has come back is taken up again: an update with an open status. Statuspage's own
description of `PATCH` names no status that it refuses; if it refuses, a new incident is opened that names the old one.

The service's components go down with the incident and up again with its end. A component that another open incident
lists too stays down. systems.yaml names the components (`status_components`) by name or id.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Change, Finding, Params, Receipt, State, Verdict
from allclear.domain.approval import Fallback
from allclear.domain.errors import Refused, VendorRefused
from allclear.vendors.lengths import shortened
from allclear.vendors.statuspage import (
    LONGEST_BODY,
    LONGEST_NAME,
    Component,
    ComponentStatus,
    Impact,
    PublicIncident,
    PublicStatus,
)
from tasks.permissions import STATUS_PAGE_WRITE
from tasks.statuspage_base import DEADLINE, StatusPageAction
from tasks.statuspage_subscribers import counted, whom

_RESOLVED_MESSAGE = "This incident has been resolved."

OpenStatus = Literal["investigating", "identified", "monitoring"]
UP: ComponentStatus = "operational"


class OfPage(Params):
    """Which incident."""

    incident: str = Field(min_length=1, description="The incident's id. Each incident has one on the page.")
    message: str = Field(min_length=1, description="What the public reads.")
    notify: bool = Field(default=True, description="Whether the page's subscribers are notified.")
    severity: str = Field(default="", description="The incident's severity, for `impact`.")
    impact: dict[str, Impact] = Field(
        default={}, description="Severity -> the impact that the page shows; left out: the page's own, by components."
    )


class OpenParams(OfPage):
    """The first message to the public."""

    service: str = Field(description="The service's short name; the page shows its components.")
    title: str = Field(min_length=1, description="The headline.")
    status: OpenStatus = Field(default="investigating", description="The status to publish.")
    components: ComponentStatus = Field(
        default="partial_outage", description="What the service's components show while the incident is open."
    )


class RetitledParams(OfPage):
    """A message to the public, with a new title if needed."""

    title: str = Field(default="", description="A new title; empty keeps the old one.")


class UpdateParams(RetitledParams):
    """The next message to the public."""

    status: OpenStatus = Field(description="The status to publish.")
    components: ComponentStatus | None = Field(
        default=None, description="What the incident's components show now; as before if left out."
    )


class PageIncident(State):
    """Our incident on the page; `status` is `none` if there is none."""

    incidental: ClassVar[frozenset[str]] = frozenset({"id", "link", "elsewhere", "page_components", "subscribers"})

    page: str
    key: str
    status: PublicStatus | Literal["none"]
    title: str = ""
    message: str = ""
    components: dict[str, str] = Field(default={}, description="The incident's components by name, with their status.")
    impact: str = Field(default="", description="The impact that the page shows; empty if none is set by us.")
    subscribers: dict[str, int] | None = Field(
        default=None, description="The page's subscribers by type, when planning; None if they could not be counted."
    )
    elsewhere: list[str] = Field(default=[], description="Components that other open incidents list.")
    page_components: dict[str, Component] = Field(default={}, description="The page's components by id, when planning.")
    id: str = ""
    link: str = ""

    @override
    def in_words(self) -> str:
        if self.status == "none":
            return "nothing published"
        shown = "; ".join(f"{name}: {status.replace('_', ' ')}" for name, status in self.components.items())
        return f"{self.status}: {self.title}. {self.message}" + (f" ({shown})" if shown else "")

    @property
    def open(self) -> bool:
        """Return whether it is published and not resolved."""
        return self.status not in {"none", "resolved"}


class _OnPage(StatusPageAction[OfPage, PageIncident]):
    """The base of all changes of our incident on the page."""

    state: ClassVar[type[State]] = PageIncident

    @override
    def resource(self, params: OfPage) -> str:
        return f"status-page:{self.site.page}/{params.incident}"

    @override
    async def observe(self, params: OfPage) -> PageIncident:
        found = await self.site.find(params.incident)
        incident, elsewhere = found.incident, sorted(found.elsewhere)
        if incident is None:
            return PageIncident(page=self.site.page, key=params.incident, status="none", elsewhere=elsewhere)
        return PageIncident(
            page=self.site.page,
            key=params.incident,
            status=_status(incident.status),
            title=incident.name,
            message=incident.message.strip(),
            components=incident.components,
            impact=incident.impact,
            elsewhere=elsewhere,
            id=incident.id,
            link=incident.link,
        )

    @override
    async def observe_for_plan(self, params: OfPage) -> PageIncident:
        state = await self.observe(params)
        return state.model_copy(update={"subscribers": await counted(self.site) if params.notify else {}})

    @override
    async def apply(self, params: OfPage, change: Change[PageIncident], key: str) -> Receipt:
        before, after = change.before, change.after
        if after.status == "none":
            raise Refused("A published incident cannot be removed from the page.", "Resolve it instead.")
        changed = {
            name: status for name, status in _due(after, before).items() if before.components.get(name) != status
        }
        by_id = await self._ids(changed) if changed else {}
        try:
            written = await self._write(before, after, after.message, by_id, notify=params.notify)
        except VendorRefused as refused:
            if before.status != "resolved" or refused.passes:
                raise
            # The page does not take the resolved incident up again, so that a new one names it.
            message = _naming(after.message, before.link)
            before = before.model_copy(update={"id": ""})
            written = await self._write(before, after, message, by_id, notify=params.notify)
        return Receipt(facts={"id": written.id, "link": written.link})

    async def _write(
        self, before: PageIncident, after: PageIncident, message: str, components: dict[str, str], *, notify: bool
    ) -> PublicIncident:
        """Add an update to our incident, whatever its status, or open one if there is none."""
        status = _shown(after)
        if not before.id:
            return await self.site.create(
                after.key,
                name=after.title,
                status=status,
                message=message,
                components=components,
                impact=after.impact,
                notify=notify,
            )
        title = "" if after.title == before.title else after.title
        impact = "" if after.impact == before.impact else after.impact
        return await self.site.update(
            before.id,
            status=status,
            message=message,
            name=title,
            components=components,
            impact=impact,
            notify=notify,
        )

    async def _ids(self, components: dict[str, str]) -> dict[str, str]:
        """Return the wanted status of each component by its id. A component that is gone from the page is left out."""
        known = await self.site.components()
        return {key: components[one.name] for key, one in known.items() if one.name in components}

    @override
    def verify(self, change: Change[PageIncident], after: PageIncident, receipt: Receipt | None) -> Finding:
        published = after.status != "none"
        sentence = f"The status page says {after.status}." if published else "The status page shows no incident yet."
        if self.target_reached(change, after):
            return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts={"id": after.id, "link": after.link})
        return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence)

    @override
    def target_reached(self, change: Change[PageIncident], now: PageIncident) -> bool:
        after = change.after
        messages = {after.message, _naming(after.message, change.before.link)}
        same = (now.status, now.title) == (after.status, after.title) and now.message in messages
        same = same and (after.impact in ("", change.before.impact) or now.impact == after.impact)
        return same and all(now.components.get(name) == status for name, status in _due(after, now).items())

    @override
    def undo(self, params: OfPage, done: Change[PageIncident], now: PageIncident) -> Change[PageIncident]:
        raise Refused(
            "A message to the public cannot be undone.",
            f"Publish a correction: status_page.update {params.incident}.",
        )

    def change(  # noqa: PLR0913 - the parts of what is published
        self,
        params: OfPage,
        before: PageIncident,
        status: PublicStatus,
        message: str,
        *,
        title: str = "",
        components: dict[str, str] | None = None,
        risk: str = "",
    ) -> Change[PageIncident]:
        """Return the change to `status`, with the sentences for the approver.

        `components` is None to leave them as they are. Raises Refused for a message that is longer than the page takes.
        """
        if len(message) > LONGEST_BODY:
            raise Refused(
                f"The message has {len(message):,} characters; the page takes {LONGEST_BODY:,}.", "Shorten it."
            )
        told = whom(before.subscribers, notify=params.notify)
        before = before.model_copy(update={"page_components": {}, "subscribers": None})
        after = before.model_copy(
            update={
                "status": status,
                "message": message.strip(),
                "title": shortened(title.strip(), LONGEST_NAME) or before.title,
                "components": before.components if components is None else components,
                "impact": params.impact.get(params.severity, before.impact),
            }
        )
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Publish on the status page, as {status}: {after.title}",
            before=before,
            after=after,
            risk=f"{told} {risk}".strip(),
            undo="Resolves the incident on the page." if not before.open else "It cannot be undone.",
            deadline=DEADLINE,
        )


class OpenIncident(_OnPage):
    """Opens an incident on the status page."""

    name = "status_page.open"
    text_params = ("title", "message")
    announces = True
    title = "Open an incident on the status page"
    permissions = (STATUS_PAGE_WRITE,)
    usual_risk = "It is public, and subscribers are notified."
    usual_undo = "Resolves the incident on the page; what was published stays there."
    params = OpenParams
    leaves = "status page incident open"
    if_unanswered = Fallback.model_validate(
        {
            "with": {
                "title": "Service issue: {feature}",
                "message": "We are looking into a problem with {feature}. Next update: {next_update}.",
            }
        }
    )

    @override
    async def observe_for_plan(self, params: OfPage) -> PageIncident:
        state = await super().observe_for_plan(params)
        if state.open or not self._wanted(params):
            return state
        return state.model_copy(update={"page_components": await self.site.components()})

    def _wanted(self, params: OfPage) -> list[str]:
        """Return the names or ids of the service's components, as systems.yaml has them."""
        return self.context.service(params.service).status_components if isinstance(params, OpenParams) else []

    @override
    def plan(self, params: OfPage, before: PageIncident) -> Change[PageIncident]:
        if not isinstance(params, OpenParams):
            raise Refused("An incident on the status page needs a title.", "Give service, title and message.")
        if before.open:
            # It is open already, so nothing is left to do.
            return self.change(params, before, _shown(before), before.message)
        names, risk = _on_page(self._wanted(params), before.page_components)
        if before.status == "resolved":
            risk = f"The page says that it is resolved; now it says that it is back. {risk}".strip()
        return self.change(
            params,
            before,
            params.status,
            params.message,
            title=params.title,
            components=dict.fromkeys(names, params.components),
            risk=risk,
        )

    @override
    def undo(self, params: OfPage, done: Change[PageIncident], now: PageIncident) -> Change[PageIncident]:
        if not now.open or done.after.status == "resolved":
            raise Refused(f"{params.incident} is no longer open on the status page.", "Nothing is left to do.")
        return self.change(params, now, "resolved", _RESOLVED_MESSAGE, components=_up_again(now))


class UpdateIncident(_OnPage):
    """Publishes an update of the incident."""

    name = "status_page.update"
    text_params = ("title", "message")
    title = "Update the status page"
    permissions = (STATUS_PAGE_WRITE,)
    usual_risk = "It is public, and subscribers are notified."
    usual_undo = "It cannot be undone: publish a correction."
    params = UpdateParams

    @override
    def plan(self, params: OfPage, before: PageIncident) -> Change[PageIncident]:
        _require_open(params, before)
        status = params.status if isinstance(params, UpdateParams) else _shown(before)
        shown = params.components if isinstance(params, UpdateParams) else None
        components = dict.fromkeys(before.components, shown) if shown else None
        return self.change(params, before, status, params.message, title=_title(params), components=components)


class ResolveIncident(_OnPage):
    """Resolves the incident on the status page."""

    name = "status_page.resolve"
    text_params = ("title", "message")
    title = "Resolve the incident on the status page"
    permissions = (STATUS_PAGE_WRITE,)
    usual_risk = "The public reads that the trouble is over."
    usual_undo = "It cannot be undone: open the incident again."
    params = RetitledParams
    reverses = "status_page.open"

    @override
    def plan(self, params: OfPage, before: PageIncident) -> Change[PageIncident]:
        if before.status == "resolved":
            return self.change(params, before, "resolved", before.message)
        _require_open(params, before)
        return self.change(
            params, before, "resolved", params.message, title=_title(params), components=_up_again(before)
        )


def _naming(message: str, link: str) -> str:
    """Return a message with the address of the incident that it goes on from."""
    return f"{message}\n\n{link}" if link else message


def _on_page(wanted: list[str], components: dict[str, Component]) -> tuple[list[str], str]:
    """Return the names of those wanted components that the page has, and a warning about the others."""
    names = [one.name for key, one in components.items() if key in wanted or one.name in wanted]
    missing = [one for one in wanted if one not in components and one not in names]
    if not missing:
        return names, ""
    known = ", ".join(one.name for one in components.values()) or "none"
    return names, (
        f"The page has no component {', '.join(missing)}: correct `status_components` in systems.yaml. It has: {known}."
    )


def _due(after: PageIncident, now: PageIncident) -> dict[str, str]:
    """Return the components to set: none goes up while another open incident lists it."""
    return {name: status for name, status in after.components.items() if status != UP or name not in now.elsewhere}


def _up_again(state: PageIncident) -> dict[str, str]:
    """Return the incident's components as they are after its end: up, unless another open incident lists them too."""
    return {name: status if name in state.elsewhere else UP for name, status in state.components.items()}


def _title(params: OfPage) -> str:
    return params.title if isinstance(params, RetitledParams) else ""


def _require_open(params: OfPage, before: PageIncident) -> None:
    if before.status == "resolved":
        raise Refused(
            f"{params.incident} is resolved on the status page; a person may have done it there.",
            "If the trouble goes on, publish that it is back: status_page.open.",
        )
    if not before.open:
        raise Refused(f"{params.incident} is not open on the status page.", "Open it first: status_page.open.")


def _shown(state: PageIncident) -> PublicStatus:
    return "investigating" if state.status == "none" else state.status


def _status(text: str) -> PublicStatus:
    """Return Statuspage's status as ours. A post-mortem is published after the incident is resolved."""
    match text:
        case "investigating" | "identified" | "monitoring" | "resolved":
            return text
        case "postmortem" | "completed":
            return "resolved"
        case _:
            return "investigating"

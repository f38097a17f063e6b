"""Informing the public: opening an incident on the status page, updating it, and resolving it.

Statuspage has no idempotency key. Ours is in the incident's metadata, and every observation searches for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, Finding, Params, Receipt, State, Verdict
from allclear.domain.approval import SPEAKERS, Fallback
from allclear.domain.errors import NotFound, Refused
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.statuspage import PublicStatus, Statuspage

DEADLINE = timedelta(seconds=30)
"""Statuspage accepts one request a second, so two observations and a write take a while."""
_RESOLVED_MESSAGE = "This incident has been resolved."

OpenStatus = Literal["investigating", "identified", "monitoring"]


class OfPage(Params):
    """Which incident."""

    incident: str = Field(min_length=1, description="The incident's id. Each incident has one on the page.")
    message: str = Field(min_length=1, description="What the public reads.")


class OpenParams(OfPage):
    """The first message to the public."""

    service: str = Field(description="The service's short name; the page shows its components.")
    title: str = Field(min_length=1, max_length=200, description="The headline.")
    status: OpenStatus = Field(default="investigating", description="The status to publish.")


class RetitledParams(OfPage):
    """A message to the public, with a new title if needed."""

    title: str = Field(default="", max_length=200, description="A new title; empty keeps the old one.")


class UpdateParams(RetitledParams):
    """The next message to the public."""

    status: OpenStatus = Field(description="The status to publish.")


class PageIncident(State):
    """Our incident on the page; `status` is `none` if there is none."""

    incidental: ClassVar[frozenset[str]] = frozenset({"id", "link"})

    page: str
    key: str
    status: PublicStatus | Literal["none"]
    title: str = ""
    message: str = ""
    id: str = ""
    link: str = ""

    @override
    def in_words(self) -> str:
        return "nothing published" if self.status == "none" else f"{self.status}: {self.title}. {self.message}"

    @property
    def open(self) -> bool:
        """Return whether it is published and not resolved."""
        return self.status not in {"none", "resolved"}


class StatuspagePreflight(Preflight):
    """Tests the key, the page, and each component that systems.yaml names."""

    client: ClassVar[type[Client]] = Statuspage

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        site = self.context.client(Statuspage)
        wanted = [component for service in services.values() for component in service.status_components]
        yield PreflightCheck(f"page {site.page}", partial(self._page, site, wanted))

    async def _page(self, site: Statuspage, wanted: list[str]) -> Passed:
        components = await site.components()
        if missing := [component for component in wanted if component not in components]:
            there = ", ".join(f"{name} is {key}" for key, name in components.items()) or "none"
            raise NotFound(
                f"The page has no component {' and no component '.join(missing)}.",
                f"Correct `status_components` in systems.yaml; the components are: {there}.",
            )
        return Passed("The page and its components can be read.")


class _OnPage(Action[OfPage, PageIncident]):
    """The base of all changes of our incident on the page."""

    state: ClassVar[type[State]] = PageIncident
    needs: ClassVar[tuple[type[Client], ...]] = (Statuspage,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (StatuspagePreflight,)
    fence: ClassVar[Fence] = Fence.NONE
    approval = SPEAKERS
    tells = True

    @property
    def site(self) -> Statuspage:
        """Return the client."""
        return self.context.client(Statuspage)

    @override
    def resource(self, params: OfPage) -> str:
        return f"status-page:{self.site.page}/{params.incident}"

    @override
    async def observe(self, params: OfPage) -> PageIncident:
        found = await self.site.find(params.incident)
        if found is None:
            return PageIncident(page=self.site.page, key=params.incident, status="none")
        return PageIncident(
            page=self.site.page,
            key=params.incident,
            status=_status(found.status),
            title=found.name,
            message=found.message.strip(),
            id=found.id,
            link=found.link,
        )

    @override
    async def apply(self, params: OfPage, change: Change[PageIncident], key: str) -> Receipt:
        before, after = change.before, change.after
        if after.status == "none":
            raise Refused("A published incident cannot be removed from the page.", "Resolve it instead.")
        if before.id and before.open:
            title = "" if after.title == before.title else after.title
            written = await self.site.update(before.id, status=after.status, message=after.message, name=title)
        else:
            service = self.context.service(params.service) if isinstance(params, OpenParams) else None
            components = service.status_components if service else []
            written = await self.site.create(
                after.key, name=after.title, status=after.status, message=after.message, components=components
            )
        return Receipt(facts={"id": written.id, "link": written.link})

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
        return (now.status, now.message, now.title) == (after.status, after.message, after.title)

    @override
    def undo(self, params: OfPage, done: Change[PageIncident], now: PageIncident) -> Change[PageIncident]:
        raise Refused(
            "A message to the public cannot be undone.",
            f"Publish a correction: status_page.update {params.incident}.",
        )

    def change(
        self, params: OfPage, before: PageIncident, status: PublicStatus, message: str, *, title: str = ""
    ) -> Change[PageIncident]:
        """Return the change to `status`, with the sentences for the approver."""
        after = before.model_copy(
            update={"status": status, "message": message.strip(), "title": title.strip() or before.title}
        )
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Publish on the status page, as {status}: {after.title}",
            before=before,
            after=after,
            risk="It is public, and subscribers are notified.",
            undo="Resolves the incident on the page." if not before.open else "It cannot be undone.",
            deadline=DEADLINE,
        )


class OpenIncident(_OnPage):
    """Opens an incident on the status page."""

    name = "status_page.open"
    text_params = ("title", "message")
    announces = True
    title = "Open an incident on the status page"
    params = OpenParams
    leaves = "status page incident open"
    if_unanswered = Fallback.model_validate(
        {
            "with": {
                "title": "Service issue: {feature}",
                "message": "We are looking into a problem with {feature}. The next update follows in {next_update}.",
            }
        }
    )

    @override
    def plan(self, params: OfPage, before: PageIncident) -> Change[PageIncident]:
        if not isinstance(params, OpenParams):
            raise Refused("An incident on the status page needs a title.", "Give service, title and message.")
        if before.status == "resolved":
            raise Refused(
                f"{params.incident} is already on the status page, and is resolved there.",
                "If it has come back, open a new incident.",
            )
        if before.open:
            # It is open already, so nothing is left to do.
            return self.change(params, before, _shown(before), before.message)
        return self.change(params, before, params.status, params.message, title=params.title)

    @override
    def undo(self, params: OfPage, done: Change[PageIncident], now: PageIncident) -> Change[PageIncident]:
        if not now.open or done.after.status == "resolved":
            raise Refused(f"{params.incident} is no longer open on the status page.", "Nothing is left to do.")
        return self.change(params, now, "resolved", _RESOLVED_MESSAGE)


class UpdateIncident(_OnPage):
    """Publishes an update of the incident."""

    name = "status_page.update"
    text_params = ("title", "message")
    title = "Update the status page"
    params = UpdateParams

    @override
    def plan(self, params: OfPage, before: PageIncident) -> Change[PageIncident]:
        _require_open(params, before)
        status = params.status if isinstance(params, UpdateParams) else _shown(before)
        return self.change(params, before, status, params.message, title=_title(params))


class ResolveIncident(_OnPage):
    """Resolves the incident on the status page."""

    name = "status_page.resolve"
    text_params = ("title", "message")
    title = "Resolve the incident on the status page"
    params = RetitledParams
    reverses = "status_page.open"

    @override
    def plan(self, params: OfPage, before: PageIncident) -> Change[PageIncident]:
        if before.status == "resolved":
            return self.change(params, before, "resolved", before.message)
        _require_open(params, before)
        return self.change(params, before, "resolved", params.message, title=_title(params))


def _title(params: OfPage) -> str:
    return params.title if isinstance(params, RetitledParams) else ""


def _require_open(params: OfPage, before: PageIncident) -> None:
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

"""What the actions on the status page share: their client, its preflight, and who approves what is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Action, Client, Fence, P, S
from allclear.domain.approval import SPEAKERS
from allclear.domain.errors import NotFound
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.statuspage import Statuspage

DEADLINE = timedelta(seconds=30)
"""Statuspage accepts one request a second, so two observations and a write take a while."""


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
        names = {one.name for one in components.values()}
        if missing := [component for component in wanted if component not in {*components, *names}]:
            there = ", ".join(f"{one.name} ({key})" for key, one in components.items()) or "none"
            raise NotFound(
                f"The page has no component {' and no component '.join(missing)}.",
                f"Correct `status_components` in systems.yaml; the components are: {there}.",
            )
        return Passed("The page and its components can be read.")


class StatusPageAction(Action[P, S]):
    """The base of all that is published on the status page: people read it, and a speaker approves it."""

    needs: ClassVar[tuple[type[Client], ...]] = (Statuspage,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (StatuspagePreflight,)
    fence: ClassVar[Fence] = Fence.NONE
    approval = SPEAKERS
    tells = True
    public = True

    @property
    def site(self) -> Statuspage:
        """Return the client."""
        return self.context.client(Statuspage)

"""The read-only test of Vercel: each service's project, and where its production domain points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.errors import NotFound
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.vercel import Vercel, VercelHandle


class VercelPreflight(Preflight):
    """Tests the token, each project and each production domain."""

    client: ClassVar[type[Client]] = Vercel

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        vercel = self.context.client(Vercel)
        for service in services.values():
            if handle := service.handle(VercelHandle):
                yield PreflightCheck(f"project {handle.project}", partial(self._project, vercel, handle))

    async def _project(self, vercel: Vercel, handle: VercelHandle) -> Passed:
        project = await vercel.project(handle.project)
        serving = await vercel.serving(handle.domain, project.id)
        known = {deployment.id for deployment in await vercel.deployments(project.id)}
        if not known:
            raise NotFound(
                f"The project {handle.project} has no production deployment.", "Check `vercel.project` in systems.yaml."
            )
        if not serving:
            raise NotFound(
                f"{handle.domain} points to no deployment of {handle.project}.",
                "Check `vercel.domain` in systems.yaml.",
            )
        return Passed(f"The project, its deployments and where {handle.domain} points can be read.")

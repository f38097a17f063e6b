"""The read-only test of Vercel: each service's project and domain, its firewall, its flags and its Global Config.

Reading cannot show whether the token may write: Vercel's tokens have the rights of their account in the team. A token
that may not even read the firewall or the flags is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.durations import counted
from allclear.domain.errors import NotFound
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.vercel import Vercel, VercelHandle
from allclear.vendors.vercel_config import GlobalConfig
from allclear.vendors.vercel_firewall import Firewall
from allclear.vendors.vercel_flags import Flags
from tasks.vercel.handles import VercelConfigHandle, VercelFlagsHandle

_FIREWALL = frozenset({"vercel.block_addresses", "vercel.unblock_addresses"})


class VercelPreflight(Preflight):
    """Tests the token, each project and domain, and what the plan's actions read."""

    client: ClassVar[type[Client]] = Vercel

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        vercel = self.context.client(Vercel)
        blocks = any(use.name in _FIREWALL for use in uses)
        for service in services.values():
            if handle := service.handle(VercelHandle):
                yield PreflightCheck(f"project {handle.project}", partial(self._project, vercel, handle))
                if blocks:
                    yield PreflightCheck(f"firewall of {handle.project}", partial(self._firewall, vercel, handle))
                flags = service.handle(VercelFlagsHandle)
                for slug in flags.root if flags else ():
                    yield PreflightCheck(f"flag {slug}", partial(self._flag, vercel, handle.project, slug))
            if config := service.handle(VercelConfigHandle):
                for key in config.keys:
                    yield PreflightCheck(f"item {key} of {config.id}", partial(self._item, vercel, config.id, key))

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

    async def _firewall(self, vercel: Vercel, handle: VercelHandle) -> Passed:
        view = await Firewall(vercel).view((await vercel.project(handle.project)).id)
        draft = " A person's draft is not published." if view.unpublished else ""
        return Passed(f"It can be read: it has {counted(len(view.rules), 'rule')} for addresses.{draft}")

    async def _flag(self, vercel: Vercel, project: str, slug: str) -> Passed:
        flag = await Flags(vercel).flag(project, slug)
        return Passed(f"It can be read: it is a {flag.kind}, {flag.state}.")

    async def _item(self, vercel: Vercel, config: str, key: str) -> Passed:
        on = await GlobalConfig(vercel).value(config, key)
        return Passed(f"It can be read: it is {'on' if on else 'off'}.")

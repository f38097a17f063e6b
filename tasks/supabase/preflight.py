"""The read-only test of Supabase's Management API: each service's project, and whether it can be restored.

Reading cannot show whether the token may restore: that permission is used by a restore alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.errors import NotFound
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck, Unproven
from allclear.domain.systems import Service
from allclear.vendors.supabase_management import SupabaseManagement
from tasks.supabase.handles import SupabaseProjectHandle
from tasks.supabase.state import second

RESTORE = "supabase.restore_to_point"


class SupabaseManagementPreflight(Preflight):
    """Tests the token, each project, and whether point-in-time recovery is on."""

    client: ClassVar[type[Client]] = SupabaseManagement

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        supabase = self.context.client(SupabaseManagement)
        restored = {use.params.get("service") for use in uses if use.name == RESTORE}
        for name, service in services.items():
            if handle := service.handle(SupabaseProjectHandle):
                yield PreflightCheck(f"project {handle.ref}", partial(self._project, supabase, handle.ref))
                if restored & {name, "{service}"}:
                    yield PreflightCheck(f"restoring {handle.ref}", partial(self._window, supabase, handle.ref))

    async def _project(self, supabase: SupabaseManagement, ref: str) -> Passed:
        project = await supabase.project(ref)
        await supabase.unhealthy(ref)
        timeline = (await supabase.recovery(ref)).timeline
        told = f"its database is in timeline {timeline}" if timeline else "its database does not tell its timeline"
        return Passed(f"{project.name} can be read: {project.status}; {told}.")

    async def _window(self, supabase: SupabaseManagement, ref: str) -> Unproven:
        window = await supabase.window(ref)
        if not window.enabled or window.earliest is None:
            raise NotFound(
                f"Point-in-time recovery of {ref} is off, so the plan's restore would be refused.",
                "Switch the add-on on in the project's settings at supabase.com, or take the step out of the runbook.",
            )
        return Unproven(
            f"It can go back to {second(window.earliest)}. Whether the token may restore is not shown by reading.",
            "Check that the token's account may write to the database (`database:write`): the roles Owner and"
            " Administrator may.",
        )

"""The read-only test of Convex: the deploy key, the state of the deployment, and each variable that is a switch.

Reading cannot show whether the key may write; a deploy key of production may.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.errors import NotFound, Refused
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck, Unproven
from allclear.domain.systems import Service
from allclear.vendors.convex import UNKNOWN, Convex
from tasks.convex.handles import ConvexHandle


class ConvexPreflight(Preflight):
    """Tests the key, the deployment and its switches."""

    client: ClassVar[type[Client]] = Convex

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        convex = self.context.client(Convex)
        for service in services.values():
            if handle := service.handle(ConvexHandle):
                yield PreflightCheck(f"deployment {handle.deployment}", partial(self._state, convex))
                for name in handle.switches:
                    yield PreflightCheck(f"variable {name}", partial(self._variable, convex, handle, name))

    async def _state(self, convex: Convex) -> Passed | Unproven:
        await convex.variables()
        state = await convex.state()
        if state == UNKNOWN:
            return Unproven(
                "Its variables can be read; Convex does not tell whether it is paused.",
                "Look at it in the dashboard. A pause is then proven by the audit log.",
            )
        return Passed(f"It can be read: it is {state}.")

    async def _variable(self, convex: Convex, handle: ConvexHandle, name: str) -> Passed:
        value = (await convex.variables()).get(name)
        if value is None:
            raise NotFound(f"There is no environment variable {name}.", "Check `convex.switches` in systems.yaml.")
        if value not in (handle.on, handle.off):
            raise Refused(
                f"The environment variable {name} is neither {handle.on} nor {handle.off}, so it is no switch.",
                "Correct `on` and `off` under `convex` in systems.yaml, or the variable.",
            )
        return Passed(f"It can be read: it is {'on' if value == handle.on else 'off'}.")

"""The read-only test of the company's own systems: each switch can be read, and stands where systems.yaml knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.errors import NotFound
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.own_systems import OwnSystems
from tasks.own_switches.handle import OwnSwitch, SwitchesHandle


class OwnSystemsPreflight(Preflight):
    """Reads each switch, and what proves its effect."""

    client: ClassVar[type[Client]] = OwnSystems

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        systems = self.context.client(OwnSystems)
        for service in services.values():
            handle = service.handle(SwitchesHandle)
            for name, switch in handle.root.items() if handle else ():
                yield PreflightCheck(f"switch {name}", partial(self._switch, systems, name, switch))

    async def _switch(self, systems: OwnSystems, name: str, switch: OwnSwitch) -> Passed:
        look, proof = switch.look, switch.proof
        position = switch.position_of(
            await systems.value(look.host or "", look.path, look.at, f"read the switch {name}")
        )
        if not position:
            raise NotFound(
                f"The switch {name} shows a value that is none of its positions: {', '.join(switch.positions)}.",
                f"Correct `positions` or `look.at` of the switch {name} in systems.yaml.",
            )
        if proof:
            await systems.value(proof.host or "", proof.path, proof.at, f"read what proves the switch {name}")
        return Passed(f"It can be read: it is {position}. Whether our key may set it shows only when it is set.")

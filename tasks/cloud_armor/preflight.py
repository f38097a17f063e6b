"""The read-only test of Cloud Armor: each policy, its backend service, and whether we may add a rule to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.durations import counted
from allclear.domain.errors import NotFound, Refused
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.cloud_armor import CloudArmor
from tasks.cloud_armor.handle import CloudArmorHandle
from tasks.cloud_armor.state import policy_state

_UNUSED_ADDRESS = "192.0.2.1/32"
"""An address of documentation, from which no request comes (RFC 5737)."""


class CloudArmorPreflight(Preflight):
    """Reads each policy and backend service, and lets Google validate a rule without adding it."""

    client: ClassVar[type[Client]] = CloudArmor

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        armor = self.context.client(CloudArmor)
        for service in services.values():
            if handle := service.handle(CloudArmorHandle):
                yield PreflightCheck(f"policy {handle.policy}", partial(self._policy, armor, handle))
                yield PreflightCheck(
                    f"backend service {handle.backend_service}", partial(self._backend_service, armor, handle)
                )

    async def _policy(self, armor: CloudArmor, handle: CloudArmorHandle) -> Passed:
        policy = await armor.policy(handle.policy)
        free = policy_state(policy, handle, []).free
        if free is None:
            raise Refused(
                f"Each of our priorities in {handle.policy} has a rule, so no address could be blocked.",
                "Undo a block that is no longer needed, or raise `rules` under `cloud_armor` in systems.yaml.",
            )
        await armor.deny(handle.policy, free, [_UNUSED_ADDRESS], "allclear doctor", validate_only=True)
        return Passed(
            f"It can be read: it has {counted(len(policy.rules), 'rule')}. A rule at {free} would be accepted."
        )

    async def _backend_service(self, armor: CloudArmor, handle: CloudArmorHandle) -> Passed:
        attached = await armor.policy_of(handle.backend_service)
        if attached != handle.policy:
            has = f"the policy {attached}" if attached else "no policy"
            raise NotFound(
                f"The backend service {handle.backend_service} has {has}, not {handle.policy}.",
                "Attach the policy to it, or correct `cloud_armor` in systems.yaml.",
            )
        return Passed(f"It has the policy {handle.policy}.")

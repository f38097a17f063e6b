"""A production behind a load balancer with a Cloud Armor policy, and the rules of that policy."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from allclear.domain.address_ranges import NeverBlocked
from allclear.simulator.armor_policy import ArmorPolicy
from allclear.simulator.scenario_schema import ArmorSpec
from tasks.cloud_armor.handle import CloudArmorHandle
from tests.contract.actions_support import (
    SimulatedContext,
    production,
)
from tests.contract.simulator_support import Simulated, quick

SERVICE, ATTACKER, OTHER, RANGE = "storefront", "203.0.113.7", "203.0.113.9", "192.0.2.0/24"
OFFICE = {"198.51.100.0/28": "our office"}
POLICY = "/compute/v1/projects/vintstreet-prod/global/securityPolicies/storefront"


@asynccontextmanager
async def guarded(
    *, attached: bool = True, ingress: str = "internal-and-cloud-load-balancing", never: bool = True, **handle: Any
) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run VintStreet's production behind a load balancer with a Cloud Armor policy."""
    spec = ArmorSpec(policy="storefront", backend_service="storefront-backend", attached=attached)
    fields: dict[str, Any] = {"policy": "storefront", "backend_service": "storefront-backend", "priority": 1000}
    service: dict[str, Any] = {"cloud_armor": CloudArmorHandle.model_validate(fields | handle)}
    if never:
        service["never_blocked"] = NeverBlocked.model_validate(OFFICE)
    async with production(quick(armor=spec, ingress=ingress), **service) as (sim, context):
        context.options["cloud_armor"] = {"project": "vintstreet-prod"}
        yield sim, context


def armor(sim: Simulated) -> ArmorPolicy:
    """Return the simulated policy."""
    assert sim.world.armor is not None
    return sim.world.armor


def add(sim: Simulated, priority: int, *ranges: str, action: str = "deny(403)", **more: Any) -> None:
    """Add a rule as a person would, at once."""
    match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": list(ranges)}}
    rule = {"priority": priority, "action": action, "preview": False, "description": "", "match": match} | more
    armor(sim).rules.append(rule)

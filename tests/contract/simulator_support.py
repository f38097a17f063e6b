"""Shared by the simulator's tests: a quick production, clients of it, and waiting."""

# ruff: noqa: ANN401 - the vendors' answers can be anything

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import pytest
from google.cloud import run_v2
from google.cloud.run_v2.services.services.transports import ServicesGrpcAsyncIOTransport

from allclear.simulator.event_log import Clock, utc_now
from allclear.simulator.scenario import Production, load_scenario
from allclear.simulator.serve import Simulation
from allclear.trusted_certificates import trusted_certificates

REPOSITORY = Path(__file__).parents[2]
DRILLS = REPOSITORY / "runbooks" / "vintstreet" / "drills"
SPECIFICATIONS = REPOSITORY.parent / "shared" / "specs"

GOOD, BAD, NOT_READY = "vintstreet-00041-wex", "vintstreet-00042-qoz", "vintstreet-00041-zul"
LOCATION = "projects/vintstreet-prod/locations/us-central1"
SERVICE = f"{LOCATION}/services/vintstreet"


class Simulated(Simulation):
    """A simulation that also closes the clients of a test."""

    def __init__(self, scenario: Production, clock: Clock = utc_now) -> None:
        super().__init__(scenario, clock)
        self.clients = AsyncExitStack()

    async def __aexit__(self, *error: object) -> None:
        """Close the clients first, then the simulation."""
        await self.clients.aclose()
        await super().__aexit__(None, None, None)


def quick(name: str = "payment-processing-down", **changes: Any) -> Production:
    """Return one of VintStreet's productions with short times."""
    scenario = _scenario(name).model_copy(deep=True)
    short = {
        "operation_takes": timedelta(milliseconds=60),
        "users": scenario.users.model_copy(update={"per_second": 200.0, "quiet_after": timedelta(milliseconds=300)}),
    }
    return scenario.model_copy(update=short | changes)


@cache
def _scenario(name: str) -> Production:
    return load_scenario(DRILLS / f"{name}.yaml")


def run_client(simulation: Simulated) -> run_v2.ServicesAsyncClient:
    """Return Google's own asynchronous client of the simulation's gRPC."""
    channel = grpc.aio.insecure_channel(simulation.endpoints["cloud_run_grpc"])
    simulation.clients.push_async_callback(channel.close)
    transport = ServicesGrpcAsyncIOTransport(channel=channel)
    return run_v2.ServicesAsyncClient(transport=transport)


def all_to(revision: str, etag: str = "", **more: Any) -> run_v2.UpdateServiceRequest:
    """Return a request that sends all traffic to one revision and keeps the maintenance tag."""
    named = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
    traffic = [
        run_v2.TrafficTarget(type_=named, revision=revision, percent=100),
        run_v2.TrafficTarget(type_=named, revision="vintstreet-00030-mnt", tag="maintenance"),
    ]
    service = run_v2.Service(name=SERVICE, traffic=traffic, etag=etag)
    return run_v2.UpdateServiceRequest(service=service, update_mask={"paths": ["traffic"]}, **more)


async def control(simulation: Simulation, method: str, path: str, body: Any = None) -> Any:
    """Send a request to the control, which must succeed, and return its answer."""
    async with httpx.AsyncClient(base_url=simulation.control, verify=trusted_certificates()) as client:
        answer = await client.request(method, path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def fault(simulation: Simulation, api: str, method: str, kind: str, **more: Any) -> None:
    """Set a fault for the next call of an API's method."""
    await control(simulation, "POST", "/faults", {"api": api, "method": method, "kind": kind, **more})


def end_operations(simulation: Simulated) -> None:
    """End every operation of Cloud Run now. Its timer later finds it done."""
    for site in simulation.world.regional_services:
        for operation in list(site.service.operations.values()):
            site.service._end(operation)  # noqa: SLF001 - only tests choose the moment


def recorded(simulation: Simulation, kind: str, **facts: Any) -> list[dict[str, Any]]:
    """Return the event log's entries of this kind with these facts."""
    return [
        entry
        for entry in simulation.world.event_log.entries()
        if entry["kind"] == kind and all(entry.get(k) == v for k, v in facts.items())
    ]


def specification(name: str) -> dict[str, Any]:
    """Return a vendor's published description. Skips the test if it is absent."""
    path = SPECIFICATIONS / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine, so answers are not checked against it")
    return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))

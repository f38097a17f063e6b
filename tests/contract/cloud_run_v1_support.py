"""Shared by the tests of the simulated Cloud Run's v1."""

# ruff: noqa: ANN401 - the vendors' answers can be anything

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.contract.discovery_support import described_client
from tests.contract.simulator_support import LOCATION, Simulated, quick

NAMESPACE = "/apis/serving.knative.dev/v1/namespaces/vintstreet-prod"
SHOP = f"{NAMESPACE}/services/vintstreet"
MAINTENANCE = "vintstreet-00030-mnt"
TAGGED = {"revisionName": MAINTENANCE, "tag": "maintenance"}
UNKNOWN = "vintstreet-00099-nil"


@asynccontextmanager
async def production(**changes: Any) -> AsyncGenerator[tuple[Simulated, httpx.AsyncClient]]:
    """Yield a quick production, and a client of its v1 that checks every answer against Google's description."""
    async with Simulated(quick(**changes)) as sim, described_client(sim.endpoints["cloud_run"], "run.v1") as client:
        yield sim, client


async def send(client: httpx.AsyncClient, traffic: list[Any]) -> httpx.Response:
    """Replace the service as gcloud does: read it, change its traffic, and send all of it back."""
    service = (await client.get(SHOP)).json()
    service["spec"]["traffic"] = traffic
    return await client.put(SHOP, json=service)


async def wait(client: httpx.AsyncClient, service: dict[str, Any], seconds: str = "30s") -> dict[str, Any]:
    """Return the operation that the service names, when it has ended or the seconds have passed."""
    identity = service["metadata"]["annotations"]["run.googleapis.com/operation-id"]
    answer = await client.post(f"/v1/{LOCATION}/operations/{identity}:wait", json={"timeout": seconds})
    return answer.json()


def is_waited_for(sim: Simulated) -> bool:
    """Return whether a call waits for the end of an operation."""
    return any(operation.ended._waiters for operation in sim.world.service.operations.values())  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType] # noqa: SLF001 - nothing else shows that the call has arrived


def conditions(thing: dict[str, Any]) -> dict[str, str]:
    """Return the status of each condition of a service or revision, by its type."""
    return {condition["type"]: condition["status"] for condition in thing["status"]["conditions"]}


def refused(answer: httpx.Response, code: int, status: str) -> str:
    """Return the message of a refusal, after checking that the answer is Google's JSON for that error."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (code, code, status), answer.text
    return error["message"]

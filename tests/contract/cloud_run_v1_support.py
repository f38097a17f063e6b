"""What the tests of the simulated Cloud Run's v1 share."""

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
    """A quick production, and a client of its v1 that holds every answer to Google's description."""
    async with Simulated(quick(**changes)) as sim, described_client(sim.endpoints["cloud_run"], "run.v1") as client:
        yield sim, client


async def send(client: httpx.AsyncClient, traffic: list[Any]) -> httpx.Response:
    """Replace the service as gcloud does: read it, change it, send all of it back."""
    service = (await client.get(SHOP)).json()
    service["spec"]["traffic"] = traffic
    return await client.put(SHOP, json=service)


async def wait(client: httpx.AsyncClient, service: dict[str, Any], seconds: str = "30s") -> dict[str, Any]:
    """The operation that the service names, once it has ended or the seconds have passed."""
    identity = service["metadata"]["annotations"]["run.googleapis.com/operation-id"]
    answer = await client.post(f"/v1/{LOCATION}/operations/{identity}:wait", json={"timeout": seconds})
    return answer.json()


def conditions(thing: dict[str, Any]) -> dict[str, str]:
    """A service's or a revision's conditions by their type."""
    return {condition["type"]: condition["status"] for condition in thing["status"]["conditions"]}


def refused(answer: httpx.Response, code: int, status: str) -> str:
    """What the refusal says; fails for an answer that is not Google's JSON for that error."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (code, code, status), answer.text
    return error["message"]

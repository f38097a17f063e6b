"""The answers of v2 over REST, and the requests of our client, checked against Google's published description.

What v1 answers is held to it by each test in ``test_simulator_cloud_run_v1*.py``.
"""

# ruff: noqa: ANN401 - the vendors' answers can be anything

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.http_server import HttpServer
from allclear.vendors.cloud_run.views import Traffic, traffic_message
from tests.contract.discovery_support import described_client, description
from tests.contract.simulator_support import BAD, GOOD, LOCATION, SERVICE, Simulated, all_to, quick
from tests.patience import until

_NAMED = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION.name


async def _update(client: httpx.AsyncClient, revision: str, **query: str) -> dict[str, Any]:
    body = {"traffic": [{"type": _NAMED, "revision": revision, "percent": 100}]}
    return (await client.patch(f"/v2/{SERVICE}", json=body, params={"updateMask": "traffic", **query})).json()


async def test_every_answer_of_v2_fits_googles_description() -> None:
    """The service, revisions, permissions, and operations that run, are done or have failed fit their schemas."""
    async with Simulated(quick()) as sim, described_client(sim.endpoints["cloud_run"], "run.v2") as client:

        async def ask(path: str) -> dict[str, Any]:
            answer = await client.get(f"/v2/{path}")
            assert answer.is_success, answer.text
            return answer.json()

        assert (await ask(SERVICE))["latestReadyRevision"].endswith(BAD)
        assert len((await ask(f"{SERVICE}/revisions?pageSize=2"))["revisions"]) == 2
        assert (await ask(f"{SERVICE}/revisions/{GOOD}"))["name"].endswith(GOOD)
        asked = {"permissions": ["run.services.update"]}
        assert (await client.post(f"/v2/{SERVICE}:testIamPermissions", json=asked)).json() == asked
        for revision, ending in ((GOOD, "response"), ("vintstreet-00099-nil", "error")):
            operation = await _update(client, revision)
            assert "done" not in await ask(operation["name"])
            assert (await ask(SERVICE))["reconciling"]
            identity = operation["name"].rpartition("/")[2]
            await until(lambda identity=identity: sim.world.service.operations[identity].done)
            assert ending in await ask(operation["name"])
            assert await ask(SERVICE)
        assert (await _update(client, GOOD, validateOnly="true"))["done"]


async def test_the_check_finds_an_answer_that_does_not_fit() -> None:
    """Google's own clients ask for enums as numbers, which the description does not have."""
    async with Simulated(quick()) as sim, described_client(sim.endpoints["cloud_run"], "run.v2") as client:
        with pytest.raises(AssertionError, match="is no string"):
            await client.get(f"/v2/{SERVICE}", params={"$alt": "json;enum-encoding=int"})
        with pytest.raises(AssertionError, match="has no parameter"):
            await client.get(f"/v2/{SERVICE}", params={"mask": "traffic"})


@asynccontextmanager
async def _recorder(seen: list[tuple[Request, Any]]) -> AsyncGenerator[str]:
    """Yield a server that records every request and answers it with an operation."""

    async def keep(request: Request) -> Response:
        seen.append((request, json.loads(await request.body())))
        return JSONResponse({"name": f"{LOCATION}/operations/one"})

    server = HttpServer()
    address = server.add(Starlette(routes=[Route("/{path:path}", keep, methods=["GET", "POST", "PATCH"])]))
    await server.start()
    try:
        yield address
    finally:
        await server.stop()


def _with_names(body: Any) -> Any:
    """Return the body of an update with its enums by name. Fails for a field that Google's messages lack."""
    return json_format.MessageToDict(json_format.ParseDict(body, run_v2.Service.pb(run_v2.Service())))


@pytest.mark.parametrize(
    "traffic",
    [
        (Traffic(revision=GOOD, percent=100), Traffic(revision="vintstreet-00030-mnt", tag="maintenance")),
        (Traffic(revision=None, percent=90), Traffic(revision=GOOD, percent=10, tag="canary")),
    ],
)
async def test_our_update_over_rest_fits_googles_description(traffic: tuple[Traffic, ...]) -> None:
    """Path, parameters and body fit, and the body has only the traffic."""
    seen: list[tuple[Request, Any]] = []
    service = run_v2.Service(name=SERVICE, traffic=traffic_message(traffic), etag='"one"')
    async with _recorder(seen) as address:
        options = ClientOptions(api_endpoint=address)
        with run_v2.ServicesClient(
            transport="rest", credentials=AnonymousCredentials(), client_options=options
        ) as client:
            update = run_v2.UpdateServiceRequest(service=service, update_mask=all_to(GOOD).update_mask)
            await asyncio.to_thread(client.update_service, update)
    [(request, body)] = seen
    run = description("run.v2")
    method = run.method(request.method, request.url.path)
    assert method["id"] == "run.projects.locations.services.patch"
    run.check_query(method, httpx.QueryParams(request.url.query))
    assert request.query_params["updateMask"] == "traffic"
    assert run.problems(method["request"]["$ref"], body) != [], "enums as numbers are not in the description"
    named = _with_names(body)
    assert run.problems(method["request"]["$ref"], named) == []
    assert set(named) == {"etag", "traffic"}

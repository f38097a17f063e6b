"""The simulated Cloud Run's v1 around the service: lists, refusals, faults, proxies, and addresses of tags."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.contract.cloud_run_v1_support import (
    MAINTENANCE,
    NAMESPACE,
    SHOP,
    UNKNOWN,
    conditions,
    production,
    refused,
    send,
    wait,
)
from tests.contract.simulator_support import BAD, GOOD, LOCATION, NOT_READY, Simulated, fault, quick, recorded
from tests.patience import until


async def test_revisions_are_listed_in_pages_newest_first() -> None:
    """Each page names the next. The conditions show which are ready, failed or retired."""
    async with production() as (sim, client):
        found: list[dict[str, Any]] = []
        query = {"labelSelector": "serving.knative.dev/service = vintstreet", "limit": "4"}
        while True:
            page = (await client.get(f"{NAMESPACE}/revisions", params=query)).json()
            found += page["items"]
            if "continue" not in page["metadata"]:
                break
            query["continue"] = page["metadata"]["continue"]
        listed = [revision["metadata"]["name"] for revision in found]
        assert listed == [r.name for r in sim.world.service.newest_first(deleted=False)]
        by_name = dict(zip(listed, map(conditions, found), strict=True))
        assert {name for name in listed if by_name[name]["Active"] == "True"} == {BAD, MAINTENANCE}
        assert {name for name in listed if by_name[name]["Ready"] == "False"} == {NOT_READY}
        one = (await client.get(f"{NAMESPACE}/revisions/{GOOD}")).json()
        assert one == found[listed.index(GOOD)]
        made_up = await client.get(f"{NAMESPACE}/revisions", params={"continue": "made up"})
        refused(made_up, 400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("", True),
        ("serving.knative.dev/service=vintstreet", True),
        ("serving.knative.dev/service == other", False),
        ("serving.knative.dev/service != other", True),
        ("serving.knative.dev/service in (other, vintstreet), cloud.googleapis.com/location", True),
        ("serving.knative.dev/service notin (vintstreet)", False),
        ("!run.googleapis.com/workerPool", True),
        ("serving.knative.dev/service=vintstreet,team=shop", False),
    ],
)
async def test_a_label_selector_matches_all_revisions_or_none(selector: str, found: bool) -> None:  # noqa: FBT001
    """Every comparison of Kubernetes works."""
    async with production() as (_, client):
        page = (await client.get(f"{NAMESPACE}/revisions", params={"labelSelector": selector})).json()
        assert bool(page["items"]) is found
        refusal = await client.get(f"{NAMESPACE}/revisions", params={"labelSelector": f"{selector}==="})
        refused(refusal, 400, "INVALID_ARGUMENT")


async def test_services_are_listed_by_namespace_by_location_and_for_all_regions() -> None:
    """The project can be its number. Another region has no service."""
    async with production() as (_, client):
        service = (await client.get(SHOP)).json()
        number = service["metadata"]["namespace"]
        for path in (
            f"{NAMESPACE}/services",
            f"/apis/serving.knative.dev/v1/namespaces/{number}/services",
            f"/v1/{LOCATION}/services",
            "/v1/projects/vintstreet-prod/locations/-/services",
        ):
            assert (await client.get(path)).json()["items"] == [service]
        elsewhere = await client.get("/v1/projects/vintstreet-prod/locations/europe-west1/services")
        assert elsewhere.json()["items"] == []
        assert (await client.get(f"/v1/{LOCATION}/services/vintstreet")).json() == service
        assert (await client.get(service["metadata"]["selfLink"])).json() == service


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"{NAMESPACE}/services/other", "SERVICE"),
        ("/v1/projects/vintstreet-prod/locations/europe-west1/services/vintstreet", "SERVICE"),
        (f"{NAMESPACE}/revisions/{UNKNOWN}", "REVISION"),
        (f"/v1/{LOCATION}/operations/none", "OPERATION"),
    ],
)
async def test_an_unknown_name_is_not_found(path: str, kind: str) -> None:
    """The error has its kind, name, region and project."""
    async with production() as (_, client):
        said = refused(await client.get(path), 404, "NOT_FOUND")
        name = path.rpartition("/")[2]
        region = "europe-west1" if "europe" in path else "us-central1"
        where = f"in region '{region}' in project 'vintstreet-prod'"
        assert said == f"Resource '{name}' of kind '{kind}' {where} does not exist."


async def test_another_project_is_permission_denied() -> None:
    """Its services and operations have the same error as unknown ones."""
    async with production() as (_, client):
        said = refused(await client.get(SHOP.replace("-prod", "-test")), 403, "PERMISSION_DENIED")
        named = "resource 'namespaces/vintstreet-test/services/vintstreet' (or resource may not exist)"
        assert said == f"Permission 'run.services.get' denied on {named}."
        waiting = await client.post("/v1/projects/other/locations/us-central1/operations/one:wait", json={})
        assert "run.operations.get" in refused(waiting, 403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("unavailable", 503, "UNAVAILABLE"),
        ("rate_limited", 429, "RESOURCE_EXHAUSTED"),
        ("server_error", 500, "INTERNAL"),
        ("permission_denied", 403, "PERMISSION_DENIED"),
        ("stale_etag", 409, "ABORTED"),
    ],
)
async def test_a_fault_of_an_update_affects_a_replacement(kind: str, code: int, status: str) -> None:
    """A fault of v2's update happens once in v1, and nothing is written."""
    async with production() as (sim, client):
        await fault(sim, "cloud_run", "UpdateService", kind)
        traffic = [{"revisionName": GOOD, "percent": 100}]
        refused(await send(client, traffic), code, status)
        assert sim.world.serving() == {BAD: 100}
        assert (await send(client, traffic)).is_success


async def test_a_write_whose_answer_is_lost_takes_effect() -> None:
    """The connection breaks, and the traffic moves."""
    async with production() as (sim, client):
        await fault(sim, "cloud_run", "UpdateService", "answer_lost")
        with pytest.raises(httpx.RemoteProtocolError):
            await send(client, [{"revisionName": GOOD, "percent": 100}])
        await until(lambda: sim.world.serving() == {GOOD: 100})
        assert recorded(sim, "write", api="cloud_run", result="done, answer lost")


async def test_each_method_needs_its_permission() -> None:
    """The permission to read does not include writing, listing or waiting."""
    async with production(permissions=["run.services.get"]) as (_, client):
        assert "run.services.update" in refused(await send(client, []), 403, "PERMISSION_DENIED")
        lists = [await client.get(f"{NAMESPACE}/{plural}") for plural in ("services", "revisions")]
        lists.append(await client.post(f"/v1/{LOCATION}/operations/one:wait", json={}))
        needed = ["run.services.list", "run.revisions.list", "run.operations.get"]
        for answer, permission in zip(lists, needed, strict=True):
            assert permission in refused(answer, 403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/v1/nothing"), ("DELETE", SHOP), ("POST", f"{NAMESPACE}/services"), ("GET", "/v2/x")],
)
async def test_an_unknown_path_or_method_has_googles_json(method: str, path: str) -> None:
    """A client can parse the error, in v1 and v2."""
    async with Simulated(quick()) as sim, httpx.AsyncClient(base_url=sim.endpoints["cloud_run"]) as client:
        said = refused(await client.request(method, path), 404, "NOT_FOUND")
        assert said == f"Method not found: {method} {path}"


async def test_a_client_can_use_the_simulation_as_its_proxy() -> None:
    """The host in the request line selects the region, and the host in the header does not."""
    async with Simulated(quick()) as sim:
        async with httpx.AsyncClient(proxy=sim.endpoints["cloud_run"], trust_env=False) as client:
            service = await client.get(f"http://us-central1-run.sim.test{SHOP}?alt=json")
            assert service.json()["metadata"]["name"] == "vintstreet"
            elsewhere = await client.get(
                f"http://europe-west1-run.sim.test{SHOP}", headers={"host": "us-central1-run.sim.test"}
            )
            assert "in region 'europe-west1'" in refused(elsewhere, 404, "NOT_FOUND")
            escaped = await client.get(f"http://run.sim.test{NAMESPACE}/services/a%20b")
            assert "Resource 'a b'" in refused(escaped, 404, "NOT_FOUND")
        async with httpx.AsyncClient(proxy=sim.endpoints["storefront"], trust_env=False) as client:
            assert (await client.get("http://shop.sim.test")).json()["revision"] == BAD


async def test_the_address_of_a_tag_reaches_its_revision() -> None:
    """It serves that revision for any traffic. The address of an unknown tag serves nothing."""
    async with production() as (sim, client):
        await wait(
            client,
            (
                await send(client, [{"latestRevision": True, "percent": 100}, {"revisionName": GOOD, "tag": "old"}])
            ).json(),
        )
        address = httpx.URL((await client.get(SHOP)).json()["status"]["traffic"][1]["url"])
        assert address.host == "old---vintstreet.localhost"
        shop = sim.endpoints["storefront"]
        async with httpx.AsyncClient(base_url=shop) as visitor:
            assert f":{address.port}" in shop
            found = await visitor.get("/", headers={"host": address.netloc.decode()})
            assert found.headers["x-revision"] == GOOD
            assert (await visitor.get("/", headers={"host": "no---vintstreet.localhost"})).status_code == 404

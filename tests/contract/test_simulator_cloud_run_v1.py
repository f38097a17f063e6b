"""The simulated Cloud Run's v1: reading and replacing a service, checked against Google's description."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from allclear.simulator.apis.http_api import MAX_BODY
from tests.contract.cloud_run_v1_support import (
    MAINTENANCE,
    SHOP,
    TAGGED,
    UNKNOWN,
    conditions,
    is_waited_for,
    production,
    refused,
    send,
    wait,
)
from tests.contract.simulator_support import (
    BAD,
    GOOD,
    NOT_READY,
    SERVICE,
    all_to,
    control,
    end_operations,
    recorded,
    run_client,
)
from tests.patience import until


async def test_a_service_is_the_same_as_in_v2() -> None:
    """It has Knative's fields: LATEST by name in the status, tags with a URL, and conditions that are True."""
    async with production() as (sim, client):
        service = (await client.get(SHOP)).json()
        v2 = await run_client(sim).get_service(name=SERVICE)
    assert service["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}, TAGGED]
    assert [entry["revisionName"] for entry in service["status"]["traffic"]] == [BAD, MAINTENANCE]
    assert service["status"]["traffic"][1]["url"] == v2.traffic_statuses[1].uri
    assert (service["metadata"]["uid"], service["metadata"]["generation"]) == (v2.uid, v2.generation)
    assert service["status"]["url"] == v2.uri == sim.endpoints["storefront"]
    assert conditions(service) == {"Ready": "True", "ConfigurationsReady": "True", "RoutesReady": "True"}


async def test_replaced_traffic_is_an_operation_in_both_versions() -> None:
    """After a rollback through v1 the service is not ready until the operation ends, and v2 has a new etag."""
    async with production() as (sim, client):
        before = await run_client(sim).get_service(name=SERVICE)
        sent = await send(client, [{"revisionName": GOOD, "percent": 100}, TAGGED])
        service = sent.json()
        assert conditions(service)["Ready"] == "Unknown"
        assert service["status"]["observedGeneration"] < service["metadata"]["generation"]
        assert service["status"]["traffic"][0]["revisionName"] == BAD
        ended = await wait(client, service)
        assert ended["done"]
        assert conditions(ended["response"])["Ready"] == "True"
        assert ended["response"]["status"]["traffic"][0] == {"revisionName": GOOD, "percent": 100}
        after = await run_client(sim).get_service(name=SERVICE)
        assert after.etag != before.etag
        assert [(t.revision, t.percent, t.tag) for t in after.traffic] == [
            (GOOD, 100, ""),
            (MAINTENANCE, 0, "maintenance"),
        ]
        assert sim.world.serving() == {GOOD: 100}


async def test_replaced_traffic_is_logged_like_an_update_of_v2() -> None:
    """The event log's writes have the same fields for both versions."""
    async with production() as (sim, client):
        etag = sim.world.service.state.etag
        await send(client, [{"revisionName": GOOD, "percent": 100}, TAGGED])
        await run_client(sim).update_service(all_to(GOOD, sim.world.service.state.etag))
        over_v1, over_v2 = recorded(sim, "write", api="cloud_run", method="UpdateService", result="done")
        for name in ("service", "update_mask", "validate_only", "traffic"):
            assert over_v1[name] == over_v2[name]
        assert over_v1["etag"] == etag
        assert over_v1["operation"] in sim.world.service.operations


async def test_a_change_through_v2_makes_the_resource_version_stale() -> None:
    """A write with the old version is refused, changes nothing, and the error has both versions."""
    async with production() as (sim, client):
        service = (await client.get(SHOP)).json()
        operation = await run_client(sim).update_service(all_to("vintstreet-00040-kip"))
        await operation.result(timeout=600)
        service["spec"]["traffic"] = [{"latestRevision": True, "percent": 100}]
        said = refused(await client.put(SHOP, json=service), 409, "ABORTED")
        current = (await client.get(SHOP)).json()["metadata"]["resourceVersion"]
        assert said == (
            f"Conflict for resource 'vintstreet': version '{service['metadata']['resourceVersion']}' was specified "
            f"but current version is '{current}'."
        )
        assert sim.world.serving() == {"vintstreet-00040-kip": 100}
        assert recorded(sim, "write")[-1]["result"] == f"refused: ABORTED {said}"


async def test_a_service_without_a_resource_version_replaces_any_version() -> None:
    """The version is optional, like the etag of v2."""
    async with production() as (sim, client):
        service = (await client.get(SHOP)).json()
        await control(sim, "POST", "/traffic", {"traffic": [{"revision": "vintstreet-00040-kip", "percent": 100}]})
        service["metadata"]["resourceVersion"] = None
        service["spec"]["traffic"] = [{"revisionName": GOOD, "percent": 100, "tag": None}]
        assert (await client.put(SHOP, json=service)).is_success
        await until(lambda: sim.world.serving() == {GOOD: 100})


async def test_a_split_with_latest_and_tags_keeps_its_order() -> None:
    """Named shares, a share for the latest and a tag on it are returned as they were sent."""
    wanted = [
        {"revisionName": GOOD, "percent": 90},
        {"latestRevision": True, "percent": 10},
        {"latestRevision": True, "tag": "canary"},
    ]
    async with production() as (sim, client):
        await wait(client, (await send(client, wanted)).json())
        service = (await client.get(SHOP)).json()
        assert service["spec"]["traffic"] == wanted
        assert [(t["revisionName"], t.get("tag")) for t in service["status"]["traffic"]] == [
            (GOOD, None),
            (BAD, None),
            (BAD, "canary"),
        ]
        assert sim.world.serving() == {GOOD: 90, BAD: 10}


async def test_empty_traffic_means_all_to_latest() -> None:
    """A new service has an empty list."""
    async with production(breaks_after=None) as (sim, client):
        await control(sim, "POST", "/traffic", {"traffic": [{"revision": "vintstreet-00040-kip", "percent": 100}]})
        service = (await send(client, [])).json()
        assert service["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]
        await until(lambda: sim.world.serving() == {GOOD: 100})


@pytest.mark.parametrize(("revision", "reason"), [(NOT_READY, "is not ready"), (UNKNOWN, "does not exist or")])
async def test_an_operation_fails_for_a_revision_that_cannot_serve(revision: str, reason: str) -> None:
    """The update is accepted, its operation ends in an error, and the old traffic still serves."""
    async with production() as (sim, client):
        ended = await wait(client, (await send(client, [{"revisionName": revision, "percent": 100}])).json())
        assert reason in ended["error"]["message"]
        assert "response" not in ended
        service = (await client.get(SHOP)).json()
        assert conditions(service) == {"Ready": "False", "ConfigurationsReady": "True", "RoutesReady": "False"}
        assert reason in service["status"]["conditions"][0]["message"]
        assert service["spec"]["traffic"][0]["revisionName"] == revision
        assert service["status"]["traffic"][0]["revisionName"] == BAD
        assert sim.world.serving() == {BAD: 100}


async def test_waiting_ends_with_the_operation_or_its_timeout() -> None:
    """After a short timeout the operation is not done. Otherwise the answer comes when it is."""
    async with production(operation_takes=timedelta(hours=1)) as (sim, client):
        service = (await send(client, [{"revisionName": GOOD, "percent": 100}])).json()
        assert "done" not in await wait(client, service, "0.05s")
        waiting = asyncio.create_task(wait(client, service))
        await until(lambda: is_waited_for(sim))
        end_operations(sim)
        assert (await waiting)["done"]
        operation = (await client.get(f"/v1/{(await wait(client, service))['name']}")).json()
        assert operation["response"]["@type"] == "type.googleapis.com/google.cloud.run.v1.Service"


async def test_waiting_does_not_hold_up_the_end_of_the_simulation() -> None:
    """A call that still waits when it stops is answered, with an operation that is not done."""
    async with production(operation_takes=timedelta(hours=1)) as (sim, client):
        service = (await send(client, [{"revisionName": GOOD, "percent": 100}])).json()
        waiting = asyncio.create_task(wait(client, service))
        await until(lambda: is_waited_for(sim))
        await sim.__aexit__()
        # A call that held up the end would be cut off, and not answered.
        assert "done" not in await waiting


async def test_a_dry_run_answers_and_changes_nothing() -> None:
    """``dryRun=all`` returns the service as it would be, and refuses an update that would be refused."""
    async with production() as (sim, client):
        service = (await client.get(SHOP)).json()
        service["spec"]["traffic"] = [{"revisionName": GOOD, "percent": 100}]
        answer = await client.put(SHOP, json=service, params={"dryRun": "all"})
        assert answer.json()["spec"]["traffic"] == [{"revisionName": GOOD, "percent": 100}]
        assert recorded(sim, "write")[-1]["validate_only"] is True
        assert not [operation for operation in sim.world.service.operations.values() if not operation.done]
        assert sim.world.serving() == {BAD: 100}
        service["spec"]["traffic"] = [{"revisionName": GOOD, "percent": 90}]
        refused(await client.put(SHOP, json=service, params={"dryRun": "all"}), 400, "INVALID_ARGUMENT")


async def test_an_unchanged_template_deploys_nothing_and_a_new_image_does() -> None:
    """Another image with the same name is refused, and without a name it is a new revision."""
    async with production() as (sim, client):
        before = len(sim.world.service.revisions)
        service = (await client.get(SHOP)).json()
        del service["metadata"]["resourceVersion"]
        assert (await client.put(SHOP, json=service)).is_success
        assert len(sim.world.service.revisions) == before
        template = service["spec"]["template"]
        template["spec"]["containers"][0]["image"] = "example.com/shop:43"
        refused(await client.put(SHOP, json=service), 409, "ALREADY_EXISTS")
        del template["metadata"]["name"]
        await wait(client, (await client.put(SHOP, json=service)).json())
        newest = sim.world.service.revisions[sim.world.service.state.latest_ready]
        assert newest.image == "example.com/shop:43"
        assert newest.name.startswith("vintstreet-00043-"), "Cloud Run counts on from the newest"


async def test_labels_annotations_and_description_are_in_v2() -> None:
    """They have fields of their own there. Google's own labels and annotations cannot be set."""
    async with production() as (sim, client):
        service = (await client.get(SHOP)).json()
        service["metadata"]["labels"] |= {"team": "shop", "cloud.googleapis.com/location": "elsewhere"}
        service["metadata"]["annotations"] |= {"note": "live-message", "run.googleapis.com/description": "The shop"}
        answer = (await client.put(SHOP, json=service)).json()
        assert answer["metadata"]["labels"] == {"team": "shop", "cloud.googleapis.com/location": "us-central1"}
        v2 = await run_client(sim).get_service(name=SERVICE)
        assert (dict(v2.labels), dict(v2.annotations)) == ({"team": "shop"}, {"note": "live-message"})
        assert v2.description == "The shop"
        assert recorded(sim, "write")[-1]["update_mask"] == ["description", "labels", "annotations"]


@pytest.mark.parametrize(
    "traffic",
    [
        [{"revisionName": GOOD, "percent": 90}],
        [{"revisionName": GOOD, "percent": 101}, {"latestRevision": True, "percent": -1}],
        [{"percent": 100}],
        [{"revisionName": GOOD, "latestRevision": True, "percent": 100}],
        [{"configurationName": "vintstreet", "latestRevision": True, "percent": 100}],
        [{"revisionName": GOOD, "percent": "100"}],
        [{"revisionName": GOOD, "percent": True}],
        [{"revision": GOOD, "percent": 100}],
        [{"revisionName": GOOD, "percent": 50, "tag": "a"}, {"latestRevision": True, "percent": 50, "tag": "a"}],
        ["all"],
    ],
)
async def test_impossible_traffic_is_refused_before_anything_changes(traffic: list[Any]) -> None:
    """The error is an invalid argument, and the event log has a refused write."""
    async with production() as (sim, client):
        generation = sim.world.service.state.generation
        refused(await send(client, traffic), 400, "INVALID_ARGUMENT")
        assert sim.world.service.state.generation == generation
        assert recorded(sim, "write")[0]["result"].startswith("refused: INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Route"},
        {"apiVersion": "v1"},
        {"extra": {}},
        {"metadata": []},
        {"metadata": {"name": "other"}},
        {"metadata": {"name": 3}},
        {"metadata": {"name": "vintstreet"}},
        {"metadata": {"name": "vintstreet", "namespace": "vintstreet-prod", "labels": {"a": 1}}},
        {"spec": {"template": {"spec": {"containers": "none"}}}},
        {"spec": {"template": {"metadata": {"name": "x"}, "spec": {"containers": [{"image": "shop:43"}]}}}},
    ],
)
async def test_a_body_that_is_not_this_service_is_refused(change: dict[str, Any]) -> None:
    """It must be this service in Knative's format."""
    async with production() as (sim, client):
        sent = (await client.get(SHOP)).json() | change
        refused(await client.put(SHOP, json=sent), 400, "INVALID_ARGUMENT")
        for body in (b"", b"nonsense", b"[]", b" " * (MAX_BODY + 1)):
            refused(await client.put(SHOP, content=body), 400, "INVALID_ARGUMENT")
        assert sim.world.serving() == {BAD: 100}

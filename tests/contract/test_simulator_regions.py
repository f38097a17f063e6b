"""A simulated production in two regions: each has its own service, which serves its share of the users."""

# ruff: noqa: ANN401 - the vendors' answers can be anything

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
from google.api_core import exceptions as google_errors
from google.cloud import run_v2
from google.cloud.run_v2.services.revisions.transports import RevisionsGrpcAsyncIOTransport
from ruamel.yaml import YAML

from allclear.domain.errors import ConfigError
from allclear.simulator.scenario import Production, load_scenario
from allclear.vendors.cloud_logging import CloudLogs
from allclear.vendors.cloud_monitoring import CloudMetrics
from tests.contract.actions_support import PatientRollback, carried_out, production
from tests.contract.cloud_run_v1_support import NAMESPACE
from tests.contract.discovery_support import described_client
from tests.contract.simulator_support import (
    BAD,
    DRILLS,
    GOOD,
    LOCATION,
    REPOSITORY,
    SERVICE,
    Simulated,
    all_to,
    control,
    fault,
    quick,
    recorded,
    run_client,
)
from tests.patience import until

EUROPE, SHOP = "europe-west1", "vintstreet-eu"
THERE = f"projects/vintstreet-prod/locations/{EUROPE}"
IN_EUROPE = f"{THERE}/services/{SHOP}"
OLD_EU, GOOD_EU, BAD_EU = f"{SHOP}-00011-lom", f"{SHOP}-00012-sar", f"{SHOP}-00013-tun"
BOTH = {"cloud_run": {"us-central1": "vintstreet", EUROPE: SHOP}}


def documented() -> list[dict[str, Any]]:
    """Return the services that docs/reference/simulator.md describes."""
    page = (REPOSITORY / "docs" / "reference" / "simulator.md").read_text(encoding="utf-8")
    [snippet] = re.findall(r"```yaml\n(other_services:.*?)```", page, flags=re.DOTALL)
    yaml: Any = YAML(typ="safe", pure=True)
    return yaml.load(snippet)["other_services"]


def written(folder: Path, **changes: Any) -> Path:
    """Write VintStreet's drill with these changes to its production, and return the path."""
    yaml: Any = YAML(typ="safe", pure=True)
    drill = yaml.load((DRILLS / "payment-processing-down.yaml").read_text(encoding="utf-8"))
    drill["production"] |= changes
    text = StringIO()
    yaml.dump(drill, text)
    path = folder / "two-regions.yaml"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


@pytest.fixture
def both(tmp_path: Path) -> Production:
    """VintStreet's shop in two regions, as in the documentation, with short times."""
    others = load_scenario(written(tmp_path, other_services=documented())).other_services
    return quick(other_services=others, metrics_lag=timedelta(0))


async def visited(sim: Simulated, requests: int = 100, path: str = "/api/checkout") -> Counter[tuple[str, bool]]:
    """Return how often each region answered, and whether it failed."""
    async with httpx.AsyncClient(base_url=sim.endpoints["storefront"]) as client:
        answers = [await client.get(path) for _ in range(requests)]
    return Counter((answer.headers["x-region"], answer.status_code >= 500) for answer in answers)


async def logged(sim: Simulated, region: str) -> list[str]:
    """Return the names of the services that the audit log says were changed in that region, one for each entry."""
    asked = {"resourceNames": ["projects/vintstreet-prod"], "filter": f'resource.labels.location="{region}"'}
    async with httpx.AsyncClient(base_url=sim.endpoints["cloud_logging"]) as http:
        entries = (await http.post("/v2/entries:list", json=asked)).json()["entries"]
    return [entry["protoPayload"]["resourceName"].rpartition("/")[2] for entry in entries]


def revisions_client(sim: Simulated) -> run_v2.RevisionsAsyncClient:
    """Return Google's own client of revisions, over gRPC."""
    channel = grpc.aio.insecure_channel(sim.endpoints["cloud_run_grpc"])
    sim.clients.push_async_callback(channel.close)
    return run_v2.RevisionsAsyncClient(transport=RevisionsGrpcAsyncIOTransport(channel=channel))


def to_good_eu(etag: str = "") -> run_v2.UpdateServiceRequest:
    """Return a rollback in Europe."""
    request = all_to(GOOD_EU, etag)
    request.service.name = IN_EUROPE
    del request.service.traffic[1:]
    return request


# --- users -------------------------------------------------------------------------------------------


def only_europe_breaks(both: Production, **users: float) -> Production:
    """Return the production with failures only in Europe, and with this number of users."""
    return both.model_copy(update={"outbreak": None, "users": both.users.model_copy(update=users)})


async def test_users_arrive_by_share_and_only_those_of_a_broken_region_fail(both: Production) -> None:
    """Only Europe is broken: seven of ten users are served well, and all failures are among the other three."""
    async with Simulated(only_europe_breaks(both)) as sim:
        await until(lambda: sum(sim.world.users.totals.values()) > 300)
        regions = (await control(sim, "GET", "/state"))["users"]["regions"]
        [started] = recorded(sim, "errors_started")
    came = {region: sum(counts.values()) for region, counts in regions.items()}
    assert came[EUROPE] / sum(came.values()) == pytest.approx(0.3, abs=0.02)
    assert regions["us-central1"]["failed"] == 0
    assert regions[EUROPE]["failed"] > 0
    assert (started["region"], started["revision"]) == (EUROPE, BAD_EU)


async def test_requests_to_the_shop_s_address_reach_the_regions_by_share(both: Production) -> None:
    """Thirty of a hundred checkouts reach Europe, and six of ten of those fail."""
    async with Simulated(only_europe_breaks(both, per_second=0.0)) as sim:
        seen = await visited(sim)
    assert seen["us-central1", False] == pytest.approx(70, abs=2)
    assert seen["us-central1", True] == 0
    assert seen[EUROPE, True] == pytest.approx(18, abs=3)


async def test_a_split_within_a_region_is_a_split_of_its_own_users(both: Production) -> None:
    """Half of Europe's users reach each revision, because region and revision are drawn independently."""
    async with Simulated(only_europe_breaks(both, per_second=0.0)) as sim:
        split = [{"revision": OLD_EU, "percent": 50}, {"revision": GOOD_EU, "percent": 50}]
        await control(sim, "POST", "/traffic", {"region": EUROPE, "traffic": split})
        async with httpx.AsyncClient(base_url=sim.endpoints["storefront"]) as client:
            served = Counter([(await client.get("/")).headers["x-revision"] for _ in range(100)])
    assert served[OLD_EU] == pytest.approx(15, abs=2)
    assert served[GOOD_EU] == pytest.approx(15, abs=2)


async def test_errors_stop_when_the_last_broken_region_is_rolled_back(both: Production) -> None:
    """Our action rolls back one region at a time, each to the revision that answered its own requests."""
    async with production(both, **BOTH) as (sim, context):
        await until(lambda: recorded(sim, "errors_started"))
        first = await carried_out(PatientRollback(context), service="storefront", region="us-central1")
        assert f"{GOOD} was chosen because it answered" in first.change.risk
        seen = await visited(sim)
        assert seen["us-central1", True] == 0
        assert seen[EUROPE, True] > 0
        assert not recorded(sim, "errors_stopped")
        second = await carried_out(PatientRollback(context), service="storefront", region=EUROPE)
        assert f"{GOOD_EU} was chosen because it answered" in second.change.risk
        assert (await visited(sim))[EUROPE, True] == 0
        await until(lambda: recorded(sim, "errors_stopped"))
        assert [site.serving() for site in sim.world.regional_services] == [{GOOD: 100}, {GOOD_EU: 100}]


async def test_each_service_answers_at_its_own_address(both: Production) -> None:
    """A request to a region's own address is served by that region only."""
    async with Simulated(both) as sim:
        for name, revision in ((SERVICE, BAD), (IN_EUROPE, BAD_EU)):
            address = (await run_client(sim).get_service(name=name)).uri
            async with httpx.AsyncClient(base_url=address) as client:
                assert {(await client.get("/")).headers["x-revision"] for _ in range(10)} == {revision}


# --- what every interface shows ------------------------------------------------------------------------


async def test_v2_lists_one_region_at_a_time(both: Production) -> None:
    """Both gRPC and REST need the region; REST is checked against Google's description."""
    async with Simulated(both) as sim, described_client(sim.endpoints["cloud_run"], "run.v2") as client:
        run = run_client(sim)
        for place, name in ((LOCATION, SERVICE), (THERE, IN_EUROPE)):
            assert [service.name async for service in await run.list_services(parent=place)] == [name]
            [shown] = (await client.get(f"/v2/{place}/services", params={"pageSize": 1})).json()["services"]
            assert shown["name"] == name
        assert (await client.get("/v2/projects/vintstreet-prod/locations/asia-east1/services")).json() == {}
        with pytest.raises(google_errors.InvalidArgument):
            await run.list_services(parent="projects/vintstreet-prod/locations/-")
        names = [
            revision.name async for revision in await revisions_client(sim).list_revisions(parent=f"{THERE}/services/-")
        ]
        assert names == [f"{IN_EUROPE}/revisions/{name}" for name in (BAD_EU, GOOD_EU, OLD_EU)]
        with pytest.raises(google_errors.NotFound):
            await revisions_client(sim).get_revision(name=f"{SERVICE}/revisions/{GOOD_EU}")


async def test_v1_selects_a_region_by_host_or_location_and_can_list_all(both: Production) -> None:
    """As for gcloud, a region's own host selects it, and location `-` lists the services of every region."""
    async with Simulated(both) as sim:
        host = sim.endpoints["cloud_run"].removeprefix("http://")
        regional = {"host": f"{EUROPE}-run.sim.test"}
        async with described_client(f"http://{host}", "run.v1") as client:

            async def names(path: str, **more: Any) -> list[str]:
                return [one["metadata"]["name"] for one in (await client.get(path, **more)).json()["items"]]

            assert await names(f"{NAMESPACE}/services") == ["vintstreet"]
            assert await names(f"{NAMESPACE}/services", headers=regional) == [SHOP]
            assert await names(f"/v1/{THERE}/services") == [SHOP]
            assert await names("/v1/projects/vintstreet-prod/locations/-/services") == ["vintstreet", SHOP]
            assert await names(f"{NAMESPACE}/revisions", headers=regional) == [BAD_EU, GOOD_EU, OLD_EU]
            selected = {"labelSelector": f"serving.knative.dev/service={SHOP}"}
            assert await names("/v1/projects/vintstreet-prod/locations/-/revisions", params=selected) == [
                BAD_EU,
                GOOD_EU,
                OLD_EU,
            ]
            service = (await client.get(f"{NAMESPACE}/services/{SHOP}", headers=regional)).json()
            assert service["metadata"]["labels"]["cloud.googleapis.com/location"] == EUROPE
            assert (await client.get(f"{NAMESPACE}/services/{SHOP}")).status_code == 404
            assert (await client.get(f"{NAMESPACE}/revisions/{GOOD_EU}")).status_code == 404
            service["spec"]["traffic"] = [{"revisionName": GOOD_EU, "percent": 100}]
            assert (await client.put(f"{NAMESPACE}/services/{SHOP}", json=service, headers=regional)).is_success
            await until(lambda: recorded(sim, "operation_finished", region=EUROPE))
        assert [site.serving() for site in sim.world.regional_services] == [{BAD: 100}, {GOOD_EU: 100}]


async def test_an_update_and_its_operation_are_in_one_region(both: Production) -> None:
    """The other region keeps its etag and does not know the operation. The event log names the region."""
    async with Simulated(both) as sim, httpx.AsyncClient(base_url=sim.endpoints["cloud_run"]) as client:
        run = run_client(sim)
        before = (await run.get_service(name=SERVICE)).etag
        operation = await run.update_service(to_good_eu())
        name = operation.operation.name
        assert name.startswith(f"{THERE}/operations/")
        assert (await client.get(f"/v2/{name}")).is_success
        assert (await client.get(f"/v2/{name.replace(EUROPE, 'us-central1')}")).status_code == 404
        await operation.result(timeout=600)
        assert (await run.get_service(name=SERVICE)).etag == before
        assert [site.serving() for site in sim.world.regional_services] == [{BAD: 100}, {GOOD_EU: 100}]
        [write], [ended] = recorded(sim, "write"), recorded(sim, "operation_finished")
    assert (write["region"], write["service"]) == (EUROPE, IN_EUROPE)
    assert (ended["region"], ended["service"]) == (EUROPE, SHOP)


async def test_each_region_has_its_own_metrics_and_audit_log(both: Production) -> None:
    """Three of ten past requests went to Europe, and each region's log has its own deployments."""
    async with production(both, **BOTH) as (sim, context):
        now = datetime.now(UTC)
        yesterday = now - timedelta(days=1)
        places = ("us-central1", "vintstreet"), (EUROPE, SHOP)
        counts = [
            await context.client(CloudMetrics).requests(
                "vintstreet-prod", *place, until=yesterday, window=timedelta(hours=1)
            )
            for place in places
        ]
        assert [one.keys() for one in counts] == [{GOOD}, {GOOD_EU}]
        totals = counts[0][GOOD].total, counts[1][GOOD_EU].total
        assert totals == pytest.approx([both.users.per_second * 3600 * share for share in (0.7, 0.3)])
        logs = [await logged(sim, region) for region, _name in places]
        await control(sim, "POST", "/deploy", {"region": EUROPE, "revision": f"{SHOP}-00014-fix"})
        later = [await logged(sim, region) for region, _name in places]
        moves = [await context.client(CloudLogs).traffic_moves("vintstreet-prod", *place, now=now) for place in places]
    assert [set(one) for one in logs] == [{"vintstreet"}, {SHOP}]
    assert [len(after) - len(before) for before, after in zip(logs, later, strict=True)] == [0, 1]
    assert all(moves)
    assert all(name.startswith(SHOP) for move in moves[1] for name in move.serving)


# --- the control, faults, and what is refused ---------------------------------------------------------


async def test_the_control_changes_the_region_that_is_named(both: Production) -> None:
    """Without a region it changes the first service. An unknown region is refused with the list of regions."""
    async with Simulated(both) as sim:
        fix = {"region": EUROPE, "revision": f"{SHOP}-00014-fix"}
        assert (await control(sim, "POST", "/deploy", fix))["serving"] == {f"{SHOP}-00014-fix": 100}
        to_good = {"traffic": [{"revision": GOOD, "percent": 100}]}
        assert (await control(sim, "POST", "/traffic", to_good))["region"] == "us-central1"
        state = await control(sim, "GET", "/state")
        assert state["serving"] == {GOOD: 100}
        assert state["other_services"][0]["serving"] == {f"{SHOP}-00014-fix": 100}
        assert [one["region"] for one in recorded(sim, "deployed")] == ["us-central1", EUROPE, EUROPE]
        assert [one["region"] for one in recorded(sim, "traffic_changed")] == ["us-central1"]
        async with httpx.AsyncClient(base_url=sim.control) as client:
            refusal = await client.post("/traffic", json={"region": "asia-east1", **to_good})
            elsewhere = await client.post("/traffic", json={"region": EUROPE, **to_good})
    assert (refusal.status_code, elsewhere.status_code) == (422, 422)
    assert "there is vintstreet in us-central1, vintstreet-eu in europe-west1" in refusal.json()["error"]


async def test_a_fault_in_one_region_does_not_affect_another(both: Production) -> None:
    """Europe's Cloud Run fails in v1 and over both transports of v2, and the other region answers."""
    async with Simulated(both) as sim, httpx.AsyncClient(base_url=sim.endpoints["cloud_run"]) as http:
        await fault(sim, "cloud_run", "GetService", "unavailable", region=EUROPE, times=1000)
        assert (await run_client(sim).get_service(name=SERVICE, timeout=600)).etag
        with pytest.raises(google_errors.ServiceUnavailable):
            await run_client(sim).get_service(name=IN_EUROPE, retry=None)
        assert [(await http.get(f"/v2/{one}")).status_code for one in (SERVICE, IN_EUROPE)] == [200, 503]
        assert [(await http.get(f"/v1/{one}")).status_code for one in (SERVICE, IN_EUROPE)] == [200, 503]
        answer = await http.post(f"{sim.control}/faults", json={"api": "slack", "kind": "slow", "region": EUROPE})
    assert answer.status_code == 422


async def test_the_fault_of_a_stale_etag_changes_the_service_that_is_written(both: Production) -> None:
    """The etag that was read is stale, and that of the other region is not."""
    async with Simulated(both) as sim:
        run = run_client(sim)
        etag, other = [(await run.get_service(name=name)).etag for name in (IN_EUROPE, SERVICE)]
        await fault(sim, "cloud_run", "UpdateService", "stale_etag")
        with pytest.raises(google_errors.Aborted):
            await run.update_service(to_good_eu(etag))
        assert (await run.get_service(name=IN_EUROPE)).etag != etag
        assert (await run.get_service(name=SERVICE)).etag == other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 101}, "share"),
        ({"region": "us-central1", "service": "vintstreet"}, "Cloud Run has 'us-central1/vintstreet' twice"),
        ({"region": "nowhere"}, "region"),
        ({"traffic": [{"revision": "latest", "percent": 50}]}, "other_services[0].traffic must add up to 100"),
        ({"breaks_with": {"name": GOOD_EU}}, "other_services[0].revisions (with other_services[0].breaks_with) has"),
        ({"breaks_with": {"name": BAD_EU, "faults": [{"path": "/none"}]}}, "has a fault on /none, not under pages"),
        ({"history": [{"ago": "9d", "serving": {GOOD: 100}}]}, f"other_services[0].history names '{GOOD}'"),
    ],
)
def test_an_invalid_service_among_the_others_is_one_clear_error(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """It names the service and the mistake."""
    others = documented()
    others[0] |= change
    with pytest.raises(ConfigError) as caught:
        load_scenario(written(tmp_path, other_services=others))
    assert message in caught.value.message


def test_shares_add_up_to_at_most_100_and_exclude_vercel(tmp_path: Path) -> None:
    """More than all users cannot be sent to other regions. A project on Vercel has one production."""
    europe = documented()[0] | {"share": 60}
    asia = europe | {"region": "asia-east1"}
    with pytest.raises(ConfigError, match="more than 100 percent, and they are 120"):
        load_scenario(written(tmp_path, other_services=[europe, asia]))
    vercel = {"project": "shop", "domain": "shop.test"}
    with pytest.raises(ConfigError, match="cannot stand beside vercel"):
        load_scenario(written(tmp_path, other_services=[europe], vercel=vercel))

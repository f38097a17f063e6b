"""The simulated Cloud Monitoring and Cloud Logging: their data follow from the events of the simulation."""

# ruff: noqa: ANN401 - JSON can be anything

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import Denied, Unreachable
from allclear.domain.traffic import TRAFFIC, Traffic
from allclear.simulator.apis.cloud_logging import PERMISSION as READ_LOGS
from allclear.simulator.apis.cloud_monitoring import PERMISSION as READ_METRICS
from allclear.simulator.scenario import Production
from allclear.simulator.scenario_schema import HistorySpec, TrafficSpec
from allclear.vendors.cloud_logging import CloudLogs
from allclear.vendors.cloud_monitoring import CloudMetrics
from tasks.cloud_run.location import CloudRunParams
from tasks.cloud_run.user_requests import UserRequests
from tests.contract.actions_support import PatientRevisions, PatientRollback, SimulatedContext, carried_out, production
from tests.contract.discovery_support import description
from tests.contract.simulator_support import BAD, GOOD, NOT_READY, Simulated, all_to, control, fault, quick, run_client

PLACE = ("vintstreet-prod", "us-central1", "vintstreet")
HOUR = timedelta(hours=1)
QUERY = 'sum by (revision_name) (increase(run_googleapis_com:request_count{service_name="vintstreet"}[1h]))'
KIP = "vintstreet-00040-kip"


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


async def posted(sim: Simulated, api: str, path: str, **more: Any) -> httpx.Response:
    """Return the answer of an API to a POST."""
    async with httpx.AsyncClient(base_url=sim.endpoints[api]) as http:
        return await http.post(path, **more)


async def queried(sim: Simulated, **fields: str) -> httpx.Response:
    """Return the answer to a query in a form, as Prometheus accepts it."""
    path = "/v1/projects/vintstreet-prod/location/global/prometheus/api/v1/query"
    return await posted(sim, "cloud_monitoring", path, data=fields)


async def listed(sim: Simulated, **fields: Any) -> httpx.Response:
    """Return the answer to a request for log entries."""
    return await posted(
        sim, "cloud_logging", "/v2/entries:list", json={"resourceNames": ["projects/vintstreet-prod"], **fields}
    )


async def counted(context: SimulatedContext, until: datetime, window: timedelta = HOUR) -> dict[str, int]:
    """Return the requests by revision, as our client reads them."""
    found = await context.client(CloudMetrics).requests(*PLACE, until=until, window=window)
    return {name: count.total for name, count in found.items()}


# --- metrics -----------------------------------------------------------------------------------------


async def test_past_requests_are_counted_for_the_revisions_of_the_history() -> None:
    """There were 40 users a second in the hour before, of which three minutes are not visible yet."""
    users = quick("healthy").users.model_copy(update={"per_second": 40.0})
    async with production(quick("healthy", users=users)) as (sim, context):
        began = sim.world.clock()
        recent = await counted(context, began)
        assert recent.keys() == {GOOD}
        assert recent[GOOD] == pytest.approx(40 * 57 * 60, abs=200)
        assert await counted(context, began - timedelta(days=4)) == {KIP: 40 * 3600}
        split = await counted(context, began - timedelta(days=3) + HOUR / 2)
        assert split == {KIP: pytest.approx(72_000, abs=200), GOOD: pytest.approx(72_000, abs=200)}


async def test_requests_are_counted_by_revision_and_status() -> None:
    """The counts are those of the shop, with its failures."""
    scenario = quick(metrics_lag=timedelta(0))
    async with production(scenario) as (sim, context):
        users = sim.world.users.totals
        for _ in range(400):
            sim.world.shop.visit("GET", "/api/checkout")
        found = await context.client(CloudMetrics).requests(*PLACE, until=now() + timedelta(minutes=1), window=HOUR)
        assert found[BAD].total >= 400
        assert found[BAD].failed == pytest.approx(240 + users["failed"], abs=25)


async def test_the_answer_is_an_instant_vector_of_prometheus() -> None:
    """A form and JSON get the same answer. A value is a pair of a time and a text."""
    async with Simulated(quick("healthy")) as sim:
        at = "2026-11-20T02:55:00+00:00"
        by_form = await queried(sim, query=QUERY, time=at)
        path = "/v1/projects/vintstreet-prod/location/global/prometheus/api/v1/query"
        by_json = await posted(sim, "cloud_monitoring", path, json={"query": QUERY, "time": at})
        recent = (await queried(sim, query=QUERY)).json()
    assert by_form.json() == by_json.json()
    assert recent["status"] == "success"
    [series] = recent["data"]["result"]
    assert recent["data"]["resultType"] == "vector"
    assert series["metric"] == {"revision_name": GOOD}
    assert isinstance(series["value"][0], float)
    assert isinstance(series["value"][1], str)


async def test_the_path_and_the_fields_are_in_googles_description() -> None:
    """The discovery document has the path and the fields of our client's request."""
    monitoring = description("monitoring.v1")
    method = monitoring.method("POST", "/v1/projects/vintstreet-prod/location/global/prometheus/api/v1/query")
    sent = {"query": QUERY, "time": "1763607300"}
    assert monitoring.problems(method["request"]["$ref"], sent) == []
    method = monitoring.method("POST", "/v1/projects/vintstreet-prod/location/global/prometheus/api/v1/query_range")
    sent = {"query": QUERY, "start": "1763607300", "end": "2026-11-20T02:55:00+00:00", "step": "60s"}
    assert monitoring.problems(method["request"]["$ref"], sent) == []


async def test_a_range_adds_up_to_what_one_query_counts() -> None:
    """Our client reads each minute of the hour before, and together they are the hour."""
    async with production() as (sim, context):
        end = now() - timedelta(minutes=1)
        spans = await context.client(CloudMetrics).requests_over_time(
            *PLACE, start=end - HOUR, end=end, step=timedelta(minutes=1)
        )
        whole = await counted(context, end)
        empty = await posted(
            sim,
            "cloud_monitoring",
            "/v1/projects/vintstreet-prod/location/global/prometheus/api/v1/query_range",
            data={"query": QUERY.replace("vintstreet", "other"), "start": "0", "end": "120", "step": "60"},
        )
    assert len(spans) == 60
    assert sum(span.total for span in spans) == sum(whole.values()) > 0
    assert empty.json() == {"status": "success", "data": {"resultType": "matrix", "result": []}}


@pytest.mark.parametrize(
    "changes", [{"step": "0"}, {"step": "soon"}, {"end": "0"}, {"start": "now"}, {"step": "1", "start": "1"}]
)
async def test_a_range_that_cannot_be_evaluated_is_refused(changes: dict[str, str]) -> None:
    """No step, a step of nothing, an end before the start, and too many points."""
    fields = {"query": QUERY, "start": "1763607300", "end": "1763610900", "step": "60s"} | changes
    path = "/v1/projects/vintstreet-prod/location/global/prometheus/api/v1/query_range"
    async with Simulated(quick("healthy")) as sim:
        answer = await posted(sim, "cloud_monitoring", path, data=fields)
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")


async def test_users_requests_are_counted_from_before_the_beginning() -> None:
    """The probe finds the requests of the users, and says where the numbers come from."""
    async with production() as (_, context):
        finding = await UserRequests(context).check(CloudRunParams(service="storefront"))
    traffic = Traffic.model_validate(finding.facts[TRAFFIC])
    assert finding.verdict is Verdict.SUCCESS
    assert traffic.source == "Cloud Monitoring"
    assert traffic.total > 0
    assert "requests from users to the service failed" in finding.sentence


async def test_requests_that_may_not_be_counted_are_inconclusive() -> None:
    """A missing permission stops nothing, and says what is missing."""
    async with production() as (sim, context):
        await fault(sim, "cloud_monitoring", "query_range", "permission_denied", times=3)
        finding = await UserRequests(context).check(CloudRunParams(service="storefront"))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.facts == {}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("up", 400),
        (QUERY.replace('"}', '" or}'), 400),
        (QUERY.replace("service_name=", "service_name=~").replace("vintstreet", "["), 400),
        (QUERY.replace("vintstreet", "other"), 200),
        (QUERY.replace("request_count", "request_latencies"), 200),
    ],
)
async def test_an_invalid_query_is_refused_and_one_without_data_is_empty(query: str, status: int) -> None:
    """An error has Prometheus's format, and no data is an empty vector."""
    async with Simulated(quick("healthy")) as sim:
        answer = await queried(sim, query=query)
    assert answer.status_code == status
    told = answer.json()
    assert told["errorType"] == "bad_data" if status == 400 else told["data"]["result"] == []


# --- logs --------------------------------------------------------------------------------------------


async def test_the_log_has_the_history_and_every_write_through_any_api() -> None:
    """Four past entries, an engineer's deployment and our update are there, each with its principal."""
    async with Simulated(quick()) as sim:
        await run_client(sim).update_service(all_to(GOOD))
        await control(sim, "POST", "/traffic", {"traffic": [{"revision": KIP, "percent": 100}]})
        answer = (await listed(sim)).json()
    found = description("logging.v2").problems("ListLogEntriesResponse", answer)
    # The audit log's own type belongs to no interface that has a description.
    assert [one for one in found if "google.cloud.audit.AuditLog" not in one] == []
    told = [
        (
            entry["protoPayload"]["methodName"].split(".", 3)[3],
            entry["protoPayload"]["authenticationInfo"]["principalEmail"].split("@")[0],
        )
        for entry in answer["entries"]
    ]
    manual = ("v1.Services.ReplaceService", "engineer")
    assert told == [
        *[("v1.Services.ReplaceService", "deployer")] * 4,
        manual,
        ("v2.Services.UpdateService", "allclear"),
        manual,
    ]


async def test_our_client_reads_which_revision_served_until_each_write() -> None:
    """It reads both kinds of entries. The revision that never started served no user."""
    async with production() as (sim, context):
        await run_client(sim).update_service(all_to(GOOD))
        moves = await context.client(CloudLogs).traffic_moves(*PLACE, now=now())
    assert [move.serving for move in moves] == [
        {},
        {"vintstreet-00039-dex": 100},
        {KIP: 100},
        {GOOD: 100},
        {GOOD: 100},
        {BAD: 100},
    ][1:]
    assert moves[-1].requested == {GOOD: 100}
    assert NOT_READY not in str(moves)


async def test_a_dry_run_leaves_no_entry() -> None:
    """`validate_only` changes nothing, and is not logged as a change."""
    async with Simulated(quick()) as sim:
        before = len((await listed(sim)).json()["entries"])
        await run_client(sim).update_service(all_to(GOOD, validate_only=True))
        assert len((await listed(sim)).json()["entries"]) == before


async def test_entries_are_paged_ordered_and_filtered() -> None:
    """The newest is first, a page has two, and only entries that match the filter are listed."""
    async with Simulated(quick()) as sim:
        every = (await listed(sim)).json()["entries"]
        first = (await listed(sim, orderBy="timestamp desc", pageSize=2)).json()
        token = first["nextPageToken"]
        second = (await listed(sim, orderBy="timestamp desc", pageSize=2, pageToken=token)).json()
        method = every[0]["protoPayload"]["methodName"]
        since = f'timestamp>="{every[2]["timestamp"]}"\nprotoPayload.methodName=("x" OR "{method}")'
        recent = (await listed(sim, filter=since)).json()["entries"]
        nothing = (await listed(sim, filter='resource.labels.service_name="other"')).json()
    assert first["entries"] + second["entries"] == every[::-1][:4]
    assert recent == every[2:]
    assert nothing == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"resourceNames": []},
        {"orderBy": "severity"},
        {"pageSize": -1},
        {"pageToken": "x"},
        {"filter": "a b"},
        {"filter": 'timestamp>="yesterday"'},
    ],
)
async def test_an_invalid_request_has_googles_error(wrong: dict[str, Any]) -> None:
    """It is 400 INVALID_ARGUMENT with a sentence."""
    async with Simulated(quick("healthy")) as sim:
        answer = await listed(sim, **wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


async def test_a_missing_permission_is_denied() -> None:
    """Both APIs name the permission."""
    allowed = [one for one in quick().permissions if one not in (READ_LOGS, READ_METRICS)]
    async with production(quick(permissions=allowed)) as (_, context):
        with pytest.raises(Denied, match=READ_METRICS):
            await counted(context, now())
        with pytest.raises(Denied, match=READ_LOGS):
            await context.client(CloudLogs).traffic_moves(*PLACE, now=now())


async def test_both_apis_can_have_faults() -> None:
    """A fault that outlasts the client's retries is raised."""
    async with production() as (sim, context):
        await fault(sim, "cloud_monitoring", "query", "unavailable", times=3)
        await fault(sim, "cloud_logging", "entries.list", "unavailable", times=3)
        with pytest.raises(Unreachable):
            await counted(context, now())
        with pytest.raises(Unreachable):
            await context.client(CloudLogs).traffic_moves(*PLACE, now=now())


# --- a rollback that is decided by them ----------------------------------------------------------------


def pinned(*history: HistorySpec) -> Production:
    """Return a production with traffic pinned to 40 while the newer 41 is ready. It breaks on command."""
    to_kip = [TrafficSpec(revision=KIP, percent=100)]
    return quick(traffic=to_kip, history=list(history), breaks_after=None)


async def release(sim: Simulated) -> None:
    """Send users to the latest revision again, and deploy 42 at once."""
    await control(sim, "POST", "/traffic", {"traffic": [{"revision": "latest", "percent": 100}]})
    await control(sim, "POST", "/break")
    assert sim.world.serving() == {BAD: 100}


async def test_a_rollback_goes_to_the_revision_that_answered_before_and_not_to_a_newer_one() -> None:
    """41 was a canary: it is ready and newer, and had no users for days."""
    async with production(pinned(HistorySpec(ago="9d", serving={KIP: 100}, by_name=True))) as (sim, context):
        await release(sim)
        done = await carried_out(PatientRollback(context), service="storefront")
        assert sim.world.serving() == {KIP: 100}
    assert f"{KIP} was chosen because it answered" in done.change.risk
    assert "Against it" not in done.change.risk
    assert done.change.before.past.evidence
    assert done.change.after.past.evidence == ()


async def test_without_metrics_the_audit_log_decides() -> None:
    """The approver sees which evidence source did not answer, and why."""
    async with production() as (sim, context):
        await fault(sim, "cloud_monitoring", "query", "permission_denied")
        done = await carried_out(PatientRollback(context), service="storefront")
        assert sim.world.serving() == {GOOD: 100}
    assert "by the audit log" in done.change.risk
    assert (
        "No evidence of which revision answered requests before (Cloud Monitoring does not allow our key"
        in done.change.risk
    )


async def test_a_rollback_does_not_go_to_a_revision_that_was_rolled_back_before() -> None:
    """Three days ago 41 was bad for seven minutes and traffic went back to 40. From 42 it goes to 40, too."""
    history = [
        HistorySpec(ago="9d", serving={KIP: 100}),
        HistorySpec(ago="4320m", serving={GOOD: 100}),
        HistorySpec(ago="4313m", serving={KIP: 100}, by_name=True),
    ]
    async with production(pinned(*history)) as (sim, context):
        await release(sim)
        await fault(sim, "cloud_monitoring", "query", "permission_denied", times=2)
        finding = await PatientRevisions(context).check(CloudRunParams(service="storefront"))
        done = await carried_out(PatientRollback(context), service="storefront")
        assert sim.world.serving() == {KIP: 100}
    assert finding.facts["previous"] == KIP
    assert "by the audit log" in done.change.risk


async def test_the_probe_names_the_candidates_without_evidence() -> None:
    """No evidence source answers, so the probe chooses none of them."""
    async with production() as (sim, context):
        await fault(sim, "cloud_monitoring", "query", "permission_denied")
        await fault(sim, "cloud_logging", "entries.list", "permission_denied")
        finding = await PatientRevisions(context).check(CloudRunParams(service="storefront"))
    assert finding.facts["previous"] is None
    assert f"it could be {GOOD}, {KIP}" in finding.sentence

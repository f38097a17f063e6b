"""The requests to Cloud Monitoring and Cloud Logging, and how their answers are read; shapes as Google has them."""

# ruff: noqa: ANN401 - JSON can be anything

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import RefreshError

from allclear.domain.errors import ConfigError, Denied, Unreachable
from allclear.domain.systems import Access
from allclear.vendors.cloud_logging import CloudLogs, move_of
from allclear.vendors.cloud_monitoring import CloudMetrics, RequestCount
from allclear.vendors.google_http import GoogleOptions, token_for
from tests.unit.fakes_http import FakeVendor, Pauses

NOW = datetime(2026, 11, 20, 2, 55, tzinfo=UTC)
CANARY = "ya29.canary-of-a-token"
PLACE = ("vintstreet-prod", "us-central1", "shop")


def metrics(vendor: FakeVendor) -> CloudMetrics:
    """Return a client that signs in with the canary."""
    return CloudMetrics("https://monitoring.test", GoogleOptions(), lambda: CANARY, vendor, Pauses())


def logs(vendor: FakeVendor) -> CloudLogs:
    """Return a client that signs in with the canary."""
    return CloudLogs("https://logging.test", GoogleOptions(), lambda: CANARY, vendor, Pauses())


async def counts(vendor: FakeVendor) -> dict[str, RequestCount]:
    """Return what the client reads from the vendor's answer."""
    client = metrics(vendor)
    try:
        return await client.requests(*PLACE, until=NOW, window=timedelta(hours=1))
    finally:
        await client.close()


def series(revision: str, klass: str, value: str) -> dict[str, Any]:
    """Return one series of an instant vector, as Prometheus spells it."""
    return {"metric": {"revision_name": revision, "response_code_class": klass}, "value": [1763607300, value]}


def vector(*result: dict[str, Any]) -> httpx.Response:
    """Return a good answer."""
    return httpx.Response(200, json={"status": "success", "data": {"resultType": "vector", "result": list(result)}})


async def test_requests_and_failures_are_summed_by_revision() -> None:
    """Extrapolated counts are rounded, a NaN is nothing, and 5xx are the failed ones."""
    answer = vector(
        series("b", "2xx", "17988.4"), series("b", "5xx", "12"), series("a", "4xx", "3"), series("c", "2xx", "NaN")
    )
    found = await counts(FakeVendor(answer))
    assert found == {"b": RequestCount(total=18_000, failed=12), "a": RequestCount(total=3)}


async def test_the_query_names_the_service_the_region_and_the_hour_before() -> None:
    """PromQL in a form, at the moment of the onset, with the token in the header alone."""
    vendor = FakeVendor(vector())
    assert await counts(vendor) == {}
    [request] = vendor.requests
    assert str(request.url) == (
        "https://monitoring.test/v1/projects/vintstreet-prod/location/global/prometheus/api/v1/query"
    )
    form = {key: value[0] for key, value in parse_qs(request.content.decode()).items()}
    assert form == {
        "query": "sum by (revision_name, response_code_class) (increase(run_googleapis_com:request_count"
        '{monitored_resource="cloud_run_revision",service_name="shop",location="us-central1"}[3600s]))',
        "time": "2026-11-20T02:55:00+00:00",
    }
    assert request.headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"status": "success"}),
        httpx.Response(200, json={"status": "success", "data": {"result": [{"metric": {}, "value": [1, "2"]}]}}),
        httpx.Response(200, json=[1]),
        httpx.Response(200, text="<html>a proxy</html>"),
        vector(series("a", "2xx", "many")),
        vector(series("a", "2xx", "Inf")),
        vector({**series("a", "2xx", "5"), "value": [1763607300, True]}),
        vector(series("<!channel> all is well", "2xx", "5")),
        httpx.Response(200, json={"data": {"result": {}}}),
        httpx.Response(200, json={"data": {"result": [7]}}),
        httpx.Response(200, text="[" * 100_000),
    ],
)
async def test_an_answer_that_cannot_be_read_is_unreachable_not_a_crash(answer: httpx.Response) -> None:
    """A proxy's page or a changed shape is an error that says so."""
    with pytest.raises(Unreachable, match=r"cannot be read|as a proxy or a login page does"):
        await counts(FakeVendor(answer))


def matrix(*result: tuple[str, list[list[Any]]]) -> httpx.Response:
    """Return a good answer over a range of time: the class of the answers, and their numbers."""
    found = [{"metric": {"response_code_class": klass}, "values": values} for klass, values in result]
    return httpx.Response(200, json={"status": "success", "data": {"resultType": "matrix", "result": found}})


async def over_time(vendor: FakeVendor) -> list[RequestCount]:
    """Return what the client reads of three minutes."""
    client, minute = metrics(vendor), timedelta(minutes=1)
    try:
        return await client.requests_over_time(*PLACE, start=NOW - 3 * minute, end=NOW, step=minute)
    finally:
        await client.close()


async def test_requests_over_time_have_a_count_for_each_span() -> None:
    """A moment without data is a span without requests; 5xx are the failed ones."""
    last = int(NOW.timestamp())
    vendor = FakeVendor(matrix(("2xx", [[last - 120, "99.6"], [last, "50"]]), ("5xx", [[last, "7"]]), ("4xx", [])))
    assert await over_time(vendor) == [
        RequestCount(total=100),
        RequestCount(total=0),
        RequestCount(total=57, failed=7),
    ]
    [request] = vendor.requests
    assert str(request.url).endswith("/v1/projects/vintstreet-prod/location/global/prometheus/api/v1/query_range")
    form = {key: value[0] for key, value in parse_qs(request.content.decode()).items()}
    assert form["query"].startswith("sum by (response_code_class) (increase(run_googleapis_com:request_count{")
    assert form["query"].endswith("}[60s]))")
    assert (form["start"], form["end"], form["step"]) == (
        "2026-11-20T02:53:00+00:00",
        "2026-11-20T02:55:00+00:00",
        "60s",
    )


@pytest.mark.parametrize(
    "answer",
    [
        vector(series("a", "2xx", "5")),
        matrix(("2xx", [[0, "5"]])),
        matrix(("2xx", [["soon", "5"]])),
        matrix(("2xx", [[1763607300, 5]])),
        matrix(("2xx", [["NaN", "5"]])),
        httpx.Response(200, json={"data": {"result": {}}}),
    ],
)
async def test_a_range_that_cannot_be_read_is_unreachable_not_a_crash(answer: httpx.Response) -> None:
    """Another shape, or a moment that was not asked for."""
    with pytest.raises(Unreachable, match="cannot be read"):
        await over_time(FakeVendor(answer))


async def test_a_refusal_is_told_in_googles_sentence_and_without_our_token() -> None:
    """Even if the vendor echoes the token, no error and no repr contains it."""
    error = {"code": 403, "message": f"Permission denied for {CANARY}.", "status": "PERMISSION_DENIED"}
    vendor = FakeVendor(httpx.Response(403, json={"error": error}))
    with pytest.raises(Denied) as denied:
        await counts(vendor)
    assert "Permission denied for …" in denied.value.message
    assert CANARY not in f"{denied.value!r} {denied.value} {metrics(vendor)!r} {logs(vendor)!r}"


async def test_credentials_that_cannot_be_refreshed_are_denied() -> None:
    """Signing in may fail at 3 a.m.; that is an error of ours, without the library's text."""

    def fails() -> str:
        raise RefreshError(CANARY)

    client = CloudMetrics("https://monitoring.test", GoogleOptions(), fails, FakeVendor(vector()))
    with pytest.raises(Denied) as denied:
        await client.requests(*PLACE, until=NOW, window=timedelta(hours=1))
    assert "signing in failed (RefreshError)" in denied.value.message
    assert CANARY not in str(denied.value)


# --- the audit log -----------------------------------------------------------------------------------


OF_SHOP: dict[str, Any] = {"type": "cloud_run_revision", "labels": {"service_name": "shop", "location": "us-central1"}}


def v1_entry(**payload: Any) -> dict[str, Any]:
    """Return an entry as companies have published them: the answer's status is that of the generation before."""
    return {
        "resource": OF_SHOP,
        "timestamp": "2026-11-19T22:58:04.355675Z",
        "protoPayload": {
            "methodName": "google.cloud.run.v1.Services.ReplaceService",
            "request": {"service": {"spec": {"traffic": [{"latestRevision": True, "percent": 100}]}}},
            "response": {
                "metadata": {"generation": 23},
                "spec": {"traffic": [{"latestRevision": True, "percent": 100}]},
                "status": {
                    "observedGeneration": 22,
                    "latestReadyRevisionName": "shop-00022-rfg",
                    "traffic": [{"latestRevision": True, "percent": 100, "revisionName": "shop-00022-rfg"}],
                },
            },
            **payload,
        },
    }


def v2_entry(generation: str, observed: str) -> dict[str, Any]:
    """Return an entry of the v2 interface, as far as that is known: the request and the message Service."""
    path = "projects/p/locations/r/services/shop"
    named = {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "shop-00021-abc", "percent": 100}
    return {
        "resource": OF_SHOP,
        "timestamp": "2026-11-19T23:00:00Z",
        "protoPayload": {
            "methodName": "google.cloud.run.v2.Services.UpdateService",
            "request": {"service": {"name": path, "traffic": [named, {"revision": "shop-00001-mnt", "tag": "page"}]}},
            "response": {
                "generation": generation,
                "observedGeneration": observed,
                "latestReadyRevision": f"{path}/revisions/shop-00022-rfg",
                "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
            },
        },
    }


def test_a_v1_write_tells_which_revision_served_until_then() -> None:
    """Traffic for the latest revision was not requested by name; the status resolves it."""
    move = move_of(v1_entry())
    assert move is not None
    assert (move.requested, move.serving, move.settled) == ({}, {"shop-00022-rfg": 100}, False)


def test_a_v2_write_tells_the_requested_and_the_serving_traffic() -> None:
    """With equal generations the status is that of the time after the write."""
    before, after = move_of(v2_entry("24", "23")), move_of(v2_entry("24", "24"))
    assert before is not None
    assert after is not None
    assert before.requested == {"shop-00021-abc": 100}
    assert before.serving == {"shop-00022-rfg": 100}
    assert (before.settled, after.settled) == (False, True)


@pytest.mark.parametrize(
    "entry",
    [
        v1_entry(status={"code": 10, "message": "Conflict"}),
        v1_entry(request={"validateOnly": True}),
        v1_entry(request={}, response={}),
        {**v1_entry(), "timestamp": "yesterday"},
        {**v1_entry(), "timestamp": True},
        {**v1_entry(), "timestamp": "0001-01-01T00:00:00+14:00"},
        v1_entry(request={"service": {"traffic": [{"revision": "a", "percent": True}]}}, response={}),
        v1_entry(request={"service": {"traffic": [{"revision": "@all", "percent": 100}]}}, response={}),
        {"timestamp": "2026-11-19T22:58:04Z", "textPayload": "hello"},
        {"timestamp": "2026-11-19T22:58:04Z", "protoPayload": {"response": {"status": {"traffic": "all"}}}},
        "text",
    ],
)
def test_entries_that_changed_nothing_or_cannot_be_read_are_left_out(entry: object) -> None:
    """A refused write, a dry run, and an entry of another shape are no moves."""
    assert move_of(entry) is None


async def test_the_log_is_asked_for_the_writes_of_this_service_newest_first() -> None:
    """The filter has one project, service and region, and a start; entries are returned oldest first."""
    vendor = FakeVendor(httpx.Response(200, json={"entries": [v2_entry("24", "23"), v1_entry()]}))
    client = logs(vendor)
    moves = await client.traffic_moves(*PLACE, now=NOW)
    await client.close()
    body = vendor.body()
    assert str(vendor.requests[0].url) == "https://logging.test/v2/entries:list"
    assert (body["resourceNames"], body["orderBy"]) == (["projects/vintstreet-prod"], "timestamp desc")
    for part in (
        'logName="projects/vintstreet-prod/logs/cloudaudit.googleapis.com%2Factivity"',
        'resource.labels.service_name="shop"',
        'resource.labels.location="us-central1"',
        '"google.cloud.run.v1.Services.ReplaceService"',
        '"google.cloud.run.v2.Services.UpdateService"',
        'timestamp>="2026-08-22T02:55:00+00:00"',
    ):
        assert part in body["filter"]
    assert [move.at.hour for move in moves] == [22, 23]


async def test_a_search_that_was_not_finished_is_continued() -> None:
    """An empty page with a token is followed by another request."""
    vendor = FakeVendor(
        httpx.Response(200, json={"nextPageToken": "on"}), httpx.Response(200, json={"entries": [v1_entry()]})
    )
    client = logs(vendor)
    moves = await client.traffic_moves(*PLACE, now=NOW)
    await client.close()
    assert len(moves) == 1
    assert vendor.body(1)["pageToken"] == "on"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"entries": 7}),
        httpx.Response(200, json={"entries": {"a": 1}}),
        httpx.Response(200, json={"nextPageToken": ["on"]}),
        httpx.Response(200, json=[[]]),
        httpx.Response(200, text="[" * 100_000),
    ],
)
async def test_an_undocumented_answer_of_the_log_cannot_be_read(answer: httpx.Response) -> None:
    """Another shape than the documented one is an error of ours, with its sentence."""
    client = logs(FakeVendor(answer))
    with pytest.raises(Unreachable, match=r"its answer cannot be read|as a proxy or a login page does"):
        await client.traffic_moves(*PLACE, now=NOW)
    await client.close()


async def test_at_most_ten_pages_are_read() -> None:
    """A vendor that always announces another page is not asked for ever."""
    vendor = FakeVendor(lambda _: httpx.Response(200, json={"nextPageToken": "on"}))
    client = logs(vendor)
    with pytest.raises(Unreachable, match="not finished after 10 pages"):
        await client.traffic_moves(*PLACE, now=NOW)
    await client.close()
    assert len(vendor.requests) == 10


@pytest.mark.parametrize("labels", [{"service_name": "till"}, {"location": "europe-west3"}, {"service_name": None}])
async def test_an_entry_of_another_service_or_region_does_not_count(labels: dict[str, Any]) -> None:
    """The filter names one service; the answers are checked all the same."""
    other = {**v1_entry(), "resource": {"labels": {**OF_SHOP["labels"], **labels}}}
    client = logs(FakeVendor(httpx.Response(200, json={"entries": [other, v2_entry("24", "23"), 7]})))
    moves = await client.traffic_moves(*PLACE, now=NOW)
    await client.close()
    assert [move.at.hour for move in moves] == [23]


async def test_the_project_of_systems_yaml_comes_before_cloud_runs() -> None:
    """Metrics may be stored in another project."""
    access = Access(name="cloud_logging", endpoint="http://127.0.0.1:1", options={"project": "vintstreet-ops"})
    vendor = FakeVendor(httpx.Response(200, json={}))
    client = CloudLogs(access.endpoint, GoogleOptions(project="vintstreet-ops"), None, vendor)
    assert await client.traffic_moves(*PLACE, now=NOW) == ()
    await client.close()
    assert vendor.body()["resourceNames"] == ["projects/vintstreet-ops"]
    assert "authorization" not in vendor.requests[0].headers
    assert CloudLogs.connect(access).project == "vintstreet-ops"
    with pytest.raises(ConfigError, match="has no option `page`"):
        CloudMetrics.connect(access.model_copy(update={"options": {"page": "x"}}))


def test_one_client_works_in_several_loops() -> None:
    """Prefect runs tasks in loops of its own."""
    client = metrics(FakeVendor(vector(series("a", "2xx", "1"))))

    async def once() -> int:
        found = await client.requests(*PLACE, until=NOW, window=timedelta(hours=1))
        await client.close()
        return len(found)

    assert [asyncio.run(once()), asyncio.run(once())] == [1, 1]


# --- signing in --------------------------------------------------------------------------------------


class TokenEndpoint(BaseHTTPRequestHandler):
    """Answers an assertion with the canary, as Google's token endpoint does."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Answer one request for a token."""
        self.asked.append(self.rfile.read(int(self.headers["content-length"])).decode())
        body = json.dumps({"access_token": CANARY, "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Application default credentials whose token endpoint is on this machine."""
    with HTTPServer(("127.0.0.1", 0), TokenEndpoint) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        key = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        told = {
            "type": "service_account",
            "client_email": "allclear@vintstreet-prod.iam.gserviceaccount.com",
            "private_key": key.decode(),
            "token_uri": f"http://127.0.0.1:{server.server_port}/token",
        }
        file = tmp_path / "key.json"
        file.write_text(json.dumps(told))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("service_account")
async def test_a_real_system_is_signed_in_to_once_and_a_simulated_one_never() -> None:
    """google-auth itself fetches the token; the second request uses it again."""
    TokenEndpoint.asked.clear()
    token = token_for(Access(name="cloud_logging", endpoint="https://logging.googleapis.com"), "scope")
    vendor = FakeVendor(httpx.Response(200, json={}))
    client = CloudLogs("https://logging.test", GoogleOptions(), token, vendor)
    for _ in range(2):
        await client.traffic_moves(*PLACE, now=NOW)
    await client.close()
    assert [request.headers["authorization"] for request in vendor.requests] == [f"Bearer {CANARY}"] * 2
    assert len(TokenEndpoint.asked) == 1
    assert token_for(Access(name="x", endpoint="https://logging.googleapis.com", simulated=True), "scope") is None
    assert token_for(Access(name="x", endpoint="http://127.0.0.1:9"), "scope") is None

"""The Cloud Run client over gRPC and REST, against a server that shares no code with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from unittest.mock import ANY

import pytest
from google.auth.exceptions import RefreshError, TransportError
from pydantic import ValidationError

from allclear.bootstrap import CompanyContext
from allclear.domain.base import utc_now
from allclear.domain.errors import (
    AnswerLost,
    ConfigError,
    Conflict,
    Denied,
    NotFound,
    Unreachable,
    VendorError,
    VendorRefused,
)
from allclear.domain.links import NoLinks
from allclear.domain.systems import Access, System
from allclear.settings import Simulation
from allclear.vendors.cloud_run.client import CloudRun, CloudRunOptions
from allclear.vendors.cloud_run.errors import NOT_SENT, CallFailure, canonical_code
from allclear.vendors.cloud_run.rest import call_library
from allclear.vendors.cloud_run.transport import TransportKind
from allclear.vendors.cloud_run.views import Traffic
from tasks.cloud_run.rollback import RollbackParams, RollbackTraffic
from tests.contract.fake_cloud_run import FAILED, PROJECT, SUCCEEDED, FakeCloudRun
from tests.contract.fake_cloud_run_servers import Line, serving
from tests.scenario.response_support import vintstreet
from tests.unit.fakes_context import FakeContext, FakeRecord

REGION = "us-central1"
PATH = f"projects/{PROJECT}/locations/{REGION}/services/shop"
TO_TWO = (Traffic(revision="shop-2", percent=100),)


@pytest.fixture(params=["grpc", "rest"])
def transport(request: pytest.FixtureRequest) -> TransportKind:
    """Return the transport of this run."""
    kind: TransportKind = request.param
    return kind


@pytest.fixture
async def line(transport: TransportKind) -> AsyncGenerator[Line]:
    """A service on latest with three revisions, and the line to it."""
    fake = FakeCloudRun()
    fake.add(REGION, "shop", {f"shop-{n}": True for n in (1, 2, 3)}, [(None, 100, ""), ("shop-1", 0, "old")])
    async with serving(fake, transport) as line:
        yield line


@pytest.fixture
async def run(line: Line, transport: TransportKind) -> AsyncGenerator[CloudRun]:
    """A client of it."""
    client = aimed_at(line.address, transport, retry_seconds=60)
    yield client
    await client.close()


@pytest.fixture
async def hasty(line: Line, transport: TransportKind) -> AsyncGenerator[CloudRun]:
    """A client of it that soon stops retrying, for faults that do not end."""
    client = aimed_at(line.address, transport, retry_seconds=0.3)
    yield client
    await client.close()


def aimed_at(address: str, transport: TransportKind, **limits: float) -> CloudRun:
    """Return a client of that address."""
    options = CloudRunOptions(project=PROJECT, region=REGION, transport=transport)
    return CloudRun(options, address, plain=True, **limits)


async def test_the_service_is_read_into_our_types(run: CloudRun) -> None:
    """Full paths become short names, latest is resolved, all pages of revisions are read, newest first."""
    found, revisions = await asyncio.gather(run.service("shop"), run.revisions("shop"))
    assert (found.path, found.latest_ready, found.serving) == (PATH, "shop-3", {"shop-3": 100})
    assert found.traffic == (Traffic(revision=None, percent=100), Traffic(revision="shop-1", tag="old"))
    assert [r.name for r in revisions] == ["shop-3", "shop-2", "shop-1"]


async def test_empty_traffic_means_latest(line: Line, run: CloudRun) -> None:
    """As Cloud Run documents it."""
    line.fake.places[PATH].service["traffic"] = []
    assert (await run.service("shop")).traffic == (Traffic(revision=None, percent=100),)


async def test_a_write_holds_traffic_and_etag_and_no_template(line: Line, run: CloudRun) -> None:
    """Cloud Run would treat anything more as a deployment; the fake refuses another mask."""
    action, params = RollbackTraffic(FakeContext(run)), RollbackParams(service="shop", to="shop-2")
    etag = line.fake.places[PATH].service["etag"]
    change = action.plan(params, await action.observe(params))
    receipt = await action.apply(params, change, "VS-1/contain/one")
    sent = line.fake.updates[0]
    assert sent.pop("name", PATH) == PATH  # over REST it stands in the address
    assert (sent.pop("etag"), list(sent)) == (etag, ["traffic"])
    shares = {(t.get("revision"), t.get("percent", 0), t.get("tag", "")) for t in sent["traffic"]}
    assert shares == {("shop-2", 100, ""), ("shop-1", 0, "old")}
    assert receipt.facts == {"operation": ANY, "done": True, "error": ""}


@pytest.mark.parametrize("fault", ["NOT_FOUND", "PERMISSION_DENIED", "INTERNAL"])
async def test_an_operation_that_cannot_be_followed_does_not_undo_the_write(
    line: Line, hasty: CloudRun, fault: str
) -> None:
    """The write was accepted; the next observation shows its effect."""
    action, params = RollbackTraffic(FakeContext(hasty)), RollbackParams(service="shop", to="shop-2")
    change = action.plan(params, await action.observe(params))
    line.faults = {"GetOperation": [fault] * 50}
    receipt = await action.apply(params, change, "VS-1/contain/one")
    assert receipt.facts == {"operation": ANY, "done": False}
    assert line.fake.asked(PATH)[0] == ("shop-2", 100, "")


async def test_an_operation_is_followed_to_its_error(line: Line, run: CloudRun) -> None:
    """The error's words reach the receipt."""
    line.fake.before_write.append(lambda: line.fake.spoil(PATH, "shop-2"))
    name = await run.set_traffic("shop", TO_TWO, "")
    finished = await run.finished(name, timedelta(seconds=60))
    assert (finished.done, finished.error) == (True, "Revision shop-2 cannot serve")


async def test_an_operation_is_followed_up_to_the_limit(line: Line, run: CloudRun) -> None:
    """The next observation shows its effect."""
    line.fake.operation_seconds = 3600
    finished = await run.finished(await run.set_traffic("shop", TO_TWO, ""), timedelta(milliseconds=20))
    assert not finished.done


@pytest.mark.parametrize(
    ("code", "on_write", "on_read"),
    [
        ("PERMISSION_DENIED", Denied, Denied),
        ("ABORTED", Conflict, Conflict),
        ("FAILED_PRECONDITION", VendorRefused, VendorRefused),
        ("INVALID_ARGUMENT", VendorRefused, VendorRefused),
        ("UNIMPLEMENTED", VendorRefused, VendorRefused),
        ("NOT_FOUND", VendorRefused, NotFound),
        ("RESOURCE_EXHAUSTED", VendorRefused, VendorRefused),
        ("UNAUTHENTICATED", Denied, Denied),
        ("INTERNAL", AnswerLost, Unreachable),
        ("DEADLINE_EXCEEDED", AnswerLost, Unreachable),
        ("UNAVAILABLE", AnswerLost, Unreachable),
    ],
)
async def test_each_refusal_becomes_one_of_our_errors(
    line: Line, hasty: CloudRun, code: str, on_write: type[VendorError], on_read: type[Exception]
) -> None:
    """A refused request changed nothing; an unanswered one may have. No transport sends a write twice."""
    line.faults = {name: [code] * 50 for name in ("UpdateService", "GetService")}
    with pytest.raises(on_write) as write:
        await hasty.set_traffic("shop", TO_TWO, "one")
    with pytest.raises(on_read) as read:
        await hasty.service("shop")
    assert line.calls.count("UpdateService") == 1
    assert (type(write.value), type(read.value)) == (on_write, on_read)


async def test_cloud_runs_reason_is_quoted_without_our_address(line: Line, run: CloudRun) -> None:
    """The error has Cloud Run's sentence, not our URL."""
    line.faults = {"UpdateService": ["INVALID_ARGUMENT"]}
    with pytest.raises(VendorRefused) as refused:
        await run.set_traffic("shop", TO_TWO, "one")
    assert refused.value.message == "Cloud Run refused to set the traffic of shop: Because."


@pytest.mark.parametrize("fault", ["UNAVAILABLE", "cut"])
async def test_a_read_survives_a_short_outage(line: Line, run: CloudRun, fault: str) -> None:
    """Refused once, or the connection reset, then the answer."""
    line.faults = {"GetService": [fault], "ListRevisions": [fault]}
    found, revisions = await run.service("shop"), await run.revisions("shop")
    assert (found.latest_ready, len(revisions)) == ("shop-3", 3)


async def test_a_write_whose_connection_breaks_is_lost_and_not_sent_again(line: Line, run: CloudRun) -> None:
    """It may have taken effect: here it has."""
    line.lose_answer()
    with pytest.raises(AnswerLost):
        await run.set_traffic("shop", TO_TWO, "")
    assert len(line.fake.updates) == 1
    assert line.fake.asked(PATH) == [("shop-2", 100, "")]


async def test_a_write_that_is_not_answered_in_time_is_lost(line: Line, transport: TransportKind) -> None:
    """The call ends at its timeout."""
    line.faults = {"UpdateService": ["hang"]}
    run = aimed_at(line.address, transport, write_seconds=0.3)
    with pytest.raises(AnswerLost, match="no answer in time"):
        await run.set_traffic("shop", TO_TWO, "")
    await run.close()


async def test_a_write_without_a_connection_was_not_sent(transport: TransportKind) -> None:
    """No connection is Unreachable, not a lost answer."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        run = aimed_at(f"127.0.0.1:{taken.getsockname()[1]}", transport)
        with pytest.raises(Unreachable, match="nothing was changed"):
            await run.set_traffic("shop", TO_TWO, "one")
        await run.close()


async def test_a_write_to_an_unknown_host_was_not_sent(transport: TransportKind) -> None:
    """A mistyped host is Unreachable, not a lost answer."""
    run = aimed_at("nowhere.invalid:443", transport)
    with pytest.raises(Unreachable, match="nothing was changed"):
        await run.set_traffic("shop", TO_TWO, "one")
    await run.close()


async def test_the_environments_proxy_is_not_used_for_this_machine(
    line: Line, transport: TransportKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A simulated system is reached directly whatever the shell says."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "grpc_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    run = aimed_at(line.address, transport)
    assert (await run.service("shop")).latest_ready == "shop-3"
    await run.close()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 502 Bad Gateway\r\n"])
@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b'{"error": "no"}'])
async def test_after_an_unreadable_answer_the_effect_of_a_write_is_unknown(answer: bytes, body: bytes) -> None:
    """A gateway may answer with anything over REST."""

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(gateway, "127.0.0.1", 0)
    run = aimed_at(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", "rest")
    with pytest.raises(AnswerLost):
        await run.set_traffic("shop", TO_TWO, "")
    await run.close()
    server.close()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("elsewhere", ["/v2/other", "http://127.0.0.1:{port}/v2/elsewhere", ""])
async def test_no_redirect_is_ever_followed(status: int, elsewhere: str) -> None:
    """Neither our token nor a write goes to another address; the write counts as refused."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head.split(b" ")[0])
        place = f"Location: {elsewhere.format(port=port)}\r\n" if elsewhere else ""
        writer.write(f"HTTP/1.1 {status} Moved\r\n{place}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    run = aimed_at(f"127.0.0.1:{port}", "rest", retry_seconds=0.3)
    with pytest.raises(VendorRefused, match=f"it answered {status} with a redirect"):
        await run.service("shop")
    with pytest.raises(VendorRefused, match="refused to set the traffic of shop"):
        await run.set_traffic("shop", TO_TWO, "")
    await run.close()
    server.close()
    assert seen == [b"GET", b"PATCH"]


@pytest.mark.parametrize(
    ("raised", "code"), [(TransportError("reset"), NOT_SENT), (RefreshError("expired"), "UNAUTHENTICATED")]
)
def test_a_sign_in_that_fails_has_sent_nothing(raised: Exception, code: str) -> None:
    """A refused sign-in and an unreachable one differ; after either the write was not sent."""

    def call() -> None:
        raise raised

    with pytest.raises(CallFailure) as failure:
        call_library(call)
    assert failure.value.code == code


def test_every_http_status_has_a_code() -> None:
    """An unlisted 4xx is a refusal; after an unlisted 5xx the effect is unknown."""
    assert {canonical_code(status) for status in (400, 405, 413, 418)} == {"INVALID_ARGUMENT"}
    assert {canonical_code(status) for status in (0, 302, 500, 502, 599)} == {"UNKNOWN"}
    assert canonical_code(HTTPStatus.CONFLICT) == "ABORTED"


def test_one_client_serves_a_second_event_loop(transport: TransportKind) -> None:
    """Prefect runs each flow in a loop of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    run = aimed_at(f"127.0.0.1:{port}", transport)

    async def once() -> str | None:
        fake = FakeCloudRun()
        fake.add(REGION, "shop", {"shop-1": True}, [(None, 100, "")])
        async with serving(fake, transport, port):
            found = await run.service("shop")
            await run.close()
            return found.latest_ready

    assert [asyncio.run(once()), asyncio.run(once())] == ["shop-1", "shop-1"]


async def test_another_region_goes_over_the_same_connections(line: Line, run: CloudRun) -> None:
    """Only the name differs; the first client keeps its own region."""
    line.fake.add("europe-west1", "shop", {"eu-1": True}, [(None, 100, "")])
    there = run.at("europe-west1")
    assert ((await there.service("shop")).latest_ready, (await run.service("shop")).latest_ready) == ("eu-1", "shop-3")
    assert run.at(REGION) is run


def test_the_transport_is_named_in_systems_yaml() -> None:
    """The default is gRPC; an unknown transport is an error that names the choices."""
    options = {"project": PROJECT, "region": REGION}
    assert CloudRunOptions.model_validate(options).transport == "grpc"
    with pytest.raises(ConfigError, match="transport"):
        CloudRun.connect(
            Access(name="cloud_run", endpoint="run.googleapis.com", options=options | {"transport": "http"})
        )
    with pytest.raises(ValidationError):
        CloudRunOptions.model_validate(options | {"region": "nowhere"})


@pytest.mark.parametrize(("said", "endpoint"), [({}, "grpc:1"), ({"transport": "rest"}, "http://rest:2")])
def test_a_simulation_uses_the_transport_of_systems_yaml(said: dict[str, str], endpoint: str) -> None:
    """A drill uses the same transport as an incident."""
    company = vintstreet()
    system = company.systems.systems["cloud_run"]
    changed = System.model_validate(system.model_dump() | said)
    systems = company.systems.model_copy(update={"systems": {**company.systems.systems, "cloud_run": changed}})
    where = {"cloud_run": "http://rest:2", "cloud_run_grpc": "grpc:1"}
    simulation = Simulation(endpoints=where, control="", secrets={}, options={})
    context = CompanyContext(replace(company, systems=systems), simulation, {}, FakeRecord(), NoLinks())
    assert context.access("cloud_run").endpoint == endpoint
    assert endpoint.removeprefix("http://") in repr(context.client(CloudRun))


async def test_a_fresh_rollout_of_another_person_is_a_refusal_and_a_hanging_one_is_not(run: CloudRun) -> None:
    """A deployment that has just begun blocks the change; one that has hung for an hour does not."""
    action, params = RollbackTraffic(FakeContext(run)), RollbackParams(service="shop", to="shop-2")
    before = await action.observe(params)
    began = utc_now() - timedelta(hours=1)
    rolling = before.model_copy(update={"reconciling": True, "updated": began})
    hanging = await action.precheck(params, action.plan(params, rolling))
    fresh = rolling.model_copy(update={"updated": utc_now()})
    refusals = await action.precheck(params, action.plan(params, fresh))
    assert hanging == []
    assert ["another change of" in refusal.sentence for refusal in refusals] == [True]


async def test_routes_that_are_ready_count_though_the_newest_deployment_failed(line: Line, run: CloudRun) -> None:
    """The service's own condition stays failed after a bad deployment; traffic has its own."""
    line.fake.places[PATH].service |= {
        "terminalCondition": {"type": "Ready", "state": FAILED, "message": "shop-4"},
        "conditions": [{"type": "RoutesReady", "state": SUCCEEDED}],
    }
    found = await run.service("shop")
    assert (found.succeeded, found.routed) == (False, True)

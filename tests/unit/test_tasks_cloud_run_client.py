"""The Cloud Run client against a gRPC server that shares no code with it."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta

import grpc
import pytest
from google.cloud import run_v2

from allclear.domain.base import utc_now
from allclear.domain.errors import (
    AnswerLost,
    Conflict,
    Denied,
    NotFound,
    Unreachable,
    VendorError,
    VendorRefused,
)
from allclear.domain.systems import Access
from allclear.vendors.cloud_run import CloudRun, CloudRunOptions
from allclear.vendors.cloud_run_views import Traffic
from tasks.traffic import RollbackParams, RollbackTraffic
from tests.unit.fakes_around import FakeAround
from tests.unit.fakes_cloud_run import PATH, FakeCloudRun, revision, running, service, target

OPTIONS = {"project": "vintstreet-prod", "region": "us-central1"}


def a_fake() -> FakeCloudRun:
    """Returns a service on latest with three revisions."""
    traffic = [target(None, 100), target("shop-1", tag="old")]
    return FakeCloudRun(service(traffic, "shop-3"), [revision(f"shop-{n}", 10 - n) for n in (1, 2, 3)])


def aimed_at(fake: FakeCloudRun) -> CloudRun:
    """Returns a client of the fake."""
    return CloudRun.connect(Access(name="cloud_run", endpoint=fake.address, options=OPTIONS))


async def test_the_service_is_read_in_our_words() -> None:
    """Full paths become short names, latest is resolved, all pages of revisions are read, newest first."""
    async with running(a_fake()) as fake:
        run = aimed_at(fake)
        found, revisions = await asyncio.gather(run.service("shop"), run.revisions("shop"))
        await run.close()
    assert (found.path, found.latest_ready, found.serving) == (PATH, "shop-3", {"shop-3": 100})
    assert found.traffic == (Traffic(revision=None, percent=100), Traffic(revision="shop-1", tag="old"))
    assert [r.name for r in revisions] == ["shop-3", "shop-2", "shop-1"]


async def test_empty_traffic_means_latest() -> None:
    """As Cloud Run documents it."""
    fake = a_fake()
    fake.service.traffic = []
    async with running(fake):
        run = aimed_at(fake)
        found = await run.service("shop")
        await run.close()
    assert found.traffic == (Traffic(revision=None, percent=100),)


async def test_a_write_holds_traffic_and_etag_and_no_template() -> None:
    """Anything more would be taken for a deployment."""
    async with running(a_fake()) as fake:
        run = aimed_at(fake)
        action = RollbackTraffic(FakeAround(run))
        params = RollbackParams(service="shop", to="shop-2")
        change = action.plan(params, await action.observe(params))
        receipt = await action.apply(params, change, "VS-1/contain/one")
        await run.close()
    sent = fake.updates[0]
    assert list(sent.update_mask.paths) == ["traffic"]
    assert sent.service.etag == "one"
    assert "template" not in sent.service
    assert sorted((t.revision, t.percent, t.tag) for t in sent.service.traffic) == [
        ("shop-1", 0, "old"),
        ("shop-2", 100, ""),
    ]
    assert receipt.facts == {"operation": f"{PATH}/operations/1", "done": True, "error": ""}


async def test_an_operation_is_followed_to_its_error() -> None:
    """The error's words reach the receipt."""
    fake = a_fake()
    fake.operation_error, fake.looks_until_done = "Revision is gone.", 2
    async with running(fake):
        run = aimed_at(fake)
        finished = await run.finished(f"{PATH}/operations/1", timedelta(seconds=5))
        await run.close()
    assert (finished.done, finished.error) == (True, "Revision is gone")


async def test_an_operation_that_goes_on_is_left_after_the_bound() -> None:
    """What it became is for the next look to say."""
    fake = a_fake()
    fake.looks_until_done = 1000
    async with running(fake):
        run = aimed_at(fake)
        finished = await run.finished(f"{PATH}/operations/1", timedelta(milliseconds=20))
        await run.close()
    assert not finished.done


@pytest.mark.parametrize(
    ("code", "on_write", "on_read"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, Denied, Denied),
        (grpc.StatusCode.UNAUTHENTICATED, Denied, Denied),
        (grpc.StatusCode.ABORTED, Conflict, Conflict),
        (grpc.StatusCode.FAILED_PRECONDITION, VendorRefused, VendorRefused),
        (grpc.StatusCode.INVALID_ARGUMENT, VendorRefused, VendorRefused),
        (grpc.StatusCode.NOT_FOUND, VendorRefused, NotFound),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, VendorRefused, VendorRefused),
        (grpc.StatusCode.INTERNAL, AnswerLost, Unreachable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, AnswerLost, Unreachable),
        (grpc.StatusCode.UNAVAILABLE, AnswerLost, Unreachable),
    ],
)
async def test_each_refusal_has_its_place_in_our_errors(
    code: grpc.StatusCode, on_write: type[VendorError], on_read: type[Exception]
) -> None:
    """What was refused changed nothing; what was not answered may have."""
    fake = a_fake()
    fake.faults = {name: [(code, "Because.")] * 50 for name in ("UpdateService", "GetService")}
    async with running(fake):
        run = CloudRun(CloudRunOptions(**OPTIONS), fake.address, plain=True, patience=0.05)
        with pytest.raises(on_write) as write:
            await run.set_traffic("shop", (Traffic(revision="shop-2", percent=100),), "one")
        with pytest.raises(on_read) as read:
            await run.service("shop")
        await run.close()
    assert fake.calls.count("UpdateService") == 1
    assert type(write.value) is on_write
    assert type(read.value) is on_read


async def test_a_passing_outage_of_a_read_is_not_seen() -> None:
    """One UNAVAILABLE, then the answer."""
    fake = a_fake()
    fake.faults = {"GetService": [(grpc.StatusCode.UNAVAILABLE, "try again")]}
    async with running(fake):
        run = aimed_at(fake)
        found = await run.service("shop")
        await run.close()
    assert found.etag == "one"


async def test_a_write_to_nobody_was_not_sent() -> None:
    """No connection is Unreachable, not a lost answer."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        run = CloudRun(CloudRunOptions(**OPTIONS), f"127.0.0.1:{taken.getsockname()[1]}", plain=True)
        with pytest.raises(Unreachable, match="nothing was changed"):
            await run.set_traffic("shop", (Traffic(revision="shop-2", percent=100),), "one")
        await run.close()


def test_one_client_serves_a_second_event_loop() -> None:
    """Prefect runs each flow in a loop of its own."""
    fake = a_fake()
    run: list[CloudRun] = []

    async def once() -> str:
        async with running(fake):
            if not run:
                run.append(aimed_at(fake))
            found = await run[0].service("shop")
            await run[0].close()
            return found.etag

    assert [asyncio.run(once()), asyncio.run(once())] == ["one", "one"]


async def test_a_fresh_rollout_of_somebody_else_is_waited_out_and_a_hanging_one_is_not() -> None:
    """A deployment at this very moment refuses; one that has hung for an hour does not keep us from acting."""
    fake = a_fake()
    async with running(fake):
        run = aimed_at(fake)
        action = RollbackTraffic(FakeAround(run))
        params = RollbackParams(service="shop", to="shop-2")
        before = await action.observe(params)
        began = utc_now() - timedelta(hours=1)
        rolling = before.model_copy(update={"reconciling": True, "updated": began})
        hanging = await action.precheck(params, action.plan(params, rolling))
        fresh = rolling.model_copy(update={"updated": utc_now()})
        refusals = await action.precheck(params, action.plan(params, fresh))
        await run.close()
    assert hanging == []
    assert ["at this moment" in refusal.sentence for refusal in refusals] == [True]


async def test_routes_that_are_ready_count_though_the_newest_deployment_failed() -> None:
    """The service's own condition stays failed after a bad deployment; traffic does not care."""
    state = run_v2.Condition.State
    fake = a_fake()
    fake.service.terminal_condition = run_v2.Condition(type_="Ready", state=state.CONDITION_FAILED, message="shop-4")
    fake.service.conditions = [run_v2.Condition(type_="RoutesReady", state=state.CONDITION_SUCCEEDED)]
    async with running(fake):
        run = aimed_at(fake)
        found = await run.service("shop")
        await run.close()
    assert (found.succeeded, found.routed) == (False, True)

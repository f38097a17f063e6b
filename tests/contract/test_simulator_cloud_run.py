"""The simulated Cloud Run, used by Google's own clients over gRPC and REST."""

# ruff: noqa: ANN401 - the vendors' answers can be anything

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import grpc
import pytest
from google.api_core import exceptions as google_errors
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.cloud.run_v2.services.revisions.transports import RevisionsGrpcAsyncIOTransport
from google.iam.v1 import iam_policy_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from tests.contract.simulator_support import (
    BAD,
    GOOD,
    LOCATION,
    NOT_READY,
    SERVICE,
    Simulated,
    all_to,
    control,
    end_operations,
    fault,
    quick,
    recorded,
    run_client,
)
from tests.patience import until

Result = TypeVar("Result")
_LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST


def _rest(simulation: Simulated, client: Any = run_v2.ServicesClient) -> Any:
    made = client(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=simulation.endpoints["cloud_run"]),
    )
    return simulation.clients.enter_context(made)


def _revisions(simulation: Simulated) -> run_v2.RevisionsAsyncClient:
    channel = grpc.aio.insecure_channel(simulation.endpoints["cloud_run_grpc"])
    simulation.clients.push_async_callback(channel.close)
    return run_v2.RevisionsAsyncClient(transport=RevisionsGrpcAsyncIOTransport(channel=channel))


async def _apart(do: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Run a blocking client in a thread: the simulation shares this event loop."""
    return await asyncio.to_thread(do, *args, **kwargs)


async def _ended(simulation: Simulated, name: str) -> Any:
    identity = name.rpartition("/")[2]
    return await until(lambda: simulation.world.service.operations[identity].done)


async def test_a_service_has_full_and_short_names_of_revisions() -> None:
    """They are full paths in the service and short names in the traffic. LATEST has no name."""
    async with Simulated(quick()) as sim:
        service = await run_client(sim).get_service(name=SERVICE)
    assert service.latest_ready_revision == f"{SERVICE}/revisions/{BAD}"
    assert service.traffic[0].type_ == _LATEST
    assert service.traffic[0].revision == ""
    assert (service.traffic[1].tag, service.traffic[1].percent) == ("maintenance", 0)
    assert service.observed_generation == service.generation
    assert service.terminal_condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED
    assert service.uri == sim.endpoints["storefront"]


async def test_a_rollback_is_an_operation_and_the_old_traffic_serves_until_it_ends() -> None:
    """While the service reconciles, the bad revision serves. Afterwards the errors stop."""
    async with Simulated(quick(operation_takes=timedelta(hours=1))) as sim:
        client = run_client(sim)
        await until(lambda: recorded(sim, "errors_started"))
        before = await client.get_service(name=SERVICE)
        operation = await client.update_service(all_to(GOOD, before.etag))
        during = await client.get_service(name=SERVICE)
        assert during.reconciling
        assert during.traffic[0].revision == GOOD
        assert during.traffic_statuses[0].type_ == _LATEST
        assert during.observed_generation < during.generation
        assert sim.world.serving() == {BAD: 100}
        end_operations(sim)
        await _ended(sim, operation.operation.name)
        after = await client.get_service(name=SERVICE)
        assert not after.reconciling
        assert after.etag != before.etag
        assert after.traffic_statuses[0].revision == GOOD
        assert after.observed_generation == after.generation
        assert sim.world.serving() == {GOOD: 100}
        await until(lambda: recorded(sim, "errors_stopped"))
        result = await operation.result(timeout=600)
        assert result.etag == after.etag


async def test_a_write_with_a_stale_etag_is_aborted() -> None:
    """Nothing is written, over both transports."""
    async with Simulated(quick()) as sim:
        client = run_client(sim)
        stale = (await client.get_service(name=SERVICE)).etag
        await control(sim, "POST", "/deploy", {"revision": "vintstreet-00043-new"})
        with pytest.raises(google_errors.Aborted):
            await client.update_service(all_to(GOOD, stale))
        with pytest.raises(google_errors.Conflict):
            await _apart(_rest(sim).update_service, all_to(GOOD, stale))
        assert sim.world.serving() == {"vintstreet-00043-new": 100}


async def test_the_stale_etag_fault_is_a_write_by_another_client_just_before() -> None:
    """The etag is refused once, and a write after a new read succeeds."""
    async with Simulated(quick()) as sim:
        await fault(sim, "cloud_run", "UpdateService", "stale_etag")
        client = run_client(sim)
        etag = (await client.get_service(name=SERVICE)).etag
        with pytest.raises(google_errors.Aborted):
            await client.update_service(all_to(GOOD, etag))
        fresh = (await client.get_service(name=SERVICE)).etag
        assert fresh != etag
        await client.update_service(all_to(GOOD, fresh))


async def test_a_write_whose_answer_is_lost_takes_effect() -> None:
    """The caller gets UNAVAILABLE, and the traffic moves."""
    async with Simulated(quick()) as sim:
        await fault(sim, "cloud_run", "UpdateService", "answer_lost")
        with pytest.raises(google_errors.ServiceUnavailable):
            await run_client(sim).update_service(all_to(GOOD))
        await until(lambda: sim.world.serving() == {GOOD: 100})
        assert recorded(sim, "write", api="cloud_run", result="done, answer lost")


async def test_over_rest_a_lost_answer_is_a_broken_connection() -> None:
    """The traffic moves."""
    async with Simulated(quick()) as sim:
        await fault(sim, "cloud_run", "UpdateService", "answer_lost")
        with pytest.raises(Exception, match=r"(?i)connection"):
            await _apart(_rest(sim).update_service, all_to(GOOD))
        await until(lambda: sim.world.serving() == {GOOD: 100})


async def test_a_slow_write_takes_effect_after_the_caller_timed_out() -> None:
    """The caller's deadline does not cancel the request."""
    async with Simulated(quick(operation_takes=timedelta(hours=1))) as sim:
        client = run_client(sim)
        await client.get_service(name=SERVICE)  # it is connected: the deadline is for the answer alone
        await fault(sim, "cloud_run", "UpdateService", "slow", seconds=2)
        with pytest.raises(google_errors.DeadlineExceeded):
            await client.update_service(all_to(GOOD), timeout=0.5)  # runs out: its answer takes longer
        assert sim.world.serving() == {BAD: 100}
        await until(lambda: sim.world.service.operations)
        end_operations(sim)
        assert sim.world.serving() == {GOOD: 100}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("unavailable", google_errors.ServiceUnavailable),
        ("rate_limited", google_errors.TooManyRequests),
        ("server_error", google_errors.InternalServerError),
        ("permission_denied", google_errors.PermissionDenied),
    ],
)
async def test_a_fault_that_refuses_is_googles_error_and_writes_nothing(kind: str, error: type[Exception]) -> None:
    """Each kind of refusal is an exception of the client library, over both transports."""
    async with Simulated(quick()) as sim:
        await fault(sim, "cloud_run", "UpdateService", kind, times=2)
        with pytest.raises(error):
            await run_client(sim).update_service(all_to(GOOD))
        # Over REST a 403 is the parent class of gRPC's PERMISSION_DENIED.
        expected = google_errors.Forbidden if kind == "permission_denied" else error
        with pytest.raises(expected):
            await _apart(_rest(sim).update_service, all_to(GOOD))
        assert len(recorded(sim, "write", result=f"refused: {kind}")) == 2
        assert sim.world.serving() == {BAD: 100}


async def test_a_write_of_the_whole_service_without_a_mask_is_refused() -> None:
    """It would create a revision with the name of an existing one."""
    async with Simulated(quick()) as sim:
        client = run_client(sim)
        service = await client.get_service(name=SERVICE)
        service.traffic = all_to(GOOD).service.traffic
        with pytest.raises(google_errors.AlreadyExists):
            await client.update_service(service=service)


async def test_empty_traffic_means_all_to_latest() -> None:
    """An update with empty traffic sends all users to the newest ready revision."""
    async with Simulated(quick(breaks_after=None)) as sim:
        pin = {"traffic": [{"revision": "vintstreet-00040-kip", "percent": 100}]}
        await control(sim, "POST", "/traffic", pin)
        service = run_v2.Service(name=SERVICE)
        await run_client(sim).update_service(service=service, update_mask=FieldMask(paths=["traffic"]))
        await until(lambda: sim.world.serving() == {GOOD: 100})


@pytest.mark.parametrize(
    ("change", "mask"),
    [
        ({"traffic": [{"type_": 2, "revision": GOOD, "percent": 90}]}, "traffic"),
        (
            {"traffic": [{"type_": 2, "revision": f"{SERVICE}/revisions/{GOOD}", "percent": 100}]},
            "traffic",
        ),
        ({"traffic": [{"type_": 2, "percent": 100}]}, "traffic"),
        ({"traffic": [{"type_": 1, "revision": GOOD, "percent": 100}]}, "traffic"),
        (
            {
                "traffic": [
                    {"type_": 2, "revision": GOOD, "percent": 50, "tag": "a"},
                    {"type_": 1, "percent": 50, "tag": "a"},
                ]
            },
            "traffic",
        ),
        ({}, "no_such_field"),
        ({}, "template"),
    ],
)
async def test_an_impossible_update_is_an_invalid_argument(change: dict[str, Any], mask: str) -> None:
    """An update that Cloud Run would refuse is refused before anything changes."""
    async with Simulated(quick()) as sim:
        generation = sim.world.service.state.generation
        with pytest.raises(google_errors.InvalidArgument):
            await run_client(sim).update_service(
                service=run_v2.Service(name=SERVICE, **change),
                update_mask=FieldMask(paths=[mask]),
            )
        assert sim.world.service.state.generation == generation


@pytest.mark.parametrize(
    ("revision", "reason"),
    [(NOT_READY, "is not ready"), ("vintstreet-00099-nil", "does not exist or is deleted")],
)
async def test_an_operation_fails_for_a_revision_that_cannot_serve(revision: str, reason: str) -> None:
    """The update is accepted, its operation ends in an error, and the old traffic still serves."""
    async with Simulated(quick()) as sim:
        client = run_client(sim)
        operation = await client.update_service(all_to(revision))
        await _ended(sim, operation.operation.name)
        with pytest.raises(google_errors.GoogleAPICallError, match=reason):
            await operation.result(timeout=600)
        service = await client.get_service(name=SERVICE)
        assert service.terminal_condition.state == run_v2.Condition.State.CONDITION_FAILED
        assert service.traffic[0].revision == revision
        assert sim.world.serving() == {BAD: 100}


async def test_traffic_without_the_tag_removes_it() -> None:
    """A tag is an entry of the traffic."""
    async with Simulated(quick()) as sim:
        client, request = run_client(sim), all_to(GOOD)
        request.service.traffic = [request.service.traffic[0]]
        await client.update_service(request)
        await until(lambda: sim.world.serving() == {GOOD: 100})
        assert [t.tag for t in (await client.get_service(name=SERVICE)).traffic] == [""]


async def test_a_second_update_supersedes_the_first() -> None:
    """The older operation ends as aborted, and the newer one takes effect."""
    async with Simulated(quick(operation_takes=timedelta(hours=1))) as sim:
        client = run_client(sim)
        first = await client.update_service(all_to("vintstreet-00040-kip"))
        await client.update_service(all_to(GOOD))
        end_operations(sim)
        assert sim.world.serving() == {GOOD: 100}
        # The asynchronous operation knows no finer error than this one.
        with pytest.raises(google_errors.GoogleAPICallError, match="superseded"):
            await first.result(timeout=600)


async def test_validate_only_checks_and_changes_nothing() -> None:
    """It returns the service as it would be, and refuses an update that would be refused."""
    async with Simulated(quick()) as sim:
        client = run_client(sim)
        before = await client.get_service(name=SERVICE)
        operation = await client.update_service(all_to(GOOD, before.etag, validate_only=True))
        assert (await operation.result(timeout=600)).traffic[0].revision == GOOD
        assert await client.get_service(name=SERVICE) == before
        with pytest.raises(google_errors.Aborted):
            await client.update_service(all_to(GOOD, '"stale"', validate_only=True))


async def test_the_rest_client_rolls_back_and_polls_its_operation() -> None:
    """It uses integer enums, and has the same effect as gRPC."""
    async with Simulated(quick()) as sim:
        client = _rest(sim)
        before = await _apart(client.get_service, name=SERVICE)
        operation = await _apart(client.update_service, all_to(GOOD, before.etag))
        result = await _apart(operation.result, timeout=600)
        assert result.traffic_statuses[0].revision == GOOD
        assert sim.world.serving() == {GOOD: 100}
        write = recorded(sim, "write", method="UpdateService")[0]
        assert (write["update_mask"], write["etag"]) == (["traffic"], before.etag)


async def test_rest_answers_like_grpc() -> None:
    """Service, revisions and permissions are the same over both transports."""
    async with Simulated(quick()) as sim:
        assert await _apart(_rest(sim).get_service, name=SERVICE) == await run_client(sim).get_service(name=SERVICE)
        rest = _rest(sim, run_v2.RevisionsClient)
        listed = await _apart(lambda: list(rest.list_revisions(parent=SERVICE)))
        over_grpc = [r async for r in await _revisions(sim).list_revisions(parent=SERVICE)]
        assert listed == over_grpc
        one = await _apart(rest.get_revision, name=listed[0].name)
        assert one == listed[0]
        asked = iam_policy_pb2.TestIamPermissionsRequest(resource=SERVICE, permissions=["run.services.update"])
        answer = await _apart(_rest(sim).test_iam_permissions, asked)
        assert list(answer.permissions) == ["run.services.update"]


async def test_only_granted_permissions_are_returned() -> None:
    """A write without its permission is refused."""
    asked = iam_policy_pb2.TestIamPermissionsRequest(
        resource=SERVICE, permissions=["run.services.get", "run.services.update"]
    )
    async with Simulated(quick(permissions=["run.services.get"])) as sim:
        client = run_client(sim)
        answer = await client.test_iam_permissions(asked)
        assert list(answer.permissions) == ["run.services.get"]
        with pytest.raises(google_errors.PermissionDenied):
            await client.update_service(all_to(GOOD))


async def test_revisions_are_listed_in_pages_newest_first() -> None:
    """Every revision is listed once for any page size. One is not ready."""
    async with Simulated(quick()) as sim:
        pager = await _revisions(sim).list_revisions(run_v2.ListRevisionsRequest(parent=SERVICE, page_size=2))
        found = [revision async for revision in pager]
        assert [r.create_time for r in found] == sorted((r.create_time for r in found), reverse=True)
        assert [r.name.rpartition("/")[2] for r in found][:3] == [BAD, NOT_READY, GOOD]
        assert found[1].conditions[0].state == run_v2.Condition.State.CONDITION_FAILED
        assert found[2].conditions[0].state == run_v2.Condition.State.CONDITION_SUCCEEDED
        assert GOOD in found[2].containers[0].image
        with pytest.raises(google_errors.InvalidArgument):
            await _revisions(sim).list_revisions(run_v2.ListRevisionsRequest(parent=SERVICE, page_token="made up"))


@pytest.mark.parametrize(
    "name",
    [
        "projects/vintstreet-prod/locations/europe-west1/services/vintstreet",
        f"{LOCATION}/services/other",
    ],
)
async def test_an_unknown_region_or_service_is_not_found(name: str) -> None:
    """The error is NOT_FOUND over both transports."""
    async with Simulated(quick()) as sim:
        with pytest.raises(google_errors.NotFound):
            await run_client(sim).get_service(name=name)
        with pytest.raises(google_errors.NotFound):
            await _apart(_rest(sim).get_service, name=name)
        with pytest.raises(google_errors.NotFound):
            await _revisions(sim).get_revision(name=f"{SERVICE}/revisions/vintstreet-00099-nil")


async def test_another_project_is_permission_denied() -> None:
    """Google does not show whether it exists."""
    async with Simulated(quick()) as sim:
        name = SERVICE.replace("vintstreet-prod", "other-project")
        with pytest.raises(google_errors.PermissionDenied, match="may not exist"):
            await run_client(sim).get_service(name=name)
        with pytest.raises(google_errors.Forbidden, match="may not exist"):
            await _apart(_rest(sim).get_service, name=name)

"""A small Cloud Run of its own: a real gRPC server on this machine, with one service that a test sets up."""

# ruff: noqa: ANN401 - messages of several generated kinds
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownLambdaType=false
# reason: Google's protobuf packages are untyped.

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2
from google.rpc import status_pb2

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
PATH = "projects/vintstreet-prod/locations/us-central1/services/shop"
_SERVICES = "/google.cloud.run.v2.Services/"


def revision(name: str, age: int, *, ready: bool = True, deleted: bool = False) -> run_v2.Revision:
    """Returns a revision that was made `age` hours ago."""
    state = run_v2.Condition.State.CONDITION_SUCCEEDED if ready else run_v2.Condition.State.CONDITION_FAILED
    return run_v2.Revision(
        name=f"{PATH}/revisions/{name}",
        create_time=NOW - timedelta(hours=age),
        delete_time=NOW if deleted else None,
        conditions=[run_v2.Condition(type_="Ready", state=state, message="" if ready else "It did not start.")],
    )


def target(name: str | None, percent: int = 0, tag: str = "") -> run_v2.TrafficTarget:
    """Returns an entry of the traffic; None is latest."""
    kinds = run_v2.TrafficTargetAllocationType
    kind = kinds.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION if name else kinds.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
    return run_v2.TrafficTarget(type_=kind, revision=name or "", percent=percent, tag=tag)


def service(traffic: list[run_v2.TrafficTarget], latest: str, **more: Any) -> run_v2.Service:
    """Returns a service at rest."""
    fields: dict[str, Any] = {
        "name": PATH,
        "etag": "one",
        "generation": 3,
        "observed_generation": 3,
        "traffic": traffic,
        "traffic_statuses": [
            run_v2.TrafficTargetStatus(revision=entry.revision or latest, percent=entry.percent, tag=entry.tag)
            for entry in traffic
        ],
        "latest_ready_revision": f"{PATH}/revisions/{latest}",
        "latest_created_revision": f"{PATH}/revisions/{latest}",
        "terminal_condition": run_v2.Condition(type_="Ready", state=run_v2.Condition.State.CONDITION_SUCCEEDED),
    }
    return run_v2.Service(**(fields | more))


@dataclass
class FakeCloudRun:
    """What the server holds and what it was asked."""

    service: run_v2.Service
    revisions: list[run_v2.Revision]
    permissions: list[str] = field(default_factory=lambda: ["run.services.update"])
    operation_error: str = ""
    looks_until_done: int = 1
    updates: list[run_v2.UpdateServiceRequest] = field(default_factory=list[run_v2.UpdateServiceRequest])
    calls: list[str] = field(default_factory=list[str])
    faults: dict[str, list[tuple[grpc.StatusCode, str]]] = field(
        default_factory=dict[str, list[tuple[grpc.StatusCode, str]]]
    )
    address: str = ""

    async def get_service(self, request: run_v2.GetServiceRequest) -> run_v2.Service:
        """Answers GetService."""
        assert request.name == PATH
        return self.service

    async def list_revisions(self, request: run_v2.ListRevisionsRequest) -> run_v2.ListRevisionsResponse:
        """Answers ListRevisions, two a page."""
        start = int(request.page_token or 0)
        token = str(start + 2) if start + 2 < len(self.revisions) else ""
        return run_v2.ListRevisionsResponse(revisions=self.revisions[start : start + 2], next_page_token=token)

    async def update_service(self, request: run_v2.UpdateServiceRequest) -> operations_pb2.Operation:
        """Answers UpdateService: accepted, and serving at once."""
        self.updates.append(request)
        self.service.traffic = request.service.traffic
        self.service.etag = "two"
        return operations_pb2.Operation(name=f"{PATH}/operations/1")

    async def get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        """Answers GetOperation: done after some looks, with the error that the test wants."""
        self.looks_until_done -= 1
        if self.looks_until_done > 0:
            return operations_pb2.Operation(name=request.name)
        if self.operation_error:
            error = status_pb2.Status(code=9, message=self.operation_error)
            return operations_pb2.Operation(name=request.name, done=True, error=error)
        return operations_pb2.Operation(name=request.name, done=True)

    async def test_permissions(
        self, request: iam_policy_pb2.TestIamPermissionsRequest
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Answers TestIamPermissions."""
        granted = [name for name in request.permissions if name in self.permissions]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted)

    def handlers(self) -> grpc.GenericRpcHandler:
        """Returns the server's methods by their path."""

        def plus(kind: Any) -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
            return kind.deserialize, lambda message: type(message).serialize(message)

        def plain(kind: Any) -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
            return kind.FromString, lambda message: message.SerializeToString()

        methods: dict[str, tuple[Callable[[Any], Awaitable[Any]], Any, Callable[[Any], bytes]]] = {
            f"{_SERVICES}GetService": (self.get_service, *plus(run_v2.GetServiceRequest)),
            f"{_SERVICES}UpdateService": (
                self.update_service,
                plus(run_v2.UpdateServiceRequest)[0],
                plain(operations_pb2.Operation)[1],
            ),
            f"{_SERVICES}TestIamPermissions": (
                self.test_permissions,
                *plain(iam_policy_pb2.TestIamPermissionsRequest),
            ),
            "/google.cloud.run.v2.Revisions/ListRevisions": (self.list_revisions, *plus(run_v2.ListRevisionsRequest)),
            "/google.longrunning.Operations/GetOperation": (
                self.get_operation,
                *plain(operations_pb2.GetOperationRequest),
            ),
        }
        return _Handlers(self, methods)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, fake: FakeCloudRun, methods: dict[str, Any]) -> None:
        self._fake = fake
        self._methods = methods

    def service(self, handler_call_details: Any) -> Any:
        """Returns the handler of one call, through whatever fault waits for it."""
        found = self._methods.get(handler_call_details.method)
        if found is None:
            return None
        answer, read, write = found
        name = handler_call_details.method.rsplit("/", 1)[-1]

        async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self._fake.calls.append(name)
            waiting = self._fake.faults.get(name)
            if waiting:
                code, words = waiting.pop(0)
                await context.abort(code, words)
            return await answer(request)

        return grpc.unary_unary_rpc_method_handler(handle, read, write)


@asynccontextmanager
async def running(fake: FakeCloudRun) -> AsyncGenerator[FakeCloudRun]:
    """Runs the server, and sets its address; a second time, at the same one."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((fake.handlers(),))
    fake.address = f"127.0.0.1:{server.add_insecure_port(fake.address or '127.0.0.1:0')}"
    await server.start()
    try:
        yield fake
    finally:
        await server.stop(None)

"""Cloud Run over gRPC, for `google.cloud.run_v2`'s own clients.

The client library has no server side, so this is a generic handler that maps each method's path to
its messages.
"""

# grpc and the protobuf modules come without type information.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUntypedBaseClass=false

# ruff: noqa: ANN401 - grpc has no types

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.cloud.run_v2 import types
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2

from allclear.simulator.apis.cloud_run.service import CloudRun, region_of
from allclear.simulator.apis.http_api import Call
from allclear.simulator.run_service import RunError

_SERVICES = "/google.cloud.run.v2.Services/"
_REVISIONS = "/google.cloud.run.v2.Revisions/"
_OPERATIONS = "/google.longrunning.Operations/"


class CloudRunGrpc(grpc.GenericRpcHandler):
    """Answers each known method; grpc itself answers UNIMPLEMENTED for the others."""

    def __init__(self, cloud_run: CloudRun) -> None:
        super().__init__()
        self._cloud_run = cloud_run
        run, iam, longrunning = cloud_run, iam_policy_pb2, operations_pb2
        self._handlers: dict[str, Any] = {}
        self._answer_plus(f"{_SERVICES}GetService", run.get_service, types.GetServiceRequest, types.Service)
        self._answer_plus(
            f"{_SERVICES}ListServices", run.list_services, types.ListServicesRequest, types.ListServicesResponse
        )
        self._answer(
            f"{_SERVICES}UpdateService",
            run.update_service,
            types.UpdateServiceRequest.deserialize,
            longrunning.Operation.SerializeToString,
        )
        self._answer(
            f"{_SERVICES}TestIamPermissions",
            run.granted_permissions,
            iam.TestIamPermissionsRequest.FromString,
            iam.TestIamPermissionsResponse.SerializeToString,
        )
        self._answer_plus(
            f"{_REVISIONS}ListRevisions",
            run.list_revisions,
            types.ListRevisionsRequest,
            types.ListRevisionsResponse,
        )
        self._answer_plus(f"{_REVISIONS}GetRevision", run.get_revision, types.GetRevisionRequest, types.Revision)
        self._answer(
            f"{_OPERATIONS}GetOperation",
            run.get_operation,
            longrunning.GetOperationRequest.FromString,
            longrunning.Operation.SerializeToString,
        )

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a method's path, or `None`."""
        return self._handlers.get(handler_call_details.method)

    def _answer_plus(self, path: str, handle: Callable[[Any, Call], Any], asked: Any, answered: Any) -> None:
        self._answer(path, handle, asked.deserialize, answered.serialize)

    def _answer(
        self,
        path: str,
        handle: Callable[[Any, Call], Any],
        deserialize: Callable[[bytes], Any],
        serialize: Callable[[Any], bytes],
    ) -> None:
        method = path.rpartition("/")[2]

        async def call(request: Any, context: Any) -> Any:
            try:
                region = region_of(_resource(request))
                return await self._cloud_run.call(method, lambda call: handle(request, call), _hang_up(context), region)
            except RunError as error:
                await context.abort(grpc.StatusCode[error.code], error.message)

        async def answer(request: Any, context: Any) -> Any:
            # The request is carried out even if its caller's deadline passes; its result is then dropped.
            calling = asyncio.ensure_future(call(request, context))
            calling.add_done_callback(lambda done: done.cancelled() or done.exception())
            return await asyncio.shield(calling)

        self._handlers[path] = grpc.unary_unary_rpc_method_handler(answer, deserialize, serialize)


def _resource(request: Any) -> str:
    """Return the full name of what a request is about, in whichever field it has it."""
    for field in ("name", "parent", "resource"):
        if found := getattr(request, field, ""):
            return str(found)
    return str(request.service.name) if hasattr(request, "service") else ""


def _hang_up(context: Any) -> Callable[[], Awaitable[None]]:
    async def hang_up() -> None:
        # What a client's library reports when the connection breaks under a call.
        await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    return hang_up


async def serve_grpc(cloud_run: CloudRun) -> tuple[Any, int]:
    """Return a started gRPC server on a free port of the loopback interface, and that port."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((CloudRunGrpc(cloud_run),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port

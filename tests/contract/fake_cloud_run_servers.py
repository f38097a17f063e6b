"""The tests' own Cloud Run on real sockets, over gRPC and REST. A test can cut its connections."""

# ruff: noqa: ANN401 - grpc and protobuf have no types
# pyright: basic

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import grpc.aio
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import json_format

from tests.contract.fake_cloud_run import FakeCloudRun, Json, Rejection

STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class Line:
    """One protocol of a running fake: its address, its faults, and its connections."""

    def __init__(self, fake: FakeCloudRun) -> None:
        self.fake = fake
        self.address = ""
        self.calls: list[str] = []
        self.faults: dict[str, list[str]] = {}
        """Errors for the next calls of a method, as `UpdateService`: a code, `cut` (the connections) or `hang`."""
        self._open: set[asyncio.StreamWriter] = set()

    def lose_answer(self) -> None:
        """Let the next write take effect, and cut the connections before its answer."""
        self.fake.after_write.append(self.cut)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def answer(self, method: str, do: Callable[[], Json]) -> Json:
        """Answer one call, after the fault that waits for it. Raises Rejection."""
        self.calls.append(method)
        waiting = self.faults.get(method)
        if waiting:
            fault = waiting.pop(0)
            if fault == "cut":
                self.cut()
            elif fault == "hang":
                await asyncio.sleep(3600)
            else:
                raise Rejection(fault, "Because.")
        return do()

    @asynccontextmanager
    async def wired(self, port: int, here: int) -> AsyncGenerator[None]:
        """Forward connections to a server's port, so that a test can cut them."""

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            self._open.add(writer)
            try:
                await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
            finally:
                self._open.discard(writer)
                far_writer.close()

        async with _listening(join, here) as listening:
            self.address = f"127.0.0.1:{listening}"
            yield


@asynccontextmanager
async def _listening(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    port: int = 0,
) -> AsyncGenerator[int]:
    """Listen on this port, or a free one, and yield it. Close every connection at the end."""
    under_way: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            await handle(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            under_way.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(under_way):
            task.cancel()
        await asyncio.gather(*under_way)


# --- REST --------------------------------------------------------------------------------------------


def _rest_call(fake: FakeCloudRun, method: str, target: str, body: Json) -> tuple[str, Callable[[], Json]]:
    parts, query = urlsplit(target), parse_qs(urlsplit(target).query)
    name = parts.path.removeprefix("/v2/")
    if method == "PATCH":
        mask = query.get("updateMask", [""])[0].split(",")
        return "UpdateService", lambda: fake.update_service(name, body, mask)
    if method == "POST" and name.endswith(":testIamPermissions"):
        resource = name.removesuffix(":testIamPermissions")
        return "TestIamPermissions", lambda: fake.test_permissions(resource, body["permissions"])
    if "/operations/" in name:
        return "GetOperation", lambda: fake.get_operation(name)
    if "/revisions/" in name:
        return "GetRevision", lambda: fake.get_revision(name)
    if name.endswith("/revisions"):
        token = query.get("pageToken", [""])[0]
        return "ListRevisions", lambda: fake.list_revisions(name.removesuffix("/revisions"), token)
    return "GetService", lambda: fake.get_service(name)


async def _rest_connection(line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            method, target, _ = first.split(" ")
            headers = {key.lower(): value.strip() for key, _, value in (one.partition(":") for one in lines)}
            sent = await reader.readexactly(int(headers.get("content-length", 0)))
            name, do = _rest_call(line.fake, method, target, json.loads(sent or b"{}"))
            status = 200
            try:
                found = await line.answer(name, do)
            except Rejection as no:
                status = STATUS[no.code]
                found = {"error": {"code": status, "message": no.words, "status": no.code}}
            said = json.dumps(found).encode()
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n".encode())
            writer.write(f"Content-Length: {len(said)}\r\n\r\n".encode() + said)
            await writer.drain()


# --- gRPC --------------------------------------------------------------------------------------------


def _body(message: Any) -> Json:
    return json_format.MessageToDict(message, use_integers_for_enums=True)


def _update(fake: FakeCloudRun, request: Any) -> Json:
    return fake.update_service(request.service.name, _body(request.service), list(request.update_mask.paths))


_METHODS: dict[str, tuple[Any, Any, Callable[[FakeCloudRun, Any], Json]]] = {
    "GetService": (run_v2.GetServiceRequest.pb(), run_v2.Service.pb(), lambda fake, r: fake.get_service(r.name)),
    "UpdateService": (run_v2.UpdateServiceRequest.pb(), operations_pb2.Operation, _update),
    "ListRevisions": (
        run_v2.ListRevisionsRequest.pb(),
        run_v2.ListRevisionsResponse.pb(),
        lambda fake, r: fake.list_revisions(r.parent, r.page_token),
    ),
    "GetRevision": (
        run_v2.GetRevisionRequest.pb(),
        run_v2.Revision.pb(),
        lambda fake, r: fake.get_revision(r.name),
    ),
    "TestIamPermissions": (
        iam_policy_pb2.TestIamPermissionsRequest,
        iam_policy_pb2.TestIamPermissionsResponse,
        lambda fake, r: fake.test_permissions(r.resource, list(r.permissions)),
    ),
    "GetOperation": (
        operations_pb2.GetOperationRequest,
        operations_pb2.Operation,
        lambda fake, r: fake.get_operation(r.name),
    ),
}


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, line: Line) -> None:
        self._line = line

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of one call."""
        method = handler_call_details.method.rsplit("/", 1)[-1]
        asked, answered, do = _METHODS[method]

        async def handle(request: Any, context: Any) -> Any:
            try:
                found = await self._line.answer(method, lambda: do(self._line.fake, request))
            except Rejection as no:
                await context.abort(grpc.StatusCode[no.code], no.words)
            else:
                return json_format.ParseDict(found, answered())

        return grpc.unary_unary_rpc_method_handler(handle, asked.FromString, answered.SerializeToString)


# --- both --------------------------------------------------------------------------------------------


def _rest(line: Line) -> AbstractAsyncContextManager[int]:
    return _listening(lambda reader, writer: _rest_connection(line, reader, writer))


@asynccontextmanager
async def _grpc(line: Line) -> AsyncGenerator[int]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Handlers(line),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def serving(fake: FakeCloudRun, transport: str, port: int = 0) -> AsyncGenerator[Line]:
    """Serve the fake over `grpc` or `rest`, on this port or a free one, and yield the line to it."""
    line = Line(fake)
    async with (_rest if transport == "rest" else _grpc)(line) as behind, line.wired(behind, port):
        yield line

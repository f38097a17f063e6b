"""The production behind both sides of the benchmark: it answers at once, and writes down when it was asked what.

Any service of any region exists as soon as a client asks for it. Its latest revision is bad, the one before is good.
Cloud Run is spoken over gRPC; the storefront, PagerDuty, Cloud Monitoring, Cloud Logging and Prefect's API over one
HTTP port, as is the control:

    GET  /control/calls?place=P                    what was asked, as lists [kind, place, arrived, answered]
    GET  /control/wait?place=P&kind=K&count=N      the same, once N calls of that kind have come
    POST /control/hold?place=P, /control/release   lets calls to a place hang

A place is a service's name, for Cloud Run with its region, as `k-0001@us-central1`; `place=P` means all that begin so.
Times are `time.monotonic()` in seconds, which on Linux is one clock for all processes.
"""

# grpc and the protobuf modules come without type information.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUntypedBaseClass=false
# ruff: noqa: ANN401 - grpc has no types

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import grpc
import grpc.aio
import uvicorn
from google.cloud.run_v2 import types
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2

from tests.benchmarks.asgi import Message, Receive, Scope, Send, answer, body_of

PROJECT, PAGERDUTY_KEY = "bench-project", "0123456789abcdef0123456789abcdef"
_NAME = re.compile(r"\b[a-z]-\d{4}\b")
_SUCCEEDED = types.Condition.State.CONDITION_SUCCEEDED
_LATEST = types.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST


@dataclass
class Ledger:
    """What was asked, and who waits for something to be asked."""

    calls: list[list[Any]] = field(default_factory=list[list[Any]])
    held: str | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    async def came(self, kind: str, place: str) -> list[Any]:
        """Write a call down; while its place is held it goes no further."""
        call = [kind, place, time.monotonic(), 0.0]
        self.calls.append(call)
        self._news.set()
        self._news = asyncio.Event()
        if self.held is not None and place.startswith(self.held):
            await self._freed.wait()
        return call

    def release(self) -> None:
        """Let everything go on."""
        self.held = None
        self._freed.set()
        self._freed = asyncio.Event()

    def of(self, place: str, kind: str = "") -> list[list[Any]]:
        """Return the calls of places that begin with `place`, in order."""
        return [call for call in self.calls if call[1].startswith(place) and kind in {"", call[0]}]

    async def wait(self, place: str, kind: str, count: int) -> list[list[Any]]:
        """Return the calls of that kind once there are so many."""
        while True:
            news, found = self._news, self.of(place, kind)
            if len(found) >= count:
                return found
            await news.wait()


@dataclass
class Running:
    """One service in one region."""

    etag: int = 1
    traffic: tuple[tuple[str, int], ...] = (("", 100),)
    """Revision -> percent; an empty name for the latest."""


class CloudRunHandler(grpc.GenericRpcHandler):
    """Cloud Run as the client library calls it."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self.running: dict[str, Running] = {}
        services, revisions = "/google.cloud.run.v2.Services/", "/google.cloud.run.v2.Revisions/"
        iam, operation = iam_policy_pb2, operations_pb2.Operation
        self._handlers = {
            f"{services}GetService": self._method(
                "GetService",
                lambda r: r.name,
                self._service,
                types.GetServiceRequest.deserialize,
                types.Service.serialize,
            ),
            f"{revisions}ListRevisions": self._method(
                "ListRevisions",
                lambda r: r.parent,
                self._revisions,
                types.ListRevisionsRequest.deserialize,
                types.ListRevisionsResponse.serialize,
            ),
            f"{services}TestIamPermissions": self._method(
                "TestIamPermissions",
                lambda r: r.resource,
                self._granted,
                iam.TestIamPermissionsRequest.FromString,
                iam.TestIamPermissionsResponse.SerializeToString,
            ),
            f"{services}UpdateService": self._method(
                "UpdateService",
                lambda r: r.service.name,
                self._update,
                types.UpdateServiceRequest.deserialize,
                operation.SerializeToString,
            ),
            "/google.longrunning.Operations/GetOperation": self._method(
                "GetOperation",
                lambda r: r.name,
                lambda r: operation(name=r.name, done=True),
                operations_pb2.GetOperationRequest.FromString,
                operation.SerializeToString,
            ),
        }

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a method's path, or None."""
        return self._handlers.get(handler_call_details.method)

    def _method(
        self, kind: str, path: Callable[[Any], str], handle: Callable[[Any], Any], read: Any, write: Any
    ) -> Any:
        async def call(request: Any, context: Any) -> Any:
            entry = await self._ledger.came(kind, _place(path(request)))
            try:
                return handle(request)
            except ValueError as stale:
                await context.abort(grpc.StatusCode.ABORTED, str(stale))
            finally:
                entry[3] = time.monotonic()

        return grpc.unary_unary_rpc_method_handler(call, read, write)

    def _service(self, request: types.GetServiceRequest) -> types.Service:
        now = self.running.setdefault(_place(request.name), Running())
        bad = f"{request.name}/revisions/{_revision(request.name, 'bad')}"
        succeeded = types.Condition(type_="Ready", state=_SUCCEEDED)
        return types.Service(
            name=request.name,
            etag=f'"{now.etag}"',
            generation=now.etag,
            observed_generation=now.etag,
            latest_ready_revision=bad,
            latest_created_revision=bad,
            terminal_condition=succeeded,
            conditions=[types.Condition(type_="RoutesReady", state=_SUCCEEDED)],
            update_time=datetime.now(UTC) - timedelta(minutes=10),
            traffic=[_target(types.TrafficTarget, name, percent) for name, percent in now.traffic],
            traffic_statuses=[_target(types.TrafficTargetStatus, name, percent) for name, percent in now.traffic],
        )

    def _revisions(self, request: types.ListRevisionsRequest) -> types.ListRevisionsResponse:
        ready = [types.Condition(type_="Ready", state=_SUCCEEDED)]
        ages = {"bad": timedelta(minutes=10), "good": timedelta(days=9)}
        return types.ListRevisionsResponse(
            revisions=[
                types.Revision(
                    name=f"{request.parent}/revisions/{_revision(request.parent, which)}",
                    create_time=datetime.now(UTC) - age,
                    conditions=ready,
                )
                for which, age in ages.items()
            ]
        )

    def _granted(self, request: Any) -> Any:
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=list(request.permissions))

    def _update(self, request: types.UpdateServiceRequest) -> Any:
        now = self.running.setdefault(_place(request.service.name), Running())
        if request.service.etag != f'"{now.etag}"':
            raise ValueError("the etag is stale")
        now.etag += 1
        now.traffic = tuple((one.revision, one.percent) for one in request.service.traffic)
        return operations_pb2.Operation(name=f"{request.service.name}/operations/{now.etag}")


def _place(path: str) -> str:
    """Return `web@region` of `projects/P/locations/region/services/web…`."""
    parts = path.split("/")
    return f"{parts[5]}@{parts[3]}"


def _revision(path: str, which: str) -> str:
    return f"{path.rpartition('/')[2]}-{which}"


def _target(kind: type[Any], revision: str, percent: int) -> Any:
    return kind(revision=revision, percent=percent) if revision else kind(type_=_LATEST, percent=percent)


class Http:
    """Everything that is spoken over HTTP, as one ASGI application."""

    def __init__(self, ledger: Ledger, run: CloudRunHandler) -> None:
        self._ledger = ledger
        self._run = run
        self._known: dict[str, Callable[[str, bytes], Awaitable[Message]]] = {
            "/store/": self._store,
            "/v2/enqueue": self._page,
            "/v1/projects/": self._metrics,
            "/v2/entries:list": self._logs,
            "/prefect/": self._prefect,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, body = str(scope["path"]), await body_of(receive)
        if path.startswith("/control/"):
            await answer(send, 200, await self._control(path, scope))
            return
        for start, handle in self._known.items():
            if path.startswith(start):
                await answer(send, *await handle(path, body))
                return
        await answer(send, 404, {})

    async def _store(self, path: str, _body: bytes) -> Message:
        name = path.split("/")[2]
        call = await self._ledger.came("probe", name)
        places = [one for place, one in self._run.running.items() if place.startswith(f"{name}@")]
        well = bool(places) and all(one.traffic[0][0].endswith("good") for one in places)
        call[3] = time.monotonic()
        return (200, {"status": "ok"}) if well else (500, {"status": "broken"})

    async def _page(self, _path: str, body: bytes) -> Message:
        call = await self._ledger.came("page", _named(body))
        call[3] = time.monotonic()
        return 202, {"status": "success", "message": "Event processed", "dedup_key": json.loads(body)["dedup_key"]}

    async def _metrics(self, _path: str, body: bytes) -> Message:
        name = _named(body)
        call = await self._ledger.came("metrics", name)
        series = [_series(name, "good", "2xx", "5000"), _series(name, "bad", "5xx", "40")]
        call[3] = time.monotonic()
        return 200, {"status": "success", "data": {"resultType": "vector", "result": series}}

    async def _logs(self, _path: str, body: bytes) -> Message:
        call = await self._ledger.came("logs", _named(body))
        call[3] = time.monotonic()
        return 200, {}

    async def _prefect(self, path: str, _body: bytes) -> Message:
        """As far as the outbox messages go: a deployment by its name, a flow run made, a flow run's state."""
        if "/deployments/name/" in path:
            return 200, {"id": "00000000-0000-0000-0000-000000000001"}
        if path.endswith("/flow_runs/filter"):
            return 200, []
        if path.endswith("/create_flow_run"):
            return 201, {"id": "00000000-0000-0000-0000-000000000002"}
        return 200, {"status": "ACCEPT", "state_type": "SCHEDULED"}

    async def _control(self, path: str, scope: Scope) -> Any:
        said = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        place = said.get("place", "")
        match path.rpartition("/")[2]:
            case "calls":
                return self._ledger.of(place, said.get("kind", ""))
            case "wait":
                return await self._ledger.wait(place, said["kind"], int(said["count"]))
            case "hold":
                self._ledger.held = place
            case _:
                self._ledger.release()
        return {}


def _named(body: bytes) -> str:
    found = _NAME.search(unquote_plus(body.decode()))
    return found[0] if found else "?"


def _series(name: str, which: str, code: str, count: str) -> dict[str, Any]:
    return {"metric": {"revision_name": f"{name}-{which}", "response_code_class": code}, "value": [0, count]}


async def serve() -> None:
    """Says in its first line where it answers, as `allclear simulate --json` does; ends with SIGTERM or SIGINT."""
    ledger = Ledger()
    run = CloudRunHandler(ledger)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((run,))
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    config = uvicorn.Config(
        Http(ledger, run), host="127.0.0.1", port=0, lifespan="off", log_level="error", access_log=False
    )
    http = uvicorn.Server(config)
    serving = asyncio.create_task(http.serve())
    while not http.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    base = f"http://127.0.0.1:{http.servers[0].sockets[0].getsockname()[1]}"
    endpoints = dict.fromkeys(("pagerduty", "cloud_monitoring", "cloud_logging"), base)
    said = {
        "endpoints": {"cloud_run_grpc": f"127.0.0.1:{grpc_port}", "storefront": f"{base}/store", **endpoints},
        "control": f"{base}/control",
        "secrets": {"pagerduty": PAGERDUTY_KEY},
        "options": {"cloud_run": {"project": PROJECT, "region": "us-central1"}},
    }
    print(json.dumps(said), flush=True)
    await serving
    await server.stop(grace=0.1)


if __name__ == "__main__":
    asyncio.run(serve())

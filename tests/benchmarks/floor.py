"""The floor: the thinnest honest webhook that contains. No framework, no journal, no plan, no approval.

An alert is kept with SQLite, `synchronous=FULL` and group commit, before it is answered with 202. Then the same calls
are made that allclear makes for the same containment, with the same clients (google-cloud-run, httpx), and what was
done is noted. Started again, it does what it has not noted as done.

    POST /alerts   {"service": "f-0001", "regions": ["us-central1"], "way": "decided"}

`decided`: everything after the decision, in all regions at once. `whole`: the probes, the page and the questions around
it, too. `keep`: none.
"""

# The generated clients have partial types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from tests.benchmarks.asgi import Receive, Scope, Send, answer, body_of

_CHECKS = 5
"""Requests of one probe, as in the benchmark's company."""
_CONNECTIONS = httpx.Limits(max_connections=50, max_keepalive_connections=50)


class Store:
    """Alerts in SQLite. One thread writes, and commits together what came meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wanted: queue.SimpleQueue[tuple[str, tuple[Any, ...], asyncio.Future[int]]] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE IF NOT EXISTS alerts (id INTEGER PRIMARY KEY, body BLOB, done INTEGER)")
            self.left: list[tuple[int, bytes]] = database.execute(
                "SELECT id, body FROM alerts WHERE done = 0"
            ).fetchall()
        threading.Thread(target=self._write, daemon=True).start()

    async def keep(self, body: bytes) -> int:
        """Return an alert's number once it is durable."""
        return await self._ask("INSERT INTO alerts (body, done) VALUES (?, 0)", (body,))

    async def done(self, alert: int) -> None:
        """Record that nothing is left to do for an alert."""
        await self._ask("UPDATE alerts SET done = 1 WHERE id = ?", (alert,))

    async def _ask(self, statement: str, values: tuple[Any, ...]) -> int:
        durable = self._loop.create_future()
        self._wanted.put((statement, values, durable))
        return await durable

    def _write(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        database.execute("PRAGMA synchronous=FULL")
        while True:
            batch = [self._wanted.get()]
            with suppress(queue.Empty):
                while True:
                    batch.append(self._wanted.get_nowait())
            database.execute("BEGIN IMMEDIATE")
            rows = [database.execute(statement, values).lastrowid for statement, values, _ in batch]
            database.execute("COMMIT")
            self._loop.call_soon_threadsafe(
                _resolve, [(one[2], row or 0) for one, row in zip(batch, rows, strict=True)]
            )


def _resolve(durable: list[tuple[asyncio.Future[int], int]]) -> None:
    for future, row in durable:
        future.set_result(row)


class Calls:
    """The calls of a containment, over the real clients."""

    def __init__(self, simulation: dict[str, Any]) -> None:
        self._where = simulation["endpoints"]
        self._project = simulation["options"]["cloud_run"]["project"]
        self._key = simulation["secrets"]["pagerduty"]
        self._http = httpx.AsyncClient(limits=_CONNECTIONS, trust_env=False)
        self._clients: tuple[Any, Any] | None = None
        self._loading = asyncio.create_task(asyncio.to_thread(_load))

    async def contain(self, said: dict[str, Any], *, again: bool = False) -> None:
        """Make the calls of one alert; `again` says that some may have been made before."""
        regions = said["regions"]
        if said["way"] == "whole":
            await self._before(said["service"], regions[0])
        await asyncio.gather(*(self._roll_back(said["service"], region, again=again) for region in regions))
        if said["way"] == "whole":
            await self._check(said["service"])
            await asyncio.gather(self._read(said["service"], regions[0]), self._witnesses(said["service"]))

    async def _before(self, service: str, region: str) -> None:
        await self._check(service)
        await self._page(service)
        await self._check(service)
        await asyncio.gather(self._read(service, region), self._witnesses(service))
        await self._permitted(service, region)
        await self._check(service)

    async def _check(self, service: str) -> None:
        url = f"{self._where['storefront']}/{service}/"
        await asyncio.gather(*(self._http.get(url) for _ in range(_CHECKS)))

    async def _page(self, service: str) -> None:
        payload = {"summary": f"{service} is failing", "source": service, "severity": "critical"}
        event = {"routing_key": self._key, "event_action": "trigger", "dedup_key": service, "payload": payload}
        await self._http.post(f"{self._where['pagerduty']}/v2/enqueue", json=event)

    async def _witnesses(self, service: str) -> None:
        metrics = (
            f"{self._where['cloud_monitoring']}/v1/projects/{self._project}/location/global/prometheus/api/v1/query"
        )
        logs = f"{self._where['cloud_logging']}/v2/entries:list"
        await asyncio.gather(
            self._http.post(metrics, data={"query": f'requests{{service_name="{service}"}}'}),
            self._http.post(logs, json={"filter": f'resource.labels.service_name="{service}"'}),
        )

    async def _roll_back(self, service: str, region: str, *, again: bool) -> None:
        from google.cloud import run_v2  # noqa: PLC0415 - 1 s; it is being loaded beside
        from google.protobuf import field_mask_pb2  # noqa: PLC0415 - as above

        found = await self._read(service, region)
        if again and found.traffic[0].revision:
            return
        await self._permitted(service, region)
        services, _ = await self._made()
        kind = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
        target = run_v2.TrafficTarget(type_=kind, revision=f"{service}-good", percent=100)
        wanted = run_v2.Service(name=found.name, traffic=[target], etag=found.etag)
        request = run_v2.UpdateServiceRequest(service=wanted, update_mask=field_mask_pb2.FieldMask(paths=["traffic"]))
        operation = await services.update_service(request=request, retry=None, timeout=15)
        await services.get_operation({"name": operation.operation.name}, retry=None, timeout=8)
        await self._read(service, region)

    async def _read(self, service: str, region: str) -> Any:  # noqa: ANN401 - run_v2.Service, loaded late
        services, revisions = await self._made()
        path = self._path(service, region)
        found, _ = await asyncio.gather(
            services.get_service(name=path, retry=None, timeout=8),
            revisions.list_revisions(request={"parent": path, "page_size": 100}, retry=None, timeout=8),
        )
        return found

    async def _permitted(self, service: str, region: str) -> None:
        services, _ = await self._made()
        asked = {"resource": self._path(service, region), "permissions": ["run.services.update"]}
        await services.test_iam_permissions(request=asked, retry=None, timeout=8)

    def _path(self, service: str, region: str) -> str:
        return f"projects/{self._project}/locations/{region}/services/{service}"

    async def _made(self) -> tuple[Any, Any]:
        await self._loading
        if self._clients is None:
            import grpc.aio  # noqa: PLC0415 - loaded beside, as above
            from google.cloud import run_v2  # noqa: PLC0415 - as above
            from google.cloud.run_v2.services.revisions.transports import (  # noqa: PLC0415 - as above
                RevisionsGrpcAsyncIOTransport,
            )
            from google.cloud.run_v2.services.services.transports import (  # noqa: PLC0415 - as above
                ServicesGrpcAsyncIOTransport,
            )

            channel = grpc.aio.insecure_channel(self._where["cloud_run_grpc"], options=[("grpc.enable_http_proxy", 0)])
            self._clients = (
                run_v2.ServicesAsyncClient(transport=ServicesGrpcAsyncIOTransport(channel=channel)),
                run_v2.RevisionsAsyncClient(transport=RevisionsGrpcAsyncIOTransport(channel=channel)),
            )
        return self._clients


def _load() -> None:
    """Load what the first call needs: a thread does it, while alerts are taken already."""
    for module in ("grpc.aio", "google.cloud.run_v2"):
        import_module(module)


class Webhook:
    """The ASGI application."""

    def __init__(self, database: Path, simulation: dict[str, Any]) -> None:
        self._database = database
        self._simulation = simulation
        self._working: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep an alert, answers, then contains."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = await body_of(receive)
        if scope["method"] == "GET":
            await answer(send, 200, {"status": "ok"})
            return
        alert = await self._store.keep(body)
        await answer(send, 202, {"id": alert})
        said = json.loads(body)
        if said["way"] != "keep":
            self._start(alert, said)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._store, self._calls = Store(self._database), Calls(self._simulation)
        for alert, body in self._store.left:
            self._start(alert, json.loads(body), again=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self, alert: int, said: dict[str, Any], *, again: bool = False) -> None:
        task = asyncio.create_task(self._work(alert, said, again=again))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, alert: int, said: dict[str, Any], *, again: bool) -> None:
        await self._calls.contain(said, again=again)
        await self._store.done(alert)


if __name__ == "__main__":
    app = Webhook(Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text()))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)

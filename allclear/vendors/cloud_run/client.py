"""Cloud Run: reads a service and its revisions, and sets its traffic, over gRPC or REST.

What is asked, how often and for how long stands here; `cloud_run_grpc` and `cloud_run_rest` send it, and
`cloud_run_errors` says what a refusal means. See docs/decisions/0011-cloud-run-over-rest.md.

Source: google-cloud-run 0.16.2, tried 2026-11 over both:
- `update_service` takes 15 s at most and is never sent again by the library. With the mask `traffic` and no template
  only traffic changes; without the mask Cloud Run takes it for a deployment.
- A stale etag is ABORTED, over REST 409.
- `AsyncOperation.result()` waits 1 s before its second look: we look ourselves, after 50 ms, then x1.5.
- `test_iam_permissions` needs no permission of its own.
- One address serves every region: the region stands in a service's full name.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# reason: the generated messages have partial types; nothing untyped leaves this module.

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import ClassVar, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field

from allclear.domain.base import Model
from allclear.domain.systems import Access, Region
from allclear.vendors.access import is_loopback, options_of, shown
from allclear.vendors.cloud_run.errors import PASSING, Failure, meaning
from allclear.vendors.cloud_run.transport import Address, Kind, Link, Transport
from allclear.vendors.cloud_run.views import (
    OperationResult,
    RunRevision,
    RunService,
    Traffic,
    revision_view,
    service_view,
    traffic_message,
)
from allclear.vendors.errors import Call, quote

R = TypeVar("R")

WRITE_SECONDS = 15.0
_READ_SECONDS = 8.0
_PATIENCE_SECONDS = 3.0
"""How long a read is tried again while Cloud Run is unavailable."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_FIRST_LOOK, _SLOWEST_LOOK = 0.05, 1.0
_PAGE = 100

UPDATE_PERMISSION = "run.services.update"


class CloudRunOptions(Model):
    """Where the services run, and how Cloud Run is spoken to."""

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")
    region: Region = Field(description="Where a service runs that names no region of its own.")
    transport: Kind = Field(default="grpc", description="`rest` where gRPC does not get through, as behind a proxy.")


class CloudRun:
    """Reads and writes the services of one project and region."""

    system: ClassVar[str] = "cloud_run"
    options: ClassVar[type[Model]] = CloudRunOptions

    def __init__(
        self,
        options: CloudRunOptions,
        host: str,
        *,
        plain: bool,
        patience: float = _PATIENCE_SECONDS,
        write_seconds: float = WRITE_SECONDS,
    ) -> None:
        self.project = options.project
        self.region = options.region
        self._patience = patience
        self._write_seconds = write_seconds
        self._link = Link(Address(options.transport, host, plain))

    def __repr__(self) -> str:
        """Return where it is aimed, without its secret."""
        return f"CloudRun({shown(self._link.address.host)!r}, {self.project!r}, {self.region!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; loads and sends nothing yet. Raises ConfigError.

        It signs in with Google's application default credentials; against a simulated system or this machine
        it does not sign in at all, and does not encrypt.
        """
        plain = access.simulated or is_loopback(access.endpoint)
        parts = urlsplit(access.endpoint if "//" in access.endpoint else f"//{access.endpoint}")
        return cls(options_of(access, CloudRunOptions), shown(parts.netloc), plain=plain)

    def at(self, region: str) -> Self:
        """Return a client of another region over the same connections; closing either closes them."""
        if region == self.region:
            return self
        other = copy.copy(self)
        other.region = region
        return other

    async def close(self) -> None:
        """Release the running loop's connections."""
        await self._link.close()

    async def warm(self) -> None:
        """Load the library and the credentials beside other work, so that the first call does not wait for them."""
        await self._link.warm()

    def path(self, service: str) -> str:
        """Return the full name of `service`, as `projects/P/locations/R/services/S`."""
        return f"projects/{self.project}/locations/{self.region}/services/{service}"

    async def service(self, service: str) -> RunService:
        """Return the service as it is now. Raises NotFound, Denied, Unreachable."""
        call, path = Call("Cloud Run", f"read the service {service}", write=False), self.path(service)
        return service_view(await self._read(call, path, lambda link: link.get_service(path, _READ_SECONDS)))

    async def revisions(self, service: str) -> tuple[RunRevision, ...]:
        """Return all revisions of the service, the newest first. Raises NotFound, Denied, Unreachable."""
        call, path = Call("Cloud Run", f"list the revisions of {service}", write=False), self.path(service)
        pages = await self._read(call, path, lambda link: link.list_revisions(path, _PAGE, _READ_SECONDS))
        found = [revision_view(revision) for revision in pages]
        return tuple(sorted(found, key=lambda revision: revision.created, reverse=True))

    async def may(self, service: str, permission: str) -> bool:
        """Return whether our credentials have `permission` on the service."""
        call, path = Call("Cloud Run", f"check our permission on {service}", write=False), self.path(service)
        return await self._read(call, path, lambda link: link.granted(path, permission, _READ_SECONDS))

    async def set_traffic(self, service: str, traffic: tuple[Traffic, ...], etag: str) -> str:
        """Set the traffic if the service still has `etag`, and returns the operation's name.

        Returns when Cloud Run has accepted it, not when it shows. Raises Conflict for a stale etag, Denied,
        VendorRefused, Unreachable, AnswerLost.
        """
        call, path = Call("Cloud Run", f"set the traffic of {service}", write=True), self.path(service)
        await self.warm()
        from google.cloud import run_v2  # noqa: PLC0415 - 1 s, loaded by warm
        from google.protobuf import field_mask_pb2  # noqa: PLC0415 - loaded by warm

        wanted = run_v2.Service(name=path, traffic=traffic_message(traffic), etag=etag)
        mask = field_mask_pb2.FieldMask(paths=["traffic"])
        request = run_v2.UpdateServiceRequest(service=wanted, update_mask=mask)
        try:
            operation = await self._link.here().update_service(request, self._write_seconds)
        except Failure as failure:
            raise meaning(call, failure, path) from failure
        if not operation:  # over REST any JSON object passes for an answer
            raise call.lost("its answer names no operation")
        return operation

    async def finished(self, operation: str, within: timedelta) -> OperationResult:
        """Return how the operation stands, as soon as it is done and after `within` at the latest."""
        call, pause = Call("Cloud Run", f"follow the operation {operation}", write=False), _FIRST_LOOK
        try:
            async with asyncio.timeout(within.total_seconds()):
                while True:
                    found = await self._read(call, operation, lambda link: link.get_operation(operation, _READ_SECONDS))
                    if found.done:
                        return OperationResult(
                            done=True, error=quote(found.error.message) if found.HasField("error") else ""
                        )
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, _SLOWEST_LOOK)
        except TimeoutError:
            return OperationResult(done=False)

    async def _read(self, call: Call, path: str, send: Callable[[Transport], Awaitable[R]]) -> R:
        """Send a read, and again for a while where what kept it may pass."""
        await self.warm()
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._patience, _FIRST_PAUSE
        while True:
            try:
                return await send(self._link.here())
            except Failure as failure:
                if failure.code not in PASSING or loop.time() + pause > end:
                    raise meaning(call, failure, path) from failure
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

"""Cloud Run: reads a service and its revisions, and sets its traffic, over gRPC or REST.

This module decides what is asked and how long it may take. `grpc` and `rest` send it, and `errors` translates refusals.
See docs/decisions/0011-cloud-run-transports.md.

Source: google-cloud-run 0.16.2, tried 2026-11 over both:
- `update_service` takes 15 s at most, and the library never sends it again. With the mask `traffic` and no template
  only traffic changes; without the mask Cloud Run makes a deployment of it.
- A stale etag is ABORTED, over REST 409.
- `AsyncOperation.result()` waits 1 s before its second check: ours follows after 50 ms, then x1.5.
- `test_iam_permissions` needs no permission of its own.
- One address serves every region: the region is part of a service's full name.
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

from allclear.domain.backoff import Backoff
from allclear.domain.base import Model
from allclear.domain.systems import Access
from allclear.vendors.access import is_loopback, options_of, redacted
from allclear.vendors.cloud_run.errors import TRANSIENT, CallFailure, error_for
from allclear.vendors.cloud_run.handle import Region
from allclear.vendors.cloud_run.transport import Address, Connections, Transport, TransportKind
from allclear.vendors.cloud_run.views import (
    OperationResult,
    RunRevision,
    RunService,
    Traffic,
    revision_view,
    service_view,
    traffic_message,
)
from allclear.vendors.errors import VendorRequest, hidden, one_line
from allclear.vendors.retry import Attempt, RetryLimits, retry

R = TypeVar("R")

UPDATE_PERMISSION = "run.services.update"
WRITE_SECONDS = 15.0
_READ_SECONDS = 8.0
_RETRY_SECONDS = 3.0
"""How long a read is retried while Cloud Run is unavailable."""
_RETRY_BACKOFF = Backoff(first=0.1, longest=1.0)
_POLL_BACKOFF = Backoff(first=0.05, factor=1.5, longest=1.0)
_PAGE_SIZE = 100


class CloudRunOptions(Model):
    """The project and region of the services, and the transport."""

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")
    region: Region = Field(description="The region of each service that names none itself.")
    transport: TransportKind = Field(default="grpc", description="`rest` if gRPC is blocked, for example by a proxy.")


class CloudRun:
    """Reads and writes the services of one project and region."""

    system: ClassVar[str] = "cloud_run"
    libraries: ClassVar[tuple[str, ...]] = ("google.cloud.run_v2",)
    """What its first call imports: the runner imports it beforehand."""
    options: ClassVar[type[Model]] = CloudRunOptions

    def __init__(
        self,
        options: CloudRunOptions,
        host: str,
        *,
        plain: bool,
        retry_seconds: float = _RETRY_SECONDS,
        write_seconds: float = WRITE_SECONDS,
    ) -> None:
        self.project = options.project
        self.region = options.region
        self._retry_limits = RetryLimits(_RETRY_BACKOFF, seconds=retry_seconds)
        self._write_seconds = write_seconds
        self._connections = Connections(Address(options.transport, host, plain))

    def __repr__(self) -> str:
        """Return the address, project and region, without a secret."""
        return f"CloudRun({redacted(self._connections.address.host)!r}, {self.project!r}, {self.region!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; loads and sends nothing yet. Raises ConfigError.

        The client signs in with Google's application default credentials. For a simulated system and for this machine
        it neither signs in nor encrypts.
        """
        plain = access.simulated or is_loopback(access.endpoint)
        parts = urlsplit(access.endpoint if "//" in access.endpoint else f"//{access.endpoint}")
        return cls(options_of(access, CloudRunOptions), redacted(parts.netloc), plain=plain)

    def at(self, region: str) -> Self:
        """Return a client of another region over the same connections; closing either closes them."""
        if region == self.region:
            return self
        other = copy.copy(self)
        other.region = region
        return other

    async def close(self) -> None:
        """Release the running loop's connections."""
        await self._connections.close()

    async def warm(self) -> None:
        """Load the library and the credentials, beside other work, so that the first call need not wait for them."""
        await self._connections.warm()

    def path(self, service: str) -> str:
        """Return the full name of `service`, as `projects/P/locations/R/services/S`."""
        return f"projects/{self.project}/locations/{self.region}/services/{service}"

    async def service(self, service: str) -> RunService:
        """Return the service as it is now. Raises NotFound, Denied, Unreachable."""
        request, path = _reading(f"read the service {service}"), self.path(service)
        return service_view(
            await self._read(request, path, lambda transport: transport.get_service(path, _READ_SECONDS))
        )

    async def revisions(self, service: str) -> tuple[RunRevision, ...]:
        """Return all revisions of the service, newest first. Raises NotFound, Denied, Unreachable."""
        request, path = _reading(f"list the revisions of {service}"), self.path(service)
        messages = await self._read(
            request, path, lambda transport: transport.list_revisions(path, _PAGE_SIZE, _READ_SECONDS)
        )
        views = [revision_view(message) for message in messages]
        return tuple(sorted(views, key=lambda revision: revision.created, reverse=True))

    async def revision(self, service: str, name: str) -> RunRevision:
        """Return one revision of the service. Raises NotFound, Denied, Unreachable."""
        request, path = _reading(f"read the revision {name}"), f"{self.path(service)}/revisions/{name}"
        return revision_view(
            await self._read(request, path, lambda transport: transport.get_revision(path, _READ_SECONDS))
        )

    @property
    def principal(self) -> str:
        """Return the e-mail address of our credentials; empty if it is not known."""
        return self._connections.principal

    async def may(self, service: str, permission: str) -> bool:
        """Return whether our credentials have `permission` on the service."""
        request, path = _reading(f"check our permission on {service}"), self.path(service)
        return await self._read(request, path, lambda transport: transport.granted(path, permission, _READ_SECONDS))

    async def set_traffic(self, service: str, traffic: tuple[Traffic, ...], etag: str) -> str:
        """Set the traffic if the service still has `etag`, and return the operation's name.

        Returns when Cloud Run has accepted the write, before its effect shows. Raises Conflict for a stale etag,
        Denied, VendorRefused, Unreachable, AnswerLost.
        """
        request = VendorRequest("Cloud Run", f"set the traffic of {service}", write=True)
        path = self.path(service)
        await self.warm()
        from google.cloud import run_v2  # noqa: PLC0415 - 1 s, loaded by warm
        from google.protobuf import field_mask_pb2  # noqa: PLC0415 - loaded by warm

        wanted = run_v2.Service(name=path, traffic=traffic_message(traffic), etag=etag)
        mask = field_mask_pb2.FieldMask(paths=["traffic"])
        update = run_v2.UpdateServiceRequest(service=wanted, update_mask=mask)
        try:
            operation = await self._connections.get().update_service(update, self._write_seconds)
        except CallFailure as failure:
            raise error_for(request, failure, path, self.principal) from failure
        if not operation:  # over REST the library accepts any JSON object as an answer
            raise request.answer_lost("its answer names no operation")
        return operation

    async def finished(self, operation: str, within: timedelta) -> OperationResult:
        """Return the state of the operation as soon as it is done, and after `within` at the latest."""
        request = _reading(f"follow the operation {operation}")
        try:
            async with asyncio.timeout(within.total_seconds()):
                for pause in _POLL_BACKOFF.pauses():
                    found = await self._read(
                        request, operation, lambda transport: transport.get_operation(operation, _READ_SECONDS)
                    )
                    if found.done:
                        error = one_line(hidden(found.error.message)) if found.HasField("error") else ""
                        return OperationResult(done=True, error=error)
                    await asyncio.sleep(pause)
        except TimeoutError:
            pass
        return OperationResult(done=False)

    async def _read(self, request: VendorRequest, path: str, send: Callable[[Transport], Awaitable[R]]) -> R:
        """Send a read, and send it again for some seconds if its failure is transient."""
        await self.warm()

        async def attempt() -> Attempt[R | CallFailure]:
            try:
                return Attempt(await send(self._connections.get()))
            except CallFailure as failure:
                return Attempt(failure, retryable=failure.code in TRANSIENT)

        result = await retry(attempt, self._retry_limits)
        if isinstance(result, CallFailure):
            raise error_for(request, result, path, self.principal) from result
        return result


def _reading(purpose: str) -> VendorRequest:
    return VendorRequest("Cloud Run", purpose, write=False)

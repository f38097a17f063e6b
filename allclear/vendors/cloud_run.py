"""Cloud Run: reads a service and its revisions, and sets its traffic.

Source: google-cloud-run 0.16.2 and grpcio 1.85, tried 2026-11:
- Importing `run_v2` takes 0.6 to 1.0 s: it is loaded in a thread, when first used or by `warm`.
- A gRPC channel belongs to the loop it was made in.
- `update_service` takes 15 s at most and is never sent again by the library. With the mask `traffic` and no template
  only traffic changes; without the mask Cloud Run takes it for a deployment.
- A stale etag is ABORTED. UNAVAILABLE is both "could not connect" and "the connection broke": only its words differ.
- `AsyncOperation.result()` waits 1 s before its second look: we look ourselves, after 50 ms, then x1.5.
- `test_iam_permissions` needs no permission of its own.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# reason: the generated clients and grpc have partial types; nothing untyped leaves this module.

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field

from allclear.domain.base import Model
from allclear.domain.errors import AllclearError, MissingSecret
from allclear.domain.systems import Access
from allclear.vendors.access import is_loopback, options_of
from allclear.vendors.cloud_run_views import (
    Finished,
    RunRevision,
    RunService,
    Traffic,
    revision_view,
    service_view,
    traffic_message,
)
from allclear.vendors.loops import PerLoop
from allclear.vendors.replies import Call, quote

if TYPE_CHECKING:
    import grpc.aio
    from google.cloud import run_v2

R = TypeVar("R")

WRITE_SECONDS = 15.0
_READ_SECONDS = 8.0
_PATIENCE_SECONDS = 3.0
"""How long a read is tried again while Cloud Run is unavailable."""
_FIRST_LOOK, _SLOWEST_LOOK = 0.05, 1.0
_PAGE = 100
_NEVER_CONNECTED = ("failed to connect", "dns resolution failed", "name resolution", "connection refused", "no route")

UPDATE_PERMISSION = "run.services.update"


class CloudRunOptions(Model):
    """Where the services run."""

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")
    region: str = Field(pattern=r"^[a-z]+-[a-z]+\d+$")


@dataclass(frozen=True)
class _Stubs:
    """The generated clients of one loop, over one channel."""

    channel: grpc.aio.Channel
    services: run_v2.ServicesAsyncClient
    revisions: run_v2.RevisionsAsyncClient


class CloudRun:
    """Reads and writes the services of one project and region."""

    system: ClassVar[str] = "cloud_run"
    options: ClassVar[type[Model]] = CloudRunOptions

    def __init__(
        self, options: CloudRunOptions, host: str, *, plain: bool, patience: float = _PATIENCE_SECONDS
    ) -> None:
        self.project = options.project
        self.region = options.region
        self._host = host
        self._plain = plain
        self._patience = patience
        self._credentials: Any = None
        self._loaded = False
        self._stubs = PerLoop(self._make, lambda stubs: stubs.channel.close())

    def __repr__(self) -> str:
        """Returns where it is aimed, without its secret."""
        return f"CloudRun({self._host!r}, {self.project!r}, {self.region!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Returns a client; loads and sends nothing yet. Raises ConfigError.

        It signs in with Google's application default credentials; against a simulated system or this machine
        it does not sign in at all, and does not encrypt.
        """
        plain = access.simulated or is_loopback(access.endpoint)
        parts = urlsplit(access.endpoint if "//" in access.endpoint else f"//{access.endpoint}")
        return cls(options_of(access, CloudRunOptions), parts.netloc, plain=plain)

    async def close(self) -> None:
        """Lets go of the running loop's channel."""
        await self._stubs.close()

    async def warm(self) -> None:
        """Loads the library and the credentials beside other work, so that the first call does not wait for them."""
        if self._loaded:
            return
        await asyncio.to_thread(_load)
        if not self._plain and self._credentials is None:
            self._credentials = await asyncio.to_thread(_default_credentials)
        self._loaded = True

    def path(self, service: str) -> str:
        """Returns the full name of `service`, as `projects/P/locations/R/services/S`."""
        return f"projects/{self.project}/locations/{self.region}/services/{service}"

    async def service(self, service: str) -> RunService:
        """Returns the service as it is now. Raises NotFound, Denied, Unreachable."""
        call = Call("Cloud Run", f"read the service {service}", write=False)

        async def send(stubs: _Stubs) -> RunService:
            found = await stubs.services.get_service(
                name=self.path(service), retry=self._again(), timeout=_READ_SECONDS
            )
            return service_view(found)

        return await self._call(call, send)

    async def revisions(self, service: str) -> tuple[RunRevision, ...]:
        """Returns all revisions of the service, the newest first. Raises NotFound, Denied, Unreachable."""
        call = Call("Cloud Run", f"list the revisions of {service}", write=False)

        async def send(stubs: _Stubs) -> tuple[RunRevision, ...]:
            request = {"parent": self.path(service), "page_size": _PAGE}
            pages = await stubs.revisions.list_revisions(request=request, retry=self._again(), timeout=_READ_SECONDS)
            found = [revision_view(revision) async for revision in pages]
            return tuple(sorted(found, key=lambda revision: revision.created, reverse=True))

        return await self._call(call, send)

    async def may(self, service: str, permission: str) -> bool:
        """Says whether our credentials have `permission` on the service."""
        call = Call("Cloud Run", f"check our permission on {service}", write=False)

        async def send(stubs: _Stubs) -> bool:
            request = {"resource": self.path(service), "permissions": [permission]}
            granted = await stubs.services.test_iam_permissions(
                request=request, retry=self._again(), timeout=_READ_SECONDS
            )
            return permission in granted.permissions

        return await self._call(call, send)

    async def set_traffic(self, service: str, traffic: tuple[Traffic, ...], etag: str) -> str:
        """Sets the traffic if the service still has `etag`, and returns the operation's name.

        Returns when Cloud Run has accepted it, not when it shows. Raises Conflict for a stale etag, Denied,
        VendorRefused, Unreachable, AnswerLost.
        """
        call = Call("Cloud Run", f"set the traffic of {service}", write=True)

        async def send(stubs: _Stubs) -> str:
            from google.cloud import run_v2  # noqa: PLC0415 - 1 s, loaded already
            from google.protobuf import field_mask_pb2  # noqa: PLC0415 - loaded already

            wanted = run_v2.Service(name=self.path(service), traffic=traffic_message(traffic), etag=etag)
            mask = field_mask_pb2.FieldMask(paths=["traffic"])
            operation = await stubs.services.update_service(service=wanted, update_mask=mask, timeout=WRITE_SECONDS)
            return str(operation.operation.name)

        return await self._call(call, send)

    async def finished(self, operation: str, within: timedelta) -> Finished:
        """Returns how the operation stands, as soon as it is done and after `within` at the latest."""
        call = Call("Cloud Run", f"follow the operation {operation}", write=False)

        async def send(stubs: _Stubs) -> Finished:
            pause = _FIRST_LOOK
            while True:
                found = await stubs.services.get_operation({"name": operation}, timeout=_READ_SECONDS)
                if found.done:
                    return Finished(done=True, error=quote(found.error.message) if found.HasField("error") else "")
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, _SLOWEST_LOOK)

        try:
            async with asyncio.timeout(within.total_seconds()):
                return await self._call(call, send)
        except TimeoutError:
            return Finished(done=False)

    # --- the library ---------------------------------------------------------------------------------

    async def _call(self, call: Call, send: Callable[[_Stubs], Awaitable[R]]) -> R:
        await self.warm()
        from google.api_core.exceptions import GoogleAPICallError, RetryError  # noqa: PLC0415 - loaded by warm
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - loaded by warm

        try:
            return await send(self._stubs.here())
        except RetryError as error:
            raise meaning(call, error.cause or error) from error
        except GoogleAPICallError as error:
            raise meaning(call, error) from error
        except GoogleAuthError as error:
            raise call.denied(f"signing in failed ({type(error).__name__})") from error

    def _again(self) -> Any:  # noqa: ANN401 - google.api_core.retry.AsyncRetry
        from google.api_core import exceptions, retry  # noqa: PLC0415 - loaded by warm

        busy = retry.if_exception_type(exceptions.ServiceUnavailable, exceptions.TooManyRequests)
        return retry.AsyncRetry(predicate=busy, initial=0.1, maximum=1.0, multiplier=2.0, timeout=self._patience)

    def _make(self) -> _Stubs:
        import grpc.aio  # noqa: PLC0415 - loaded by warm
        from google.cloud import run_v2  # noqa: PLC0415 - loaded by warm
        from google.cloud.run_v2.services.revisions.transports import (  # noqa: PLC0415 - loaded by warm
            RevisionsGrpcAsyncIOTransport,
        )
        from google.cloud.run_v2.services.services.transports import (  # noqa: PLC0415 - loaded by warm
            ServicesGrpcAsyncIOTransport,
        )

        if self._plain:
            # A proxy of the environment is for the world outside, never for this machine.
            channel = grpc.aio.insecure_channel(self._host, options=[("grpc.enable_http_proxy", 0)])
        else:
            channel = ServicesGrpcAsyncIOTransport.create_channel(self._host, credentials=self._credentials)
        return _Stubs(
            channel,
            run_v2.ServicesAsyncClient(transport=ServicesGrpcAsyncIOTransport(channel=channel)),
            run_v2.RevisionsAsyncClient(transport=RevisionsGrpcAsyncIOTransport(channel=channel)),
        )


def meaning(call: Call, error: BaseException) -> AllclearError:  # noqa: PLR0911 - one line a status
    """Returns our error for one of gRPC's."""
    code = getattr(getattr(error, "grpc_status_code", None), "name", "")
    said = str(getattr(error, "message", "") or error)
    words = quote(said) or code
    if code == "UNAVAILABLE":
        return call.unreachable("no connection") if _never_sent(said) else call.lost("the connection broke")
    if code == "DEADLINE_EXCEEDED":
        return call.lost("no answer in time")
    if code in {"PERMISSION_DENIED", "UNAUTHENTICATED"}:
        return call.denied(words)
    if code in {"ABORTED", "ALREADY_EXISTS"}:
        return call.conflict(words)
    if code == "RESOURCE_EXHAUSTED":
        return call.busy(None)
    if code == "NOT_FOUND":
        return call.missing(words)
    if code in {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"}:
        return call.refused(words)
    return call.lost(words)


def _never_sent(words: str) -> bool:
    return any(sign in words.lower() for sign in _NEVER_CONNECTED)


def _load() -> None:
    for name in ("grpc.aio", "google.cloud.run_v2", "google.api_core.retry"):
        import_module(name)


def _default_credentials() -> object:
    import google.auth  # noqa: PLC0415 - loaded with run_v2
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415 - loaded with run_v2

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except DefaultCredentialsError as error:
        raise MissingSecret(
            "There are no Google credentials for Cloud Run.",
            "Run as a service account, or set GOOGLE_APPLICATION_CREDENTIALS to its key file.",
        ) from error
    return credentials

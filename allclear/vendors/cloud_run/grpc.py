"""Cloud Run's calls over gRPC: each is sent once, and failures come in canonical codes.

Source: google-cloud-run 0.16.2 and grpcio 1.85, tried 2026-11:
- A gRPC channel belongs to the loop it was made in.
- UNAVAILABLE is "could not connect", "could not sign in" and "the connection broke": only its text differs. The text of
  a failed sign-in is from github.com/grpc/grpc/issues/19186.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
# reason: the generated clients and grpc have partial types; nothing untyped leaves the vendors' package.

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

import grpc.aio
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import run_v2
from google.cloud.run_v2.services.revisions.transports import RevisionsGrpcAsyncIOTransport
from google.cloud.run_v2.services.services.transports import ServicesGrpcAsyncIOTransport

from allclear.vendors.cloud_run.errors import NOT_SENT, CallFailure

if TYPE_CHECKING:
    from google.longrunning import operations_pb2

R = TypeVar("R")

_NEVER_CONNECTED = ("failed to connect to all addresses", "errors resolving", "dns resolution failed")
_NOT_SIGNED_IN = "getting metadata from plugin failed"


class GrpcTransport:
    """One gRPC channel to Cloud Run, in one event loop."""

    def __init__(self, host: str, credentials: Any, *, plain: bool) -> None:  # noqa: ANN401 - google.auth's
        if plain:
            # The environment's proxy is for other machines, never for this one.
            self._channel = grpc.aio.insecure_channel(host, options=[("grpc.enable_http_proxy", 0)])
        else:
            self._channel = ServicesGrpcAsyncIOTransport.create_channel(host, credentials=credentials)
        self._services = run_v2.ServicesAsyncClient(transport=ServicesGrpcAsyncIOTransport(channel=self._channel))
        self._revisions = run_v2.RevisionsAsyncClient(transport=RevisionsGrpcAsyncIOTransport(channel=self._channel))

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def get_service(self, path: str, seconds: float) -> run_v2.Service:
        """Return the service. Raises CallFailure."""
        return await _translated(self._services.get_service(name=path, retry=None, timeout=seconds))

    async def list_revisions(self, parent: str, page: int, seconds: float) -> list[run_v2.Revision]:
        """Return all revisions, page after page. Raises CallFailure."""

        async def read() -> list[run_v2.Revision]:
            request = {"parent": parent, "page_size": page}
            pager = await self._revisions.list_revisions(request=request, retry=None, timeout=seconds)
            return [revision async for revision in pager]

        return await _translated(read())

    async def get_revision(self, path: str, seconds: float) -> run_v2.Revision:
        """Return the revision. Raises CallFailure."""
        return await _translated(self._revisions.get_revision(name=path, retry=None, timeout=seconds))

    async def granted(self, path: str, permission: str, seconds: float) -> bool:
        """Return whether we have the permission. Raises CallFailure."""
        request = {"resource": path, "permissions": [permission]}
        found = await _translated(self._services.test_iam_permissions(request=request, retry=None, timeout=seconds))
        return permission in found.permissions

    async def update_service(self, request: run_v2.UpdateServiceRequest, seconds: float) -> str:
        """Send an update and return its operation's name. Raises CallFailure."""
        found = await _translated(self._services.update_service(request=request, retry=None, timeout=seconds))
        return str(found.operation.name)

    async def get_operation(self, name: str, seconds: float) -> operations_pb2.Operation:
        """Return the operation. Raises CallFailure."""
        return await _translated(self._services.get_operation({"name": name}, retry=None, timeout=seconds))


async def _translated(call: Awaitable[R]) -> R:
    try:
        return await call
    except GoogleAPICallError as error:
        raise failure_of(error) from error
    except GoogleAuthError as error:
        raise CallFailure("UNAUTHENTICATED", f"signing in failed ({type(error).__name__})") from error


def failure_of(error: GoogleAPICallError) -> CallFailure:
    """Return a failed call as a canonical code and a reason."""
    code = str(getattr(error.grpc_status_code, "name", "UNKNOWN"))
    text = str(error.message or "")
    if code == "UNAVAILABLE" and text.lower().startswith(_NEVER_CONNECTED):
        return CallFailure(NOT_SENT, "no connection")
    if code == "UNAVAILABLE" and text.lower().startswith(_NOT_SIGNED_IN):
        return CallFailure("UNAUTHENTICATED", "signing in failed")
    if code == "DEADLINE_EXCEEDED":
        return CallFailure(code, "no answer in time")
    return CallFailure(code, text)

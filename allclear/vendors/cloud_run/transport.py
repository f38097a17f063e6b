"""The transports to Cloud Run: gRPC or REST behind one interface, loaded when first needed, one for each event loop.

Source: google-cloud-run 0.16.2, tried 2026-11: importing `run_v2` takes 0.6 to 1.0 s, so it is loaded in a thread.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
# reason: google.auth and the generated clients have partial types; nothing untyped leaves the vendors' package.

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

from allclear.domain.errors import MissingSecret
from allclear.vendors.per_loop import PerLoop

if TYPE_CHECKING:
    from google.cloud import run_v2
    from google.longrunning import operations_pb2

TransportKind = Literal["grpc", "rest"]


class Transport(Protocol):
    """Calls to Cloud Run within one event loop. Each is sent once; the only error raised is CallFailure."""

    async def get_service(self, path: str, seconds: float) -> run_v2.Service:
        """Return the service."""
        ...

    async def list_revisions(self, parent: str, page: int, seconds: float) -> list[run_v2.Revision]:
        """Return all revisions of the service, read in pages of `page`."""
        ...

    async def get_revision(self, path: str, seconds: float) -> run_v2.Revision:
        """Return the revision."""
        ...

    async def granted(self, path: str, permission: str, seconds: float) -> bool:
        """Return whether our credentials have `permission` on the service."""
        ...

    async def update_service(self, request: run_v2.UpdateServiceRequest, seconds: float) -> str:
        """Return the name of the operation that the update started."""
        ...

    async def get_operation(self, name: str, seconds: float) -> operations_pb2.Operation:
        """Return the operation."""
        ...

    async def close(self) -> None:
        """Release the connections."""
        ...


@dataclass(frozen=True)
class Address:
    """The address of Cloud Run; `plain` is without sign-in and encryption, for a simulated system and this machine."""

    kind: TransportKind
    host: str
    """As host:port."""
    plain: bool


class Connections:
    """The connections to one address, shared by the clients of all its regions."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._credentials: Any = None
        self._loaded = False
        self._transports: PerLoop[Transport] = PerLoop(self._make, lambda transport: transport.close())

    async def warm(self) -> None:
        """Load the library and the credentials once. Raises MissingSecret."""
        if self._loaded:
            return
        await asyncio.to_thread(_load, self.address.kind)
        if not self.address.plain and self._credentials is None:
            self._credentials = await asyncio.to_thread(_default_credentials)
        self._loaded = True

    @property
    def principal(self) -> str:
        """Return the e-mail address of our credentials; empty if it is not known."""
        found: object = getattr(self._credentials, "service_account_email", None)
        return found if isinstance(found, str) and "@" in found else ""

    def get(self) -> Transport:
        """Return the running loop's transport; call `warm` first."""
        return self._transports.get()

    async def close(self) -> None:
        """Release the running loop's connections."""
        await self._transports.close()

    def _make(self) -> Transport:
        host, plain = self.address.host, self.address.plain
        if self.address.kind == "rest":
            from allclear.vendors.cloud_run.rest import RestTransport  # noqa: PLC0415 - 1 s, loaded by warm

            return RestTransport(host, self._credentials, plain=plain)
        from allclear.vendors.cloud_run.grpc import GrpcTransport  # noqa: PLC0415 - 1 s, loaded by warm

        return GrpcTransport(host, self._credentials, plain=plain)


def _load(kind: TransportKind) -> None:
    import_module(f"allclear.vendors.cloud_run.{kind}")


def _default_credentials() -> object:
    import google.auth  # noqa: PLC0415 - loaded with run_v2
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415 - loaded with run_v2

    try:
        found: tuple[object, object] = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except DefaultCredentialsError as error:
        raise MissingSecret(
            "There are no Google credentials for Cloud Run.",
            "Run as a service account, or set GOOGLE_APPLICATION_CREDENTIALS to its key file.",
        ) from error
    return found[0]

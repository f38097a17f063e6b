"""What actions and probes are given: the vendors' clients, the services, the record, and links, clock and zone."""

from __future__ import annotations

from datetime import tzinfo
from typing import ClassVar, Protocol, Self, TypeVar

from allclear.domain.base import Clock
from allclear.domain.baseline import OwnRecord
from allclear.domain.links import Links
from allclear.domain.systems import Access, Service


class Client(Protocol):
    """The interface that every vendor's client has."""

    system: ClassVar[str]
    """Its name in systems.yaml."""

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client for `access`; sends nothing yet. Raises ConfigError for options it does not know."""
        ...

    async def close(self) -> None:
        """Release its connections."""
        ...


C = TypeVar("C", bound=Client)


class ActionContext(Protocol):
    """The services, clients and records that an action or probe can use."""

    def service(self, name: str) -> Service:
        """Return the service called `name`; raises NotFound with the names there are."""
        ...

    def client(self, vendor: type[C]) -> C:
        """Return the client of that vendor, always the same one. Raises ConfigError or MissingSecret."""
        ...

    @property
    def record(self) -> OwnRecord:
        """Return allclear's own record of this and earlier incidents."""
        ...

    @property
    def clock(self) -> Clock:
        """Return what tells the present time."""
        ...

    @property
    def links(self) -> Links:
        """Return what makes links to the incident's page. A link is made when the message is sent, and never stored."""
        ...

    @property
    def zone(self) -> tzinfo:
        """Return the company's time zone, in which people read times."""
        ...

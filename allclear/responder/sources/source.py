"""The interface of an alert source, and the parts that most sources share.

A source has no state. docs/how-to/add-an-alert-source.md shows how to add one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, Field

from allclear.domain.alert import Alert
from allclear.domain.base import Model
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import (
    AuthenticationResult,
    Credentials,
    secret_header,
    secret_query,
    verify_shared_secret,
)

_ALWAYS_STORED = ("content-type", "user-agent", "x-request-id")
_MAX_HEADER = 400
"""Characters of a header that are stored, and of a delivery's id."""

MakeSample = Callable[[datetime], RawRequest]
"""Makes an unsigned sample request as of a time in UTC."""


@dataclass(frozen=True)
class NoAlert:
    """A valid request without an alert: a vendor's test, or an event of another kind."""

    reason: str


class IncompleteAlerts(list[Alert]):
    """The alerts of a request whose sender left some out; `note` says so in one sentence."""

    def __init__(self, alerts: list[Alert], note: str) -> None:
        super().__init__(alerts)
        self.note = note


ParseResult = list[Alert] | NoAlert


def vendor_test(what: str) -> NoAlert:
    """Return the result for a vendor's test request."""
    return NoAlert(f"A test call: {what}. It arrived, and opens no incident.")


class NoOptions(Model):
    """The options of a source that has none beside its secret."""


class SharedSecretOptions(Model):
    """The options of a source that sends its secret in a header."""

    username: str = Field(default="", description="The user name, if the source sends Basic authentication.")
    header: str = Field(default="", description="The header with the bare secret, if it is not `Authorization`.")


class Source(ABC):
    """One kind of monitoring system that sends alerts."""

    name: ClassVar[str]
    """The name in the address, in systems.yaml and in the entry point."""
    title: ClassVar[str]
    options: ClassVar[type[BaseModel]] = NoOptions
    """What may or must stand beside `secret` in systems.yaml."""
    accepts_alert_token: ClassVar[bool] = False
    """Whether ALLCLEAR_ALERT_TOKEN is accepted too, even if systems.yaml names no secret."""
    needed_headers: ClassVar[tuple[str, ...]] = ()
    """The headers that `parse` needs, in lower case; the inbox stores no others."""
    samples: ClassVar[Mapping[str, MakeSample]] = {}
    """Samples by name; `firing` and `resolved` have the same key. `allclear alert send` signs and sends them."""

    @abstractmethod
    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Return how well the request authenticates its sender. Reads raw bytes only, and never raises."""

    @abstractmethod
    def parse(self, request: RawRequest) -> ParseResult:
        """Return the alerts, or why there are none. Raises ValueError, one sentence, if the body cannot be parsed."""

    @abstractmethod
    def sign(self, sample: RawRequest, credentials: Credentials, now: datetime) -> RawRequest:
        """Return the sample as the vendor sends it: with its signature or secret."""

    def delivery_id(self, request: RawRequest) -> str | None:
        """Return the vendor's id of this delivery, which a repeated delivery has too; None if the vendor sends none."""
        del request
        return None

    def json_document(self, request: RawRequest) -> bytes:
        """Return the part of the request that holds the JSON."""
        return request.body

    def stored_headers(self, request: RawRequest) -> dict[str, str]:
        """Return the headers that the inbox stores: those that parsing needs, and no secret."""
        names = (*_ALWAYS_STORED, *self.needed_headers)
        return {name: value[:_MAX_HEADER] for name in names if (value := request.header(name))}

    def stored_body(self, request: RawRequest) -> bytes:
        """Return the body that the inbox stores: as received, but without a secret."""
        return request.body

    def handshake(self, request: RawRequest) -> dict[str, str]:
        """Return the headers that answer an `OPTIONS` request; none if the source has no handshake, or rejects it."""
        del request
        return {}


def id_from_header(request: RawRequest, header: str) -> str | None:
    """Return the delivery's id in `header`, or None."""
    return request.header(header)[:_MAX_HEADER] or None


class SharedSecretSource(Source):
    """A source that signs nothing and sends the shared secret itself: in a header, or in the address."""

    options = SharedSecretOptions
    query_field: ClassVar[str] = ""
    """The field of the address that may hold the secret; empty if it must be in a header."""
    only_in_query: ClassVar[bool] = False
    """Whether the vendor can only send the secret in the address; samples then do the same."""

    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Verify the secret in the header or in the address."""
        del now
        return verify_shared_secret(request, credentials, query_field=self.query_field)

    def sign(self, sample: RawRequest, credentials: Credentials, now: datetime) -> RawRequest:
        """Add the secret, in a header or in the address."""
        del now
        if self.only_in_query and not credentials.option("username") and not credentials.option("header"):
            return replace(sample, query=secret_query(credentials, self.query_field))
        return sample.with_headers(*secret_header(credentials))

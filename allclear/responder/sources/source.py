"""The interface of an alert source, and the parts that most sources share.

A source has no state. docs/how-to/add-an-alert-source.md shows how to add one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, Field

from allclear.domain.alert import Alert
from allclear.domain.base import Model
from allclear.domain.notify.page_news import PageNews
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
"""Characters of a header that are stored only for people to see; those that parsing needs are stored whole."""

T = TypeVar("T")

MakeSample = Callable[[datetime], RawRequest]
"""Makes an unsigned sample request as of a time in UTC."""


@dataclass(frozen=True)
class NoAlert:
    """A valid request without an alert: a vendor's test, or an event of another kind."""

    reason: str


class IncompleteAlerts(list[Alert]):
    """The alerts of a request that are not all it has to say; `note` says in one sentence what is missing.

    If some could not be read, the delivery is `quarantined` although its other alerts are taken in.
    """

    def __init__(self, alerts: list[Alert], note: str, *, quarantined: bool = False) -> None:
        super().__init__(alerts)
        self.note = note
        self.quarantined = quarantined


ParseResult = list[Alert] | NoAlert


def vendor_test(what: str) -> NoAlert:
    """Return the result for a vendor's test request."""
    return NoAlert(f"A test call: {what}. It arrived, and opens no incident.")


def read_each(items: Sequence[T], read: Callable[[T], Alert | NoAlert]) -> ParseResult:
    """Return what `read` makes of each item. An item that cannot be read does not keep the others from being read.

    Raises ValueError if no item is an alert and one cannot be read.
    """
    alerts, unreadable, others = list[Alert](), list[str](), list[str]()
    for number, item in enumerate(items, 1):
        try:
            result = read(item)
        except ValueError as error:
            unreadable.append(f"alert {number}: {error}" if len(items) > 1 else str(error))
            continue
        if isinstance(result, NoAlert):
            others.append(result.reason)
        else:
            alerts.append(result)
    if unreadable and not alerts:
        raise ValueError(unreadable[0])
    if unreadable:
        note = f"{len(unreadable)} of {len(items)} alerts cannot be read, the first of them: {unreadable[0]}."
        return IncompleteAlerts(alerts, note, quarantined=True)
    if not alerts:
        return NoAlert(others[0] if others else "It holds no alert.")
    if others:
        return IncompleteAlerts(alerts, f"{len(others)} of {len(items)} messages are no alerts. {others[0]}")
    return alerts


def unknown_state(what: str, value: str, known: str) -> ValueError:
    """Return the error for a state that the vendor does not document: it is quarantined, because it is not guessed."""
    return ValueError(f"{what} {value!r} is not known; known are {known}")


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
    bodies_are_unique: ClassVar[bool] = False
    """Whether no two messages of the vendor have the same bytes, because each has an id or a time of its own.

    The same bytes are then a retry or a captured request, whatever its unsigned headers say, and change nothing.
    """
    needed_headers: ClassVar[tuple[str, ...]] = ()
    """The headers that `parse` needs, in lower case; the inbox stores no others."""
    reports_pages: ClassVar[bool] = False
    """Whether it is a pager, so that `page_news` may return what became of a page."""
    samples: ClassVar[Mapping[str, MakeSample]] = {}
    """Samples by name; `firing` and `resolved` have the same key. `allclear alert send` signs and sends them."""

    @abstractmethod
    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Return how well the request authenticates its sender. Reads raw bytes only, and never raises."""

    @abstractmethod
    def parse(self, request: RawRequest) -> ParseResult:
        """Return the alerts, or why there are none.

        Raises ValueError, one sentence, if the body cannot be parsed or has a state that is not known.
        """

    def page_news(self, request: RawRequest) -> PageNews | None:
        """Return what the request reports about a page, if the source is a pager; it need not be a page of ours.

        Raises ValueError, one sentence, if the body cannot be parsed.
        """
        del request
        return None

    def parse_configured(self, request: RawRequest, options: Mapping[str, Any]) -> ParseResult:
        """Return the same as `parse`; a source whose options decide what its messages mean overrides this."""
        del options
        return self.parse(request)

    @abstractmethod
    def sign(self, sample: RawRequest, credentials: Credentials, now: datetime) -> RawRequest:
        """Return the sample as the vendor sends it: with its signature or secret."""

    def delivery_id(self, request: RawRequest) -> str | None:
        """Return the vendor's id of this delivery, which a repeated delivery has too; None if the vendor sends none.

        Return only an id that the vendor signs, or that needs no signature because the request shows the secret.
        """
        del request
        return None

    def json_document(self, request: RawRequest) -> bytes:
        """Return the part of the request that holds the JSON."""
        return request.body

    def stored_headers(self, request: RawRequest) -> dict[str, str]:
        """Return the headers that the inbox stores: those that parsing needs, and no secret."""
        shown = {name: request.header(name)[:_MAX_HEADER] for name in _ALWAYS_STORED}
        needed = {name: request.header(name) for name in self.needed_headers}
        return {name: value for name, value in (shown | needed).items() if value}

    def stored_body(self, request: RawRequest) -> bytes:
        """Return the body that the inbox stores: as received, but without a secret."""
        return request.body

    def handshake(self, request: RawRequest) -> dict[str, str]:
        """Return the headers that answer an `OPTIONS` request; none if the source has no handshake, or rejects it."""
        del request
        return {}


def id_from_header(request: RawRequest, header: str) -> str | None:
    """Return the delivery's id in `header`, or None."""
    return request.header(header) or None


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

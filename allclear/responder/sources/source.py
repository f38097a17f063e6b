"""What every source of alerts can do: check who sends, tell deliveries apart, read what is said, and sign a sample.

A source keeps no state. Adding one is a file beside this one, a line in `__init__.py`, samples, and a section in
`docs/alerts.md`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from allclear.domain.alert import Alert
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import Keys, Proof, Signed, by_secret, secret_header, secret_query

_ALWAYS_KEPT = ("content-type", "user-agent", "x-request-id")
_LONGEST = 400
"""Of a header that is kept, and of a delivery's id; in characters."""


@dataclass(frozen=True)
class Nothing:
    """A request that is in order and tells of no trouble: a test call, or news of another kind."""

    reason: str


class Partial(list[Alert]):
    """Alerts of which the sender says that they are not all: `note` tells people, in a sentence."""

    def __init__(self, alerts: list[Alert], note: str) -> None:
        super().__init__(alerts)
        self.note = note


Reading = list[Alert] | Nothing


def test_call(what: str) -> Nothing:
    """Returns the reading of a vendor's test."""
    return Nothing(f"A test call: {what}. It arrived, and opens no incident.")


class Source(ABC):
    """One kind of monitoring system."""

    name: ClassVar[str]
    title: ClassVar[str]
    keeps: ClassVar[tuple[str, ...]] = ()
    """The headers that reading needs, in lower case; nothing else of the headers reaches the inbox."""

    @abstractmethod
    def authenticate(self, request: RawRequest, keys: Keys, now: datetime) -> Proof:
        """Return what the request has proven. Looks at raw bytes only, and never raises."""

    def delivery(self, request: RawRequest) -> str | None:
        """Return the vendor's number of this delivery, the same when it is repeated; None where there is none."""
        del request
        return None

    @abstractmethod
    def parse(self, request: RawRequest) -> Reading:
        """Return the alerts, or why there are none. Raises ValueError, one sentence, for what cannot be read."""

    @abstractmethod
    def sign(self, body: bytes, keys: Keys, now: datetime) -> Signed:
        """Return what the vendor would add to `body`: for samples."""

    def document(self, request: RawRequest) -> bytes:
        """Return where the JSON stands, for a source that sends JSON."""
        return request.body

    def kept_headers(self, request: RawRequest) -> dict[str, str]:
        """Return the headers that go into the inbox: those that reading needs, and no secret."""
        wanted = (*_ALWAYS_KEPT, *self.keeps)
        return {name: value[:_LONGEST] for name in wanted if (value := request.header(name))}

    def kept_body(self, request: RawRequest) -> bytes:
        """Return the body that goes into the inbox: as it came, without a secret that stands in it."""
        return request.body


def delivery_id(request: RawRequest, header: str) -> str | None:
    """Return the id that stands in `header`, or None."""
    return request.header(header)[:_LONGEST] or None


class SecretSource(Source):
    """A source that does not sign, and shows the secret itself: in a header, or where it can do no better in a URL."""

    query: ClassVar[str] = ""
    """The field of the address that may hold the secret, or nothing if it must stand in a header."""
    by_query: ClassVar[bool] = False
    """Whether the vendor knows no other way, so that samples go that way too."""

    def authenticate(self, request: RawRequest, keys: Keys, now: datetime) -> Proof:
        """Return what the secret in header or address proves."""
        del now
        return by_secret(request, keys, query=self.query)

    def sign(self, body: bytes, keys: Keys, now: datetime) -> Signed:
        """Return the header or the query with the secret."""
        del body, now
        header = not self.by_query or keys.username or keys.header
        return secret_header(keys) if header else secret_query(keys, self.query)

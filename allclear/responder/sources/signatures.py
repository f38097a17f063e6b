"""How a request proves who sent it: over the raw bytes, before they are read, in constant time.

Nothing here raises for what a stranger sends. A header that is missing, empty or there twice proves nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

from allclear.responder.sources.request import Pairs, RawRequest

FRESH = timedelta(minutes=5)
"""A signed time further away than this, in either direction, is refused."""

_MOST_SIGNATURES = 10
"""More signatures in one header than this are not tried."""

_TIME_DIGITS = 12
"""A time in seconds with more digits is no time."""


class Level(StrEnum):
    """What a request has proven."""

    AUTHENTICATED = "authenticated"
    """The sender knows a secret that travelled in no address: what it says may set off an action."""
    WEAK = "weak"
    """A secret in the address, or one without the body: it may open an incident and sets off nothing by itself."""


@dataclass(frozen=True)
class Proof:
    """What a request has proven, or in one sentence why it is refused."""

    level: Level | None
    reason: str = ""
    status: int = 401
    """The HTTP status of a refusal."""

    @property
    def refused(self) -> bool:
        """Return whether the request is turned away."""
        return self.level is None


AUTHENTICATED = Proof(Level.AUTHENTICATED)
WEAK = Proof(Level.WEAK)


@dataclass(frozen=True)
class Keys:
    """What a company has configured for a source. Several secrets are for the days in which one replaces another."""

    secrets: tuple[str, ...]
    username: str = ""
    header: str = ""
    timestamp_header: str = ""

    def __repr__(self) -> str:
        """Show no secret."""
        return f"Keys({len(self.secrets)} secrets, username={self.username!r}, header={self.header!r})"


@dataclass(frozen=True)
class Signed:
    """What a sender adds to a body: headers, and a query."""

    headers: Pairs = ()
    query: str = ""


def same(said: bytes, wanted: Iterable[str]) -> bool:
    """Says in constant time whether `said` is one of `wanted`, of which an empty one fits nothing."""
    # Each is compared, also after one has fitted: how long it takes tells nothing.
    fits = [hmac.compare_digest(said, one.encode()) for one in wanted if one]
    return any(fits)


def wire(header: str) -> bytes:
    """Return a header as the bytes that came over the wire."""
    return header.encode("latin-1", "replace")


def hexdigest(secret: str, message: bytes, algorithm: str = "sha256") -> str:
    """Return the HMAC of `message`, in lower-case hex."""
    return hmac.new(secret.encode(), message, algorithm).hexdigest()


def one_header(request: RawRequest, name: str) -> str | Proof:
    """Return the header `name`, or the refusal of a request that has none, an empty one, or two."""
    found = request.header_values(name)
    if not found or not found[0]:
        return Proof(None, f"The header {name} is missing.")
    return found[0] if len(found) == 1 else Proof(None, f"The header {name} stands there twice.")


def by_hmac(request: RawRequest, keys: Keys, header: str, *, algorithm: str = "sha256", prefix: str = "") -> Proof:
    """Return the proof of a request signed over its body: `header` holds the prefix and the HMAC in hex."""
    said = one_header(request, header)
    if isinstance(said, Proof):
        return said
    wanted = [prefix + hexdigest(secret, request.body, algorithm) for secret in keys.secrets]
    return (
        AUTHENTICATED if same(wire(said), wanted) else Proof(None, f"The signature in {header} does not fit the body.")
    )


def by_any_hmac(request: RawRequest, keys: Keys, header: str, prefix: str) -> Proof:
    """Return the proof of a request whose `header` lists signatures, of which one must fit."""
    said = one_header(request, header)
    if isinstance(said, Proof):
        return said
    wanted = [prefix + hexdigest(secret, request.body) for secret in keys.secrets]
    listed = [part.strip() for part in said.split(",", _MOST_SIGNATURES)[:_MOST_SIGNATURES]]
    fits = [same(wire(part), wanted) for part in listed]
    return AUTHENTICATED if any(fits) else Proof(None, f"No signature in {header} fits the body.")


def fresh(said: str, now: datetime) -> bool:
    """Return whether `said`, seconds since 1970, is at most five minutes away from `now`."""
    if not (said.isascii() and said.isdigit() and len(said) <= _TIME_DIGITS):
        return False
    return abs(now.timestamp() - int(said)) <= FRESH.total_seconds()


def by_timed_hmac(request: RawRequest, keys: Keys, header: str, now: datetime) -> Proof:
    """Return the proof of a request signed over `time:body`, the time in a header of its own."""
    said, at = one_header(request, header), one_header(request, keys.timestamp_header)
    if isinstance(said, Proof):
        return said
    if isinstance(at, Proof):
        return at
    message = wire(at) + b":" + request.body
    if not same(wire(said), [hexdigest(secret, message) for secret in keys.secrets]):
        return Proof(None, f"The signature in {header} does not fit time and body.")
    if not fresh(at, now):
        return Proof(None, f"The time in {keys.timestamp_header} is more than five minutes away.", 403)
    return AUTHENTICATED


def by_standard_webhook(request: RawRequest, keys: Keys, now: datetime) -> Proof:
    """Return the proof of a Standard Webhook: `v1,` and the HMAC in base64 over `id.time.body`.

    *Source:* the Standard Webhooks specification, `spec/standard-webhooks.md`; secrets begin with `whsec_`.
    """
    parts = [one_header(request, f"webhook-{name}") for name in ("signature", "id", "timestamp")]
    for part in parts:
        if isinstance(part, Proof):
            return part
    said, number, at = (str(part) for part in parts)
    listed = [part for part in said.split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES] if part.startswith("v1,")]
    wanted = [_standard(secret, number, at, request.body) for secret in keys.secrets]
    fits = [same(wire(part), wanted) for part in listed]
    if not any(fits):
        return Proof(None, "No signature in webhook-signature fits the body.")
    return AUTHENTICATED if fresh(at, now) else Proof(None, "The webhook is more than five minutes old.", 403)


def _standard(secret: str, number: str, at: str, body: bytes) -> str:
    if not secret.startswith("whsec_"):
        return ""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"))
    except ValueError:
        return ""
    message = wire(f"{number}.{at}.") + body
    return "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def by_secret(request: RawRequest, keys: Keys, *, query: str = "") -> Proof:
    """Return the proof of a request that carries the secret itself.

    In the header that is configured, else in `Authorization`, as Bearer or, with a username, as Basic; where `query`
    names a field of the address, there too, which proves little. A header that is there decides alone.
    """
    name = keys.header or "Authorization"
    if request.header_values(name) or not query:
        said = one_header(request, name)
        if isinstance(said, Proof):
            return said
        fits = same(wire(said), _credentials(keys))
        return AUTHENTICATED if fits else Proof(None, f"The secret in the header {name} is another.")
    found = request.query_values(query)
    if len(found) != 1:
        return Proof(None, f"Send the secret: in the header {name}, or once in the address as {query}.")
    fits = same(found[0].encode("utf-8", "replace"), keys.secrets)
    return WEAK if fits else Proof(None, f"The secret in the address, {query}, is another.")


def _credentials(keys: Keys) -> list[str]:
    if keys.header and keys.header.lower() != "authorization":
        return list(keys.secrets)
    if not keys.username:
        return [f"Bearer {secret}" for secret in keys.secrets]
    return [f"Basic {base64.b64encode(f'{keys.username}:{one}'.encode()).decode()}" for one in keys.secrets]


def secret_header(keys: Keys) -> Signed:
    """Return the header with which a sender shows the secret."""
    return Signed(((keys.header or "Authorization", _credentials(keys)[0]),))


def secret_query(keys: Keys, name: str) -> Signed:
    """Return the query with which a sender shows the secret."""
    return Signed(query=f"{name}={quote(keys.secrets[0], safe='')}")

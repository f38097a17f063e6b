"""Authentication of requests: over the raw bytes, before the body is parsed, and in constant time.

Nothing here raises for what a request holds. A header that is missing, empty or present twice authenticates nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

from allclear.responder.sources.request import HeaderPairs, RawRequest

REPLAY_WINDOW = timedelta(minutes=5)
"""A signed time that is further away than this, in either direction, is rejected."""

_MAX_SIGNATURES = 10
"""Signatures in one header that are compared; the rest are ignored."""

_MAX_TIMESTAMP_DIGITS = 12


class AuthenticationLevel(StrEnum):
    """How well a request authenticates its sender."""

    AUTHENTICATED = "authenticated"
    """A signature, or a secret outside of the address: the alert may trigger an automatic action."""
    WEAK = "weak"
    """A secret in the address, or one that never changes: the alert opens an incident and triggers nothing."""


@dataclass(frozen=True)
class AuthenticationResult:
    """How well a request authenticates its sender, or one sentence that says why it is rejected."""

    level: AuthenticationLevel | None
    reason: str = ""
    status: int = 401
    """The HTTP status of a rejection."""

    @property
    def rejected(self) -> bool:
        """Return whether the request is rejected."""
        return self.level is None


AUTHENTICATED = AuthenticationResult(AuthenticationLevel.AUTHENTICATED)
WEAK = AuthenticationResult(AuthenticationLevel.WEAK)


def reject(reason: str, status: int = 401) -> AuthenticationResult:
    """Return a rejection; `reason` is one sentence that names no secret."""
    return AuthenticationResult(None, reason, status)


@dataclass(frozen=True)
class Credentials:
    """What a company has configured for a source: the shared secrets, and the source's own options.

    There are several secrets while a new one replaces an old one; each of them is accepted.
    """

    secrets: tuple[str, ...] = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    def option(self, name: str) -> str:
        """Return an option of systems.yaml, or the empty string if it is not set."""
        return self.options.get(name, "")


def matches_any(received: bytes, accepted: Iterable[str]) -> bool:
    """Return in constant time whether `received` is one of `accepted`; an empty accepted value matches nothing."""
    # All are compared, even after a match, so that the time taken reveals nothing.
    matches = [hmac.compare_digest(received, value.encode()) for value in accepted if value]
    return any(matches)


def header_bytes(header: str) -> bytes:
    """Return a header as the bytes that were received."""
    return header.encode("latin-1", "replace")


def with_plain_scheme(authorization: str) -> str:
    """Return the header `Authorization` with its scheme as `Bearer` or `Basic`, however the sender spells it.

    Source: RFC 9110 section 11.1, 2026-11: the scheme is case-insensitive.
    """
    scheme, space, rest = authorization.partition(" ")
    return f"{scheme.capitalize()}{space}{rest.lstrip(' ')}"


def hmac_hex(secret: str, message: bytes, algorithm: str = "sha256") -> str:
    """Return the HMAC of `message` in lower-case hex."""
    return hmac.new(secret.encode(), message, algorithm).hexdigest()


def single_header(request: RawRequest, name: str) -> str | AuthenticationResult:
    """Return the header `name`, or a rejection if it is missing, empty or present twice."""
    values = request.header_values(name)
    if not values or not values[0]:
        return reject(f"The header {name} is missing.")
    return values[0] if len(values) == 1 else reject(f"The header {name} is present twice.")


def verify_hmac(
    request: RawRequest, credentials: Credentials, header: str, *, algorithm: str = "sha256", prefix: str = ""
) -> AuthenticationResult:
    """Verify a signature over the body: `header` holds the prefix and the HMAC in hex."""
    received = single_header(request, header)
    if isinstance(received, AuthenticationResult):
        return received
    accepted = [prefix + hmac_hex(secret, request.body, algorithm) for secret in credentials.secrets]
    if matches_any(header_bytes(received), accepted):
        return AUTHENTICATED
    return reject(f"The signature in {header} does not match the body.")


def verify_any_hmac(request: RawRequest, credentials: Credentials, header: str, prefix: str) -> AuthenticationResult:
    """Verify a `header` that lists several signatures over the body, of which one must match."""
    received = single_header(request, header)
    if isinstance(received, AuthenticationResult):
        return received
    accepted = [prefix + hmac_hex(secret, request.body) for secret in credentials.secrets]
    signatures = [part.strip() for part in received.split(",", _MAX_SIGNATURES)[:_MAX_SIGNATURES]]
    matches = [matches_any(header_bytes(signature), accepted) for signature in signatures]
    return AUTHENTICATED if any(matches) else reject(f"No signature in {header} matches the body.")


def within_replay_window(timestamp: str, now: datetime) -> bool:
    """Return whether `timestamp`, in seconds since 1970, is at most five minutes away from `now`."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MAX_TIMESTAMP_DIGITS):
        return False
    return abs(now.timestamp() - int(timestamp)) <= REPLAY_WINDOW.total_seconds()


def verify_timestamped_hmac(
    request: RawRequest, credentials: Credentials, header: str, timestamp_header: str, now: datetime
) -> AuthenticationResult:
    """Verify a signature over `time:body`, whose time is in `timestamp_header`."""
    received, timestamp = single_header(request, header), single_header(request, timestamp_header)
    if isinstance(received, AuthenticationResult):
        return received
    if isinstance(timestamp, AuthenticationResult):
        return timestamp
    message = header_bytes(timestamp) + b":" + request.body
    if not matches_any(header_bytes(received), [hmac_hex(secret, message) for secret in credentials.secrets]):
        return reject(f"The signature in {header} does not match time and body.")
    if not within_replay_window(timestamp, now):
        return reject(f"The time in {timestamp_header} is more than five minutes away.", 403)
    return AUTHENTICATED


def verify_standard_webhook(request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
    """Verify a Standard Webhook: `v1,` and the HMAC in base64 over `id.time.body`.

    *Source:* the Standard Webhooks specification, `spec/standard-webhooks.md`; secrets begin with `whsec_`.
    """
    parts = [single_header(request, f"webhook-{name}") for name in ("signature", "id", "timestamp")]
    for part in parts:
        if isinstance(part, AuthenticationResult):
            return part
    received, message_id, timestamp = (str(part) for part in parts)
    signatures = [part for part in received.split(" ", _MAX_SIGNATURES)[:_MAX_SIGNATURES] if part.startswith("v1,")]
    accepted = [_standard_signature(secret, message_id, timestamp, request.body) for secret in credentials.secrets]
    matches = [matches_any(header_bytes(signature), accepted) for signature in signatures]
    if not any(matches):
        return reject("No signature in webhook-signature matches the body.")
    if not within_replay_window(timestamp, now):
        return reject("The webhook is more than five minutes old.", 403)
    return AUTHENTICATED


def _standard_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    if not secret.startswith("whsec_"):
        return ""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"))
    except ValueError:
        return ""
    message = header_bytes(f"{message_id}.{timestamp}.") + body
    return "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def verify_shared_secret(
    request: RawRequest, credentials: Credentials, *, query_field: str = ""
) -> AuthenticationResult:
    """Verify a request that carries the shared secret itself.

    The secret is in the header that is configured, else in `Authorization`: as Bearer, or as Basic if a username is
    configured. If `query_field` names a field of the address, the secret may be there too, which authenticates weakly.
    A header that is present decides alone.
    """
    name = credentials.option("header") or "Authorization"
    if request.header_values(name) or not query_field:
        received = single_header(request, name)
        if isinstance(received, AuthenticationResult):
            return received
        if name.lower() == "authorization":
            received = with_plain_scheme(received)
        matches = matches_any(header_bytes(received), _header_values(credentials))
        return AUTHENTICATED if matches else reject(f"The secret in the header {name} is wrong.")
    values = request.query_values(query_field)
    if len(values) != 1:
        return reject(f"Send the secret: in the header {name}, or once in the address as {query_field}.")
    matches = matches_any(values[0].encode("utf-8", "replace"), credentials.secrets)
    return WEAK if matches else reject(f"The secret in the address, {query_field}, is wrong.")


def _header_values(credentials: Credentials) -> list[str]:
    """Return the accepted values of the header that carries the secret, one for each secret."""
    header, username = credentials.option("header"), credentials.option("username")
    if header and header.lower() != "authorization":
        return list(credentials.secrets)
    if not username:
        return [f"Bearer {secret}" for secret in credentials.secrets]
    return [f"Basic {base64.b64encode(f'{username}:{secret}'.encode()).decode()}" for secret in credentials.secrets]


def secret_header(credentials: Credentials) -> HeaderPairs:
    """Return the header in which a sender shows the shared secret."""
    return ((credentials.option("header") or "Authorization", _header_values(credentials)[0]),)


def secret_query(credentials: Credentials, query_field: str) -> str:
    """Return the query in which a sender shows the shared secret."""
    return f"{query_field}={quote(credentials.secrets[0], safe='')}"

"""The delivery of a request to the inbox: what is stored, how a repeat is recognised, and how it is retried."""

from __future__ import annotations

import hashlib

from allclear.domain.errors import Refused
from allclear.journal.ports import Journal
from allclear.journal.rows import Delivery
from allclear.responder.scrubber import Scrubber
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.sources.source import Source
from allclear.responder.strict_json import NotStrict, decode

AUTHENTICATION = ":authentication"
"""The stored header that holds the authentication level; no HTTP header's name begins with a colon."""

RETRYABLE = ("quarantined", "ignored")
"""The states from which a delivery can be retried. In the others it has an incident, or waits to be read."""


def body_rejection(source: Source, request: RawRequest) -> str | None:
    """Return why a body is rejected before it is stored; None for strict JSON and for anything that is not JSON.

    If a body cannot be parsed, the mistake may be ours, so it is stored and quarantined. JSON that is rejected was made
    to do harm, or two parsers could understand it differently.
    """
    try:
        decode(source.json_document(request))
    except NotStrict as error:
        return f"The body is rejected: {error}."
    except ValueError:
        return None
    return None


def stored_parts(
    source: Source, request: RawRequest, level: AuthenticationLevel, scrubber: Scrubber | None = None
) -> tuple[dict[str, str], bytes, str]:
    """Return the headers, the body and the deduplication key of a delivery; no query, and no secret of `scrubber`.

    The key is the vendor's id of the delivery and the body's hash, because either alone can be the same by accident. A
    weakly authenticated delivery is never a repeat of an authenticated one, nor the other way round.
    """
    scrubber = scrubber or Scrubber()
    stored = {name: scrubber.text(value) for name, value in source.stored_headers(request).items()}
    headers = {**stored, AUTHENTICATION: level.value}
    parts = [source.name, source.delivery_id(request) or "", hashlib.sha256(request.body).hexdigest()]
    if level is AuthenticationLevel.WEAK:
        parts.insert(1, level.value)
    return headers, scrubber.body(source.stored_body(request)), ":".join(part for part in parts if part)


def is_sent_once(source: Source, request: RawRequest) -> bool:
    """Return whether the same delivery says nothing new if it is sent again: as a retry, or by who captured it."""
    return source.bodies_are_unique or source.delivery_id(request) is not None


def is_authenticated(delivery: Delivery) -> bool:
    """Return whether the sender of a stored delivery was authenticated, so that it may trigger an automatic action."""
    return delivery.headers.get(AUTHENTICATION) == AuthenticationLevel.AUTHENTICATED.value


def retry_delivery(journal: Journal, delivery: str) -> None:
    """Let the inbox worker read a delivery again; its body and its authentication are unchanged.

    Raises NotFound, and Refused if the delivery is not quarantined or ignored.
    """
    state = journal.delivery(delivery).state
    if state not in RETRYABLE:
        raise Refused(f"The alert {delivery} is {state}.", f"Only {' and '.join(RETRYABLE)} alerts can be retried.")
    journal.set_delivery_state(delivery, "new", "A person asked to read it again.")

"""What the inbox keeps of a request, and how it knows a delivery again."""

from __future__ import annotations

import hashlib

from allclear.journal.ports import Delivery
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.sources.source import Source
from allclear.responder.strict_json import NotStrict, decode

PROOF = ":proof"
"""Stands among the kept headers for what the request has proven; no header's name begins like that."""

NUMBER = ":number"
"""Stands there, too: the vendor's number of the delivery, where it gives one."""


def refusal(source: Source, request: RawRequest) -> str | None:
    """Return why a body is not even kept; None for strict JSON, and for what is none at all: a form, or nonsense.

    Nonsense may be our own misreading, so it is kept and quarantined; what is refused means harm or several things.
    """
    try:
        decode(source.json_document(request))
    except NotStrict as error:
        return f"The body is refused: {error}."
    except ValueError:
        return None
    return None


def to_keep(source: Source, request: RawRequest, level: AuthenticationLevel) -> tuple[dict[str, str], bytes, str]:
    """Return the headers, the body and the key of a delivery: no query, and no secret that stood in the body.

    The key is the vendor's number of the delivery and the body's hash, for either can be the same by accident. What
    was proven weakly never counts as the repeat of what was proven well, nor the other way round.
    """
    number = source.delivery_id(request) or ""
    headers = {**source.stored_headers(request), PROOF: level.value} | ({NUMBER: number} if number else {})
    parts = [source.name, number, hashlib.sha256(request.body).hexdigest()]
    if level is AuthenticationLevel.WEAK:
        parts.insert(1, level.value)
    return headers, source.stored_body(request), ":".join(part for part in parts if part)


def is_authenticated(delivery: Delivery) -> bool:
    """Return whether the sender of a kept delivery has proven who it is, so that what it says may set off an action."""
    return delivery.headers.get(PROOF) == AuthenticationLevel.AUTHENTICATED.value


def is_numbered(delivery: Delivery) -> bool:
    """Return whether its vendor numbers deliveries: then the same one, sent again, tells of nothing new."""
    return NUMBER in delivery.headers

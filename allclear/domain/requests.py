"""Idempotency keys: by its key a request that is sent again is known, and told apart from another request."""

from __future__ import annotations

import re

from allclear.domain.base import digest

_KEYED = re.compile(r"(\d+:.+):([0-9a-f]{16})", re.DOTALL)


def request_key(sender: str, key: str, digest: str) -> str:
    """Return the key by which a request is known in the record: two senders' keys never meet.

    `digest` is that of what was sent, so that a key which is used again for something else is noticed; empty if the
    sender never does that, as a flow run.
    """
    return f"{len(sender)}:{sender}:{key}:{digest[:16]}"


def pressed_key(call: str, number: str) -> str:
    """Return the key of the request that a person makes by pressing 1 in a call to `number`; `call` is its id."""
    return request_key("twilio", call, digest(number))


def key_and_digest(request: str) -> tuple[str, str] | None:
    """Return the sender's key, and the digest of what was sent; None for a request that has no such digest."""
    found = _KEYED.fullmatch(request)
    return (found.group(1), found.group(2)) if found else None

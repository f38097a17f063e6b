"""Sample requests of every source, made after the vendors' documentation and signed as the vendor would.

`allclear alert send` sends them, and the tests of the sources begin with them. The same trouble has the same identity
in each, so `resolved` ends what `firing` began; times and delivery numbers are new in each.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from urllib.parse import urlencode

from allclear.responder.samples import monitors, platforms
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import Pairs, RawRequest
from allclear.responder.sources.signatures import Keys
from allclear.responder.sources.status_cake import token

Maker = Callable[[datetime], object]
"""Makes a body for a time: something for JSON, or for StatusCake a form's fields."""

_BODIES: dict[str, dict[str, Maker]] = {**monitors.BODIES, **platforms.BODIES}

_NUMBERED = {"sentry": "Request-ID", "pagerduty": "X-Webhook-Id", "github": "X-GitHub-Delivery"}
"""The headers that number a delivery."""

SAMPLES: dict[str, tuple[str, ...]] = {name: tuple(_BODIES[name]) for name in SOURCES}
"""Source -> the names of its samples."""


@dataclass(frozen=True)
class Sample:
    """A request before it is signed."""

    source: str
    name: str
    body: bytes
    headers: Pairs


def sample(source: str, name: str, now: datetime) -> Sample:
    """Return a sample as of `now`. Raises KeyError for one that there is not."""
    said = _BODIES[source][name](now)
    headers = dict(platforms.HEADERS.get(source, {}).get(name, {}))
    if source in _NUMBERED:
        headers[_NUMBERED[source]] = str(uuid.uuid4())
    if source == "statuscake" and isinstance(said, dict):
        return Sample(
            source,
            name,
            urlencode(cast("dict[str, str]", said)).encode(),
            (("Content-Type", "application/x-www-form-urlencoded"),),
        )
    headers.setdefault("Content-Type", "application/json")
    if "ce-specversion" in headers:
        headers |= {"ce-id": str(uuid.uuid4()), "ce-time": now.isoformat()}
    return Sample(source, name, json.dumps(said, ensure_ascii=False).encode(), tuple(headers.items()))


def signed(made: Sample, keys: Keys, now: datetime) -> RawRequest:
    """Return the sample as its vendor would send it with these keys."""
    body = made.body
    if made.source == "statuscake":  # its token is a field of the form
        body = urlencode({"Token": token(keys.username, keys.secrets[0])}).encode() + b"&" + body
    added = SOURCES[made.source].sign(body, keys, now)
    return RawRequest(body, (*made.headers, *added.headers), added.query)

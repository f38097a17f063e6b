"""What the tests of the alert sources share: keys, signed samples, requests as the inbox gives them, changed bodies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from allclear.domain.alert import Alert
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest, stored_request
from allclear.responder.sources.signatures import Credentials
from allclear.responder.sources.source import NoAlert, ParseResult

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
SECRET, OLDER = "a-shared-secret", "an-older-secret"

SIGNED = ("grafana", "grafana-timed", "sentry", "pagerduty", "vercel", "github")
"""The sources whose proof covers the body; Grafana in both of its ways."""

SAMPLES = {name: tuple(source.samples) for name, source in SOURCES.items()}
"""Source -> the names of its samples."""

EVERY = [(source, name) for source, names in SAMPLES.items() for name in names]


def sample(source: str, name: str, now: datetime) -> RawRequest:
    """Return an unsigned sample."""
    return SOURCES[source].samples[name](now)


def source_of(case: str) -> str:
    """Return the source of a case, which may name a way of signing as well."""
    return case.partition("-")[0]


def credentials_for(case: str, *secrets: str) -> Credentials:
    """Return what a company has configured for a source."""
    options = {"statuscake": {"username": "acme"}, "grafana-timed": {"timestamp_header": "X-Grafana-Time"}}
    return Credentials(secrets or (SECRET,), options.get(case, {}))


def request_of(case: str, name: str = "firing", at: datetime = NOW) -> RawRequest:
    """Return a sample as its vendor sends it."""
    source = source_of(case)
    return SOURCES[source].sign(sample(source, name, at), credentials_for(case), at)


def with_header(request: RawRequest, name: str, *values: str) -> RawRequest:
    """Return the request with these values under `name`, instead of what stood there."""
    others = tuple(pair for pair in request.headers if pair[0].lower() != name.lower())
    return replace(request, headers=(*others, *((name, value) for value in values)))


def read(source: str, request: RawRequest) -> ParseResult:
    """Return what the source reads in a request after it has been through the inbox."""
    there = SOURCES[source]
    return there.parse(stored_request(there.stored_headers(request), there.stored_body(request)))


def alert_of(source: str, request: RawRequest) -> Alert:
    """Return the one alert of a request."""
    found = read(source, request)
    assert not isinstance(found, NoAlert), found
    (alert,) = found
    return alert


def body_of(source: str, body: bytes, *headers: tuple[str, str]) -> RawRequest:
    """Return an unsigned request: reading does not look at the proof."""
    del source
    return RawRequest(body, (("Content-Type", "application/json"), *headers))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - decoded JSON
    """Return the place of every value in a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for name, one in items for deeper in places(one, (*path, name)))]


def put(value: Any, path: tuple[Any, ...], new: object) -> Any:  # noqa: ANN401 - decoded JSON
    """Return the body with something else at `path`."""
    if not path:
        return new
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy

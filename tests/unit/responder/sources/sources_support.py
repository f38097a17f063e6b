"""Shared parts of the alert sources' tests: credentials, signed samples, stored requests, and changed bodies."""

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
"""The cases of sources that sign the body; Grafana signs with and without a time."""

SAMPLES = {name: tuple(source.samples) for name, source in SOURCES.items()}
"""Source -> the names of its samples."""

OPTIONS: dict[str, dict[str, Any]] = {
    "cloudevents": {
        "types": {"com.example.checkout.failed": "firing", "com.example.checkout.recovered": "resolved"},
    }
}
"""Source -> the options with which its samples are alerts."""

EVERY = [(source, name) for source, names in SAMPLES.items() for name in names]


def sample(source: str, name: str, now: datetime) -> RawRequest:
    """Return an unsigned sample."""
    return SOURCES[source].samples[name](now)


def source_of(case: str) -> str:
    """Return the source of a case; a case may also name how the source signs."""
    return case.partition("-")[0]


def credentials_for(case: str, *secrets: str) -> Credentials:
    """Return the credentials that a company has configured for a case."""
    options = {"statuscake": {"username": "acme"}, "grafana-timed": {"timestamp_header": "X-Grafana-Time"}}
    return Credentials(secrets or (SECRET,), options.get(case, {}))


def request_of(case: str, name: str = "firing", at: datetime = NOW) -> RawRequest:
    """Return a signed sample, as its vendor sends it."""
    source = source_of(case)
    return SOURCES[source].sign(sample(source, name, at), credentials_for(case), at)


def with_header(request: RawRequest, name: str, *values: str) -> RawRequest:
    """Return the request with these values of the header `name` instead of its own."""
    others = tuple(pair for pair in request.headers if pair[0].lower() != name.lower())
    return replace(request, headers=(*others, *((name, value) for value in values)))


def read(source: str, request: RawRequest) -> ParseResult:
    """Return the result of parsing a request after the inbox has stored it."""
    parser = SOURCES[source]
    stored = stored_request(parser.stored_headers(request), parser.stored_body(request))
    return parser.parse_configured(stored, OPTIONS.get(source, {}))


def alert_of(source: str, request: RawRequest) -> Alert:
    """Return the one alert of a request."""
    result = read(source, request)
    assert not isinstance(result, NoAlert), result
    (alert,) = result
    return alert


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - decoded JSON
    """Return the path of every value in a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for name, item in items for inner in places(item, (*path, name)))]


def put(value: Any, path: tuple[Any, ...], new: object) -> Any:  # noqa: ANN401 - decoded JSON
    """Return a copy of the body with `new` at `path`."""
    if not path:
        return new
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy

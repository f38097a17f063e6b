"""Any request to an alert source: authentication never raises, and parsing raises only ValueError."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allclear.responder.deliveries import stored_parts
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest, stored_request
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.sources.source import NoAlert
from tests.unit.responder.sources.sources_support import (
    NOW,
    OPTIONS,
    SAMPLES,
    credentials_for,
    places,
    put,
    request_of,
)

CASES = [*((source, name) for source, names in SAMPLES.items() for name in names), ("grafana-timed", "firing")]
REQUESTS = {case: request_of(*case) for case in CASES}
MANY = settings(max_examples=1000, derandomize=True, suppress_health_check=list(HealthCheck))

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.just(10**4000),
    st.text(max_size=8),
    st.just("\ud800"),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just({"a": {"b": []}}),
    st.just("x" * 2000),
    st.just("0001-01-01"),
    st.sampled_from(["resolved", "firing", "$X", "9" * 50, "\x00", "\u202e", "9999-12-31T23:59:59-10:00"]),
)
"""Values that a body can have in place of the documented one."""


def check(case: tuple[str, str], request: RawRequest) -> None:
    """Authenticate, store and parse a request, and check the alerts that are found."""
    source = SOURCES[case[0].partition("-")[0]]
    authentication = source.authenticate(request, credentials_for(case[0]), NOW)
    assert authentication.level is not None or authentication.reason
    try:
        headers, body, key = stored_parts(source, request, authentication.level or AuthenticationLevel.WEAK)
        parsed = source.parse_configured(stored_request(headers, body), OPTIONS.get(source.name, {}))
    except ValueError as error:
        assert str(error)  # noqa: PT017 - most bodies are refused, the others are checked below
        return
    assert key.startswith(source.name)
    for alert in [] if isinstance(parsed, NoAlert) else parsed:
        assert alert.state in {"firing", "resolved"}
        assert alert.key
        assert not alert.authenticated
        assert all(isinstance(part, str) for part in (*alert.labels, *alert.labels.values(), alert.key, alert.title))


@MANY
@given(st.sampled_from(CASES), st.data())
def test_a_request_with_changed_bytes_is_refused_or_parsed(case: tuple[str, str], data: st.DataObject) -> None:
    """Bytes are changed, removed or inserted, in the body, a header or the query."""
    request = REQUESTS[case]
    body = bytearray(request.body)
    for _ in range(data.draw(st.integers(1, 4))):
        place, more = data.draw(st.integers(0, len(body))), data.draw(st.binary(max_size=3))
        body[place : place + data.draw(st.integers(0, 6))] = more
    headers = [*request.headers]
    if data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(headers) - 1))
        value = data.draw(st.text(st.characters(max_codepoint=255), max_size=80))
        headers[index] = (headers[index][0], value)
        if data.draw(st.booleans()):
            headers.append(headers[index])
    query = data.draw(st.one_of(st.just(request.query), st.text(max_size=30)))
    check(case, RawRequest(bytes(body), tuple(headers), query))


BODIES = {case: json.loads(request.body) for case, request in REQUESTS.items() if case[0] != "statuscake"}


@MANY
@given(st.sampled_from(sorted(BODIES)), st.data())
def test_a_body_with_values_of_other_types_is_refused_or_parsed(case: tuple[str, str], data: st.DataObject) -> None:
    """Up to three values anywhere in the JSON are replaced."""
    body = BODIES[case]
    for _ in range(data.draw(st.integers(1, 3))):
        body = put(body, data.draw(st.sampled_from(places(body))), data.draw(ODD))
    try:
        raw = json.dumps(body).encode()
    except ValueError:  # a number with more digits than Python writes
        return
    check(case, replace(REQUESTS[case], body=raw))

"""Whatever a stranger sends: proving never raises, and reading raises nothing but ValueError."""

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
from tests.unit.responder.sources.sources_support import NOW, SAMPLES, credentials_for, places, put, request_of

CASES = [*((source, name) for source, names in SAMPLES.items() for name in names), ("grafana-timed", "firing")]
REQUESTS = {case: request_of(*case) for case in CASES}
MANY = settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

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
"""What may stand where something else was meant."""


def check(case: tuple[str, str], request: RawRequest) -> None:
    """Take a request the whole way; asserts that only what may happen does."""
    source = SOURCES[case[0].partition("-")[0]]
    proof = source.authenticate(request, credentials_for(case[0]), NOW)
    assert proof.level is not None or proof.reason
    try:
        headers, body, known = stored_parts(source, request, proof.level or AuthenticationLevel.WEAK)
        found = source.parse(stored_request(headers, body))
    except ValueError as error:
        assert str(error)  # noqa: PT017 - most bodies are refused, the others are looked at below
        return
    assert known.startswith(source.name)
    for alert in [] if isinstance(found, NoAlert) else found:
        assert alert.state in {"firing", "resolved"}
        assert alert.key
        assert not alert.authenticated
        assert all(isinstance(part, str) for part in (*alert.labels, *alert.labels.values(), alert.key, alert.title))


@MANY
@given(st.sampled_from(CASES), st.data())
def test_bytes_that_are_touched_anywhere_do_no_harm(case: tuple[str, str], data: st.DataObject) -> None:
    """Bytes that were changed, cut or put in, in the body or in a header, are refused or read, and nothing else."""
    request = REQUESTS[case]
    body = bytearray(request.body)
    for _ in range(data.draw(st.integers(1, 4))):
        place, more = data.draw(st.integers(0, len(body))), data.draw(st.binary(max_size=3))
        body[place : place + data.draw(st.integers(0, 6))] = more
    headers = [*request.headers]
    if data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(headers) - 1))
        said = data.draw(st.text(st.characters(max_codepoint=255), max_size=80))
        headers[index] = (headers[index][0], said)
        if data.draw(st.booleans()):
            headers.append(headers[index])
    query = data.draw(st.one_of(st.just(request.query), st.text(max_size=30)))
    check(case, RawRequest(bytes(body), tuple(headers), query))


BODIES = {case: json.loads(request.body) for case, request in REQUESTS.items() if case[0] != "statuscake"}


@MANY
@given(st.sampled_from(sorted(BODIES)), st.data())
def test_json_with_something_else_in_it_does_no_harm(case: tuple[str, str], data: st.DataObject) -> None:
    """Wherever another type stands than was meant, the body is refused in a sentence, or what is left is read."""
    body = BODIES[case]
    for _ in range(data.draw(st.integers(1, 3))):
        body = put(body, data.draw(st.sampled_from(places(body))), data.draw(ODD))
    try:
        raw = json.dumps(body).encode()
    except ValueError:  # a number with more digits than Python writes
        return
    check(case, replace(REQUESTS[case], body=raw))

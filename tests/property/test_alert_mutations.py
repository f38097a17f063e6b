"""Mutations of every alert source's samples: each is refused with a reason or parsed."""

from __future__ import annotations

import random
from dataclasses import replace

from allclear.domain.base import utc_now
from allclear.responder.deliveries import body_rejection, stored_parts
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import stored_request
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.sources.source import NoAlert
from tests.unit.responder.sources.mutations import mutated
from tests.unit.responder.sources.sources_support import EVERY, OPTIONS, credentials_for, request_of


def test_twenty_thousand_mutations_are_refused_with_a_reason_or_parsed() -> None:
    """Checking and storing a body never raise, parsing raises only ValueError, and the parts of an alert are text."""
    dice = random.Random(4711)  # noqa: S311 - the same each time
    requests = {case: request_of(*case) for case in EVERY}
    parsed_bodies = refused = 0
    for number in range(20_000):
        case = EVERY[number % len(EVERY)]
        request, source = replace(requests[case], body=mutated(case, dice)), SOURCES[case[0]]
        if source.authenticate(request, credentials_for(case[0]), utc_now()).level is None and case[0] == "statuscake":
            continue  # its signature is in the body, and is checked before anything is stored
        rejection = body_rejection(source, request)
        assert rejection is None or rejection.startswith("The body is rejected: ")
        headers, body, key = stored_parts(source, request, AuthenticationLevel.AUTHENTICATED)
        assert key.isascii()
        try:
            parsed = source.parse_configured(stored_request(headers, body), OPTIONS.get(source.name, {}))
        except ValueError as error:
            assert str(error)  # noqa: PT017 - half of them are refused, the others are checked below
            refused += 1
            continue
        parsed_bodies += 1
        for alert in [] if isinstance(parsed, NoAlert) else parsed:
            texts = (alert.key, alert.title, *alert.labels, *alert.labels.values())
            assert all(isinstance(text, str) for text in texts)
            assert (alert.state in {"firing", "resolved"}, alert.authenticated) == (True, False)
    assert parsed_bodies + refused > 18_000
    assert min(parsed_bodies, refused) > 2000

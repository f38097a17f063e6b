"""No configured secret is stored, in whatever spelling a sender repeats it."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from allclear.domain.base import utc_now
from allclear.responder.deliveries import stored_parts
from allclear.responder.scrubber import HIDDEN, SHORTEST, Scrubber
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import AuthenticationLevel
from tests.unit.responder.sources.sources_support import EVERY, places, put, request_of

SECRET = 's3cret/with+odd"signs\\and ümlaut'
"""Every kind of character that one of the encodings changes."""


def escaped(text: str) -> str:
    """Return the text with every character as an escape of JSON."""
    units = text.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


SPELLINGS = {
    "as it is": SECRET,
    "in an address": quote(SECRET),
    "in an address, completely": quote(SECRET, safe=""),
    "in an address, in lower case": quote(SECRET, safe="").lower(),
    "in a form": quote(SECRET, safe="").replace("%20", "+"),
    "in an address in an address": quote(quote(SECRET, safe=""), safe=""),
    "in JSON": json.dumps(SECRET)[1:-1],
    "in JSON, not in ASCII": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "in JSON with escaped slashes": json.dumps(SECRET)[1:-1].replace("/", "\\/"),
    "in JSON with escapes only": escaped(SECRET),
    "in JSON in JSON": json.dumps(json.dumps(SECRET))[1:-1],
    "in an address in JSON": json.dumps(quote(SECRET, safe=""))[1:-1],
    **{
        f"in Basic authentication of {user!r}": base64.b64encode(f"{user}:{SECRET}".encode()).decode()
        for user in ("", "a", "ab", "abc", "allclear")
    },
    "in base64 for addresses": base64.urlsafe_b64encode(f"u:{SECRET}".encode()).decode(),
    "in base64 in an address": quote(base64.b64encode(f"u:{SECRET}".encode()).decode(), safe=""),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_secret_is_removed_in_every_spelling(spelling: str) -> None:
    """The text around it stays as it is."""
    stored = Scrubber([SECRET]).body(f"before?token={spelling}&after".encode()).decode()
    assert spelling not in stored
    assert HIDDEN in stored
    assert (stored.startswith("before?token="), stored.endswith("&after")) == (True, True)


def test_a_body_without_a_secret_is_stored_byte_for_byte() -> None:
    """Also one that is no text, or full of percent signs and backslashes."""
    for body in (b"\xff\x00%%%\\\\\\u12", b'{"a": "%20\\u0041\\/"}', b"", b"s3cret"):
        assert Scrubber([SECRET]).body(body) == body
        assert Scrubber().body(body) == body


def test_a_secret_that_cannot_be_removed_hides_the_whole_body() -> None:
    """The encodings are mixed in a way that only decoding shows."""
    body = b"a" + "".join(f"%5Cu00{byte:02x}" for byte in b"another-secret").encode() + b"z"
    assert Scrubber(["another-secret"]).body(body) == HIDDEN.encode()


def test_a_short_value_is_not_removed() -> None:
    """Ordinary words would contain it, and an alert would be lost."""
    short = "x" * (SHORTEST - 1)
    assert Scrubber([short]).body(short.encode()) == short.encode()
    assert Scrubber(["x" * SHORTEST]).body(b"x" * SHORTEST) == HIDDEN.encode()


@pytest.mark.parametrize(("source", "name"), EVERY)
def test_no_source_stores_a_secret_wherever_it_is(source: str, name: str) -> None:
    """The secret stands in each text of the body in turn, and in every header."""
    secret, request = "a-configured-secret", request_of(source, name)
    scrubber, kind = Scrubber([secret]), SOURCES[source]
    bodies = [request.body.replace(b"shop.example.com", f"{secret}@x/?t={secret}".encode())]
    if source != "statuscake":
        body = json.loads(request.body)
        addressed = f"https://responder/alerts/{source}?token={quote(secret)}"
        bodies += [json.dumps(put(body, place, addressed)).encode() for place in places(body)]
    headers = tuple((key, f"{value} {secret}") for key, value in request.headers)
    for changed in bodies:
        raw = RawRequest(changed, (*headers, ("User-Agent", f"Basic {base64.b64encode(b'u:' + secret.encode())!r}")))
        stored_headers, stored, _ = stored_parts(kind, raw, AuthenticationLevel.AUTHENTICATED, scrubber)
        assert secret not in json.dumps(stored_headers) + stored.decode()
        assert base64.b64encode(secret.encode()).decode()[:20] not in json.dumps(stored_headers)


def test_the_parts_of_a_delivery_are_the_same_without_secrets() -> None:
    """Without a scrubber, as for a retry of a stored delivery, nothing changes."""
    request = SOURCES["json"].samples["firing"](utc_now())
    headers, body, key = stored_parts(SOURCES["json"], request, AuthenticationLevel.AUTHENTICATED)
    assert body == request.body
    assert (headers["content-type"], key.startswith("json:")) == ("application/json", True)

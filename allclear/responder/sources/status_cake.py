"""StatusCake's webhook, a form.

*Source:* StatusCake's knowledge base, "How to use the Web Hook URL", 2026-11: a form with `TestID`, `Name`, `URL`,
`Status` (Up or Down, the case varies), `StatusCode`, `Tags`, and `Token`, which is the MD5 of the user's name and the
API key. The token is the same in every request and does not cover the rest: it is as weak as a secret in an address.

Labels: `alertname` and `monitor` (the test's name), `test_id`, `url`, `status_code`, and tags written as `name:value`.
Key: the test; without a `TestID` its address.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from urllib.parse import urlencode

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Text, fit, key, labels, tagged
from allclear.responder.sources.request import RawRequest, fields
from allclear.responder.sources.signatures import WEAK, Keys, Proof, Signed, same
from allclear.responder.sources.source import Nothing, Reading, Source

_TOKEN = "Token"  # noqa: S105 - the name of a field
_HIDDEN = "[not kept]"


class Report(Body):
    """The fields of the form."""

    TestID: Text = ""
    Name: Text = ""
    URL: Text = ""
    Status: str
    StatusCode: Text = ""
    Tags: Text = ""


class StatusCake(Source):
    """StatusCake."""

    name = "statuscake"
    title = "StatusCake"

    def authenticate(self, request: RawRequest, keys: Keys, now: datetime) -> Proof:
        """Return what the token proves, which is little."""
        del now
        try:
            said = [value for name, value in _fields(request.body) if name == _TOKEN]
        except ValueError:
            return Proof(None, "The form cannot be read.")
        if len(said) != 1 or not said[0]:
            return Proof(None, "Send StatusCake's form, with its field Token once.")
        fits = same(said[0].encode("utf-8", "replace"), [token(keys.username, secret) for secret in keys.secrets])
        return WEAK if fits else Proof(None, "The Token is not the one of this user and key.")

    def sign(self, body: bytes, keys: Keys, now: datetime) -> Signed:
        """Return nothing: a form has its token in it, `token` makes it."""
        del body, keys, now
        return Signed()

    def kept_body(self, request: RawRequest) -> bytes:
        """Return the form without its token."""
        pairs = _fields(request.body)
        return urlencode([(name, _HIDDEN if name == _TOKEN else value) for name, value in pairs]).encode()

    def parse(self, request: RawRequest) -> Reading:
        """Return the test's alert."""
        report = fit(Report, request.form())
        status = report.Status.strip().lower()
        if status not in {"up", "down"}:
            return Nothing(f"The status {report.Status!r} is neither up nor down.")
        identity = report.TestID or report.URL
        if not identity:
            msg = "the form has neither TestID nor URL"
            raise ValueError(msg)
        name = report.Name or report.URL or report.TestID
        own = labels(
            alertname=name,
            monitor=name,
            test_id=report.TestID,
            url=report.URL,
            status_code=report.StatusCode,
        )
        state = "resolved" if status == "up" else "firing"
        named = {**tagged(report.Tags), **own}
        return [Alert(self.name, key(identity), state, f"{name} is {status}", named)]


def token(username: str, secret: str) -> str:
    """Return the token that StatusCake sends for a user and key."""
    return hashlib.md5(f"{username}{secret}".encode(), usedforsecurity=False).hexdigest()


def _fields(body: bytes) -> list[tuple[str, str]]:
    return fields(body.decode("utf-8", errors="replace"))

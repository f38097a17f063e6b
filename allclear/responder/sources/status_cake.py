"""StatusCake's webhook, a form.

*Source:* StatusCake's knowledge base, "How to use the Web Hook URL", 2026-11: a form with `TestID`, `Name`, `URL`,
`Status` (Up or Down, the case varies), `StatusCode`, `Tags`, and `Token`, which is the MD5 of the user's name and the
API key. The token is the same in every request and does not cover the body: it is as weak as a secret in the address.

Order: by arrival, because the form has no time.

Labels: `alertname` and `monitor` (the test's name), `test_id`, `url`, `status_code`, and tags written as `name:value`.
Key: the test; without a `TestID` its address.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from pydantic import Field

from allclear.domain.alert import Alert
from allclear.domain.base import Model
from allclear.responder.scrubber import HIDDEN
from allclear.responder.sources.payload import Body, Text, key, labels, labels_from_tags, validate
from allclear.responder.sources.request import ESCAPE, RawRequest, fields, form_request
from allclear.responder.sources.signatures import WEAK, AuthenticationResult, Credentials, matches_any, reject
from allclear.responder.sources.source import MakeSample, ParseResult, Source, unknown_state

_LONGEST_FORM = 64 * 1024
"""Bytes. StatusCake sends a few hundred; a longer form is not decoded before its sender is authenticated."""
_TOKEN = "Token"  # noqa: S105 - the name of a field


class Report(Body):
    """The fields of the form."""

    TestID: Text = ""
    Name: Text = ""
    URL: Text = ""
    Status: str
    StatusCode: Text = ""
    Tags: Text = ""


class StatusCakeOptions(Model):
    """StatusCake's options: its token is made of the account's name and the API key."""

    username: str = Field(min_length=1, description="The name of the StatusCake account.")


def _sample(status: str, code: str) -> MakeSample:
    return lambda _at: form_request(
        {
            "URL": "https://shop.example.com",
            "Name": "Sample shop",
            "StatusCode": code,
            "Status": status,
            "Tags": "service:sample-shop,web",
            "TestID": "6512874",
            "Checkrate": "60",
            "IP": "192.0.2.7",
            "Method": "HTTP",
        }
    )


class StatusCake(Source):
    """StatusCake."""

    name = "statuscake"
    title = "StatusCake"
    options = StatusCakeOptions
    samples = {"firing": _sample("Down", "503"), "resolved": _sample("Up", "200")}

    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Verify the token, which authenticates weakly."""
        del now
        if len(request.body) > _LONGEST_FORM:
            return reject(f"The form is over {_LONGEST_FORM} bytes.")
        try:
            tokens = [value for name, value in _fields(request.body) if name == _TOKEN]
        except ValueError:
            return reject("The form cannot be parsed.")
        if len(tokens) != 1 or not tokens[0]:
            return reject("Send StatusCake's form, with its field Token once.")
        username = credentials.option("username")
        accepted = [token(username, secret) for secret in credentials.secrets]
        matches = matches_any(tokens[0].encode("utf-8", "replace"), accepted)
        return WEAK if matches else reject("The Token is not that of the configured username and API key.")

    def sign(self, sample: RawRequest, credentials: Credentials, now: datetime) -> RawRequest:
        """Add the token to the form."""
        del now
        field = urlencode({_TOKEN: token(credentials.option("username"), credentials.secrets[0])})
        return replace(sample, body=f"{field}&".encode() + sample.body)

    def stored_body(self, request: RawRequest) -> bytes:
        """Return the form without its token."""
        pairs = _fields(request.body)
        return urlencode([(name, HIDDEN if name == _TOKEN else value) for name, value in pairs]).encode()

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the test's alert."""
        report = validate(Report, request.form())
        status = report.Status.strip().lower()
        if status not in {"up", "down"}:
            raise unknown_state("the status", report.Status, "Up, Down")
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
        alert_labels = {**labels_from_tags(report.Tags), **own}
        return [Alert(self.name, key(identity), state, f"{name} is {status}", alert_labels)]


def token(username: str, secret: str) -> str:
    """Return the token that StatusCake sends for a username and API key."""
    return hashlib.md5(f"{username}{secret}".encode(), usedforsecurity=False).hexdigest()


def _fields(body: bytes) -> list[tuple[str, str]]:
    return fields(body.decode(errors=ESCAPE))

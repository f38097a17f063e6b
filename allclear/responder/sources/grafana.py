"""Grafana Alerting's webhook contact point, and the notifications of Grafana before version 9.

*Source:* Grafana's documentation, "Configure webhook notifications", 2026-11: Alertmanager's body with `orgId`; with
a secret under "HMAC Signature" the header `X-Grafana-Alerting-Signature` (another name can be chosen) holds the bare
hex HMAC-SHA256 of the body, or of `time:body` when a timestamp header is named. Without one it can send Basic or an
`Authorization` header. Legacy bodies have `ruleId` and `state` instead of `alerts`; "Test" sends `TestAlert`.

Labels: the rule's own, as `alertname` and `severity`; legacy: `alertname`, the rule's name. Key: organisation and
fingerprint; legacy: organisation and rule.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from allclear.domain.alert import Alert
from allclear.responder.sources.alertmanager import NEVER, Group, sample_alert
from allclear.responder.sources.payload import Body, Identifier, Text, iso_time, key, labels, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.signatures import (
    AuthenticationResult,
    Credentials,
    header_bytes,
    hmac_hex,
    secret_header,
    verify_hmac,
    verify_shared_secret,
    verify_timestamped_hmac,
)
from allclear.responder.sources.source import MakeSample, NoAlert, ParseResult, SharedSecretOptions, Source, vendor_test

_SIGNATURE = "X-Grafana-Alerting-Signature"


class Legacy(Body):
    """A notification of Grafana's old alerting."""

    ruleId: Identifier  # noqa: N815 - Grafana's own name
    state: str
    ruleName: Text = ""  # noqa: N815 - Grafana's own name
    title: Text = ""
    orgId: Identifier = ""  # noqa: N815 - Grafana's own name


class GrafanaOptions(SharedSecretOptions):
    """Grafana's options: it signs, or sends the secret in a header."""

    header: str = Field(default="", description="The header with the signature, if it is not Grafana's default.")
    timestamp_header: str = Field(default="", description="The header with the signed time, as set in Grafana.")


def _sample(status: str) -> MakeSample:
    return lambda at: json_request(
        {
            "receiver": "allclear",
            "status": status,
            "orgId": 1,
            "version": "1",
            "groupKey": "{}:{}",
            "truncatedAlerts": 0,
            "title": f"[{status.upper()}:1] SampleCheckoutErrors",
            "state": "alerting",
            "alerts": [sample_alert(at, status, "c84e20d1a6f3975b") | {"values": {"B": 0.21, "C": 1}}],
        }
    )


def _test_sample(at: datetime) -> RawRequest:
    alert = {
        "status": "firing",
        "labels": {"alertname": "TestAlert", "instance": "Grafana"},
        "annotations": {"summary": "Notification test"},
        "startsAt": iso_time(at),
        "endsAt": NEVER,
        "fingerprint": "57c6d9296de2ad39",
    }
    return json_request({"receiver": "test", "status": "firing", "orgId": 1, "alerts": [alert]})


class Grafana(Source):
    """Grafana Alerting."""

    name = "grafana"
    title = "Grafana"
    options = GrafanaOptions
    samples = {"firing": _sample("firing"), "resolved": _sample("resolved"), "test": _test_sample}

    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Verify the signature, or the secret itself if that is configured."""
        if _sends_secret(credentials):
            return verify_shared_secret(request, credentials)
        header, timestamp_header = _signature_headers(credentials)
        if timestamp_header:
            return verify_timestamped_hmac(request, credentials, header, timestamp_header, now)
        return verify_hmac(request, credentials, header)

    def sign(self, sample: RawRequest, credentials: Credentials, now: datetime) -> RawRequest:
        """Add the signature, or the header with the secret."""
        if _sends_secret(credentials):
            return sample.with_headers(*secret_header(credentials))
        header, timestamp_header = _signature_headers(credentials)
        if not timestamp_header:
            return sample.with_headers((header, hmac_hex(credentials.secrets[0], sample.body)))
        timestamp = str(int(now.timestamp()))
        signature = hmac_hex(credentials.secrets[0], header_bytes(timestamp) + b":" + sample.body)
        return sample.with_headers((header, signature), (timestamp_header, timestamp))

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the alerts of the group."""
        body = request.json()
        if isinstance(body, dict) and "alerts" not in body and "ruleId" in body:
            return self._legacy(validate(Legacy, body))
        group = validate(Group, body)
        if all(
            alert.labels.get("alertname") == "TestAlert" and alert.labels.get("instance") == "Grafana"
            for alert in group.alerts
        ):
            return vendor_test("Grafana's contact point was tested")
        return group.result([alert.alert(self.name, group.orgId or "-") for alert in group.alerts])

    def _legacy(self, notification: Legacy) -> ParseResult:
        if notification.ruleId == "0":
            return vendor_test("Grafana's notification channel was tested")
        if notification.state not in {"alerting", "ok"}:
            return NoAlert(f"The state {notification.state!r} means neither firing nor resolved.")
        state = "firing" if notification.state == "alerting" else "resolved"
        identity = key(notification.orgId or "-", "rule", notification.ruleId)
        title = notification.title or notification.ruleName
        return [Alert(self.name, identity, state, title, labels(alertname=notification.ruleName))]


def _sends_secret(credentials: Credentials) -> bool:
    """Return whether Grafana is configured to send the secret itself instead of a signature."""
    return bool(credentials.option("username")) or credentials.option("header").lower() == "authorization"


def _signature_headers(credentials: Credentials) -> tuple[str, str]:
    """Return the names of the headers with the signature and, if the time is signed too, with the time."""
    return credentials.option("header") or _SIGNATURE, credentials.option("timestamp_header")

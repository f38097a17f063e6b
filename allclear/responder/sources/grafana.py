"""Grafana Alerting's webhook contact point, and the notifications of Grafana before version 9.

*Source:* Grafana's documentation, "Configure webhook notifications", 2026-11: Alertmanager's body with `orgId`; with
a secret under "HMAC Signature" the header `X-Grafana-Alerting-Signature` (another name can be chosen) holds the bare
hex HMAC-SHA256 of the body, or of `time:body` when a timestamp header is named. Without one it can send Basic or an
`Authorization` header. Legacy bodies have `ruleId` and `state` instead of `alerts`; "Test" sends `TestAlert`.

`grafana_state_reason` says why an alert was resolved although its condition has not ended: the rule was paused, changed
or deleted, its series is missing, or a missing value or an error counts as normal (Grafana's source,
`pkg/services/ngalert/models/alert_rule.go`, 2026-11). Such an end is no recovery.

Order: by arrival, as Alertmanager's. Without a timestamp header a captured request can be sent again.

Labels: the rule's own, as `alertname` and `severity`; legacy: `alertname`, the rule's name. Key: organisation and
fingerprint; legacy: organisation and rule.
"""

from __future__ import annotations

from datetime import datetime
from typing import cast

from pydantic import Field

from allclear.domain.alert import Alert
from allclear.responder.sources.alertmanager import NEVER, Group, GroupAlert, sample_alert
from allclear.responder.sources.payload import (
    Body,
    Identifier,
    State,
    Text,
    as_labels,
    iso_time,
    key,
    labels,
    validate,
)
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
from allclear.responder.sources.source import (
    MakeSample,
    NoAlert,
    ParseResult,
    SharedSecretOptions,
    Source,
    unknown_state,
    vendor_test,
)

_SIGNATURE = "X-Grafana-Alerting-Signature"
_REASONS = {
    "Paused": "its rule was paused",
    "RuleDeleted": "its rule was deleted",
    "Updated": "its rule was changed",
    "MissingSeries": "its series is missing, so nothing is measured any more",
    "NoData": "there is no data, and its rule counts that as normal",
    "Error": "its rule could not be evaluated, and counts that as normal",
}
_LEGACY_STATES: dict[str, State] = {"alerting": "firing", "no_data": "firing", "ok": "resolved", "paused": "resolved"}
_LEGACY_OTHERS = {"pending": "not firing yet", "unknown": "not evaluated yet"}


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
        if all(_is_test(alert) for alert in group.alerts):
            return vendor_test("Grafana's contact point was tested")
        return group.read(lambda alert: alert.alert(self.name, group.orgId or "-", no_recovery=_why_no_recovery(alert)))

    def _legacy(self, notification: Legacy) -> ParseResult:
        if notification.ruleId == "0":
            return vendor_test("Grafana's notification channel was tested")
        word = notification.state.lower()
        if word in _LEGACY_OTHERS:
            return NoAlert(f"The rule is {_LEGACY_OTHERS[word]}: Grafana's state is {word!r}.")
        if word not in _LEGACY_STATES:
            raise unknown_state("the state", notification.state, ", ".join([*_LEGACY_STATES, *_LEGACY_OTHERS]))
        identity = key(notification.orgId or "-", "rule", notification.ruleId)
        title = notification.title or notification.ruleName
        no_recovery = _REASONS["Paused"] if word == "paused" else ""
        own = labels(alertname=notification.ruleName)
        return [Alert(self.name, identity, _LEGACY_STATES[word], title, own, no_recovery=no_recovery)]


def _is_test(alert: object) -> bool:
    own = as_labels(cast("dict[str, object]", alert).get("labels")) if isinstance(alert, dict) else {}
    return own.get("alertname") == "TestAlert" and own.get("instance") == "Grafana"


def _why_no_recovery(alert: GroupAlert) -> str:
    """Return why a resolved alert has not recovered; empty if its condition has ended."""
    reason = alert.annotations.get("grafana_state_reason", "")
    if alert.status == "firing" or not reason:
        return ""
    return _REASONS.get(reason, f"Grafana gives the reason {reason!r}")


def _sends_secret(credentials: Credentials) -> bool:
    """Return whether Grafana is configured to send the secret itself instead of a signature."""
    return bool(credentials.option("username")) or credentials.option("header").lower() == "authorization"


def _signature_headers(credentials: Credentials) -> tuple[str, str]:
    """Return the names of the headers with the signature and, if the time is signed too, with the time."""
    return credentials.option("header") or _SIGNATURE, credentials.option("timestamp_header")

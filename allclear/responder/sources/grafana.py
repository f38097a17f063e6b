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

from allclear.domain.alert import Alert
from allclear.responder.sources.alertmanager import Group
from allclear.responder.sources.payload import Body, Text, Word, fit, key, labels
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import (
    Keys,
    Proof,
    Signed,
    by_hmac,
    by_secret,
    by_timed_hmac,
    hexdigest,
    secret_header,
    wire,
)
from allclear.responder.sources.source import Nothing, Reading, Source, test_call

_SIGNATURE = "X-Grafana-Alerting-Signature"


class Legacy(Body):
    """A notification of Grafana's old alerting."""

    ruleId: Word  # noqa: N815 - Grafana's own name
    state: str
    ruleName: Text = ""  # noqa: N815 - Grafana's own name
    title: Text = ""
    orgId: Word = ""  # noqa: N815 - Grafana's own name


class Grafana(Source):
    """Grafana Alerting."""

    name = "grafana"
    title = "Grafana"

    def authenticate(self, request: RawRequest, keys: Keys, now: datetime) -> Proof:
        """Return what the signature proves, or the secret itself where that is what is configured."""
        if _shows_secret(keys):
            return by_secret(request, keys)
        header = keys.header or _SIGNATURE
        return by_timed_hmac(request, keys, header, now) if keys.timestamp_header else by_hmac(request, keys, header)

    def sign(self, body: bytes, keys: Keys, now: datetime) -> Signed:
        """Return the signature, or the header with the secret."""
        if _shows_secret(keys):
            return secret_header(keys)
        header = keys.header or _SIGNATURE
        if not keys.timestamp_header:
            return Signed(((header, hexdigest(keys.secrets[0], body)),))
        at = str(int(now.timestamp()))
        signature = hexdigest(keys.secrets[0], wire(at) + b":" + body)
        return Signed(((header, signature), (keys.timestamp_header, at)))

    def parse(self, request: RawRequest) -> Reading:
        """Return the alerts of the group."""
        body = request.json()
        if isinstance(body, dict) and "alerts" not in body and "ruleId" in body:
            return self._legacy(fit(Legacy, body))
        group = fit(Group, body)
        if all(
            one.labels.get("alertname") == "TestAlert" and one.labels.get("instance") == "Grafana"
            for one in group.alerts
        ):
            return test_call("Grafana's contact point was tried out")
        return group.read([one.alert(self.name, group.orgId or "-") for one in group.alerts])

    def _legacy(self, one: Legacy) -> Reading:
        if one.ruleId == "0":
            return test_call("Grafana's notification channel was tried out")
        if one.state not in {"alerting", "ok"}:
            return Nothing(f"The state {one.state!r} says neither that the rule fires nor that it is over.")
        state = "firing" if one.state == "alerting" else "resolved"
        named = labels(alertname=one.ruleName)
        return [Alert(self.name, key(one.orgId or "-", "rule", one.ruleId), state, one.title or one.ruleName, named)]


def _shows_secret(keys: Keys) -> bool:
    return bool(keys.username) or keys.header.lower() == "authorization"

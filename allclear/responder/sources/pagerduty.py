"""PagerDuty's webhooks, version 3.

*Source:* PagerDuty's developer documentation, "Webhooks Overview" and "Verifying Signatures", 2026-11:
`X-PagerDuty-Signature` lists `v1=` and the hex HMAC-SHA256 of the body, several while a secret is being replaced;
one must fit. `X-Webhook-Id` numbers the delivery. PagerDuty waits 5 s, repeats 429 and 5xx for 48 h and drops what
other 4xx answer; three drops in a row disable the webhook for a day. `pagey.ping` is its test.

An incident that was merged into another is "resolved" by PagerDuty: that is no end of the trouble, and left out.

Labels: `alertname` (the incident's title), `service`, `priority` (as P1), `urgency`, `severity` (the priority, else
the urgency), `team`. Key: the account's address and the incident's id.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Text, When, Word, fit, key, labels
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import Keys, Proof, Signed, by_any_hmac, hexdigest
from allclear.responder.sources.source import Nothing, Reading, Source, delivery_id, test_call

_SIGNATURE = "X-PagerDuty-Signature"
_STATES = {"incident.triggered": "firing", "incident.reopened": "firing", "incident.resolved": "resolved"}


class Reference(Body):
    """Something that the incident names."""

    summary: Text = ""


class ResolveReason(Body):
    """Why an incident was resolved, where PagerDuty says so."""

    type: Text = ""


class Incident(Body):
    """An incident of PagerDuty."""

    id: Word
    html_url: Text = ""
    title: Text = ""
    service: Reference | None = None
    priority: Reference | None = None
    urgency: Text = ""
    teams: list[Reference] | None = None
    resolve_reason: ResolveReason | None = None


class Event(Body):
    """What happened."""

    event_type: str
    occurred_at: When = None
    data: object = None


class Webhook(Body):
    """The body that PagerDuty posts."""

    event: Event


class PagerDuty(Source):
    """PagerDuty."""

    name = "pagerduty"
    title = "PagerDuty"
    keeps = ("x-webhook-id",)

    def authenticate(self, request: RawRequest, keys: Keys, now: datetime) -> Proof:
        """Return what the signatures prove."""
        del now
        return by_any_hmac(request, keys, _SIGNATURE, "v1=")

    def sign(self, body: bytes, keys: Keys, now: datetime) -> Signed:
        """Return a signature with each secret, as PagerDuty does while one replaces the other."""
        del now
        return Signed(((_SIGNATURE, ",".join(f"v1={hexdigest(secret, body)}" for secret in keys.secrets)),))

    def delivery(self, request: RawRequest) -> str | None:
        """Return PagerDuty's number of the delivery."""
        return delivery_id(request, "x-webhook-id")

    def parse(self, request: RawRequest) -> Reading:
        """Return the incident as an alert."""
        event = fit(Webhook, request.json()).event
        if event.event_type == "pagey.ping":
            return test_call("PagerDuty's ping")
        if event.event_type not in _STATES:
            return Nothing(f"PagerDuty's {event.event_type!r} is neither the beginning nor the end of a trouble.")
        incident = fit(Incident, event.data)
        over = _STATES[event.event_type] == "resolved"
        if over and incident.resolve_reason and incident.resolve_reason.type == "merge_resolve_reason":
            return Nothing("The incident was merged into another at PagerDuty, which is no end of the trouble.")
        priority = incident.priority.summary if incident.priority else ""
        named = labels(
            alertname=incident.title,
            service=incident.service.summary if incident.service else None,
            priority=priority,
            urgency=incident.urgency,
            severity=priority or incident.urgency,
            team=incident.teams[0].summary if incident.teams else None,
        )
        identity = key(_account(incident.html_url), incident.id)
        title = incident.title or "PagerDuty incident"
        return [Alert(self.name, identity, "resolved" if over else "firing", title, named, at=event.occurred_at)]


def _account(address: str) -> str:
    return urlsplit(address).hostname or "-"

"""Google Cloud Monitoring's webhook channel, version 1.2 of its body.

*Source:* Google's documentation, "Create and manage notification channels" and "Webhooks", 2026-11: one incident a
request, `state` is `open` or `closed`; a channel sends name and password (Basic), or the address holds `auth_token`.
`version` is `test` for the test of a channel. Ids and times come as numbers or as text.

**Closed is not recovered**: Google also closes an incident when its policy is deleted or its data stays away. So the
alert is resolved (it triggers no automatic action any more) and its title says "closed"; only a probe from outside can
tell whether the service has recovered, and people end the incident.

Order: an incident that is closed is never opened again; the same trouble is another incident then.

Labels: `alertname` (the policy), `condition`, `severity` (may be absent), `project`, `metric`, `resource_type`, the
resource's own labels, and the policy's user labels. Key: project and incident.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from allclear.domain.alert import Alert
from allclear.domain.base import JsonDict
from allclear.responder.sources.payload import Body, Identifier, Labels, Text, Timestamp, key, labels, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.source import MakeSample, ParseResult, SharedSecretSource, unknown_state, vendor_test

_OPEN, _CLOSED = (0,), (1,)
"""The order of the messages about one incident."""
_WHY_CLOSED = "Google closed it, as it also does when a policy is deleted or its data stays away"


class Thing(Body):
    """A metric or a resource."""

    type: Text = ""
    labels: Labels = {}


class Incident(Body):
    """An incident at Google."""

    incident_id: Identifier
    state: str
    scoping_project_id: Text = ""
    policy_name: Text = ""
    condition_name: Text = ""
    summary: Text = ""
    severity: Text = ""
    policy_user_labels: Labels = {}
    metric: Thing | None = None
    resource: Thing | None = None
    started_at: Timestamp = None
    ended_at: Timestamp = None


class Notification(Body):
    """The body that Google posts."""

    version: Text = ""
    incident: Incident


class Version(Body):
    """The part of a body that tells a test from an incident."""

    version: Text = ""


def _sample(state: str) -> MakeSample:
    def make(at: datetime) -> RawRequest:
        incident: JsonDict = {
            "incident_id": "0.sample9x4kq2",
            "scoping_project_id": "sample-project",
            "scoping_project_number": 123456789012,
            "state": state,
            "severity": "Critical",
            "policy_name": "Sample checkout latency",
            "condition_name": "p95 over two seconds",
            "summary": "Request latency for sample-shop is above the threshold of 2000 with a value of 4100.",
            "started_at": int((at - timedelta(minutes=7)).timestamp()),
            "ended_at": int(at.timestamp()) if state == "closed" else None,
            "policy_user_labels": {"team": "payments"},
            "observed_value": "4100",
            "threshold_value": "2000",
            "metric": {"type": "run.googleapis.com/request_latencies", "displayName": "Latency", "labels": {}},
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": "sample-shop"}},
            "url": "https://console.cloud.google.com/monitoring/alerting/incidents/0.sample9x4kq2",
        }
        return json_request({"version": "1.2", "incident": incident})

    return make


def _test_sample(at: datetime) -> RawRequest:
    incident = {
        "incident_id": "12345",
        "state": "OPEN",
        "summary": "Test Incident",
        "started_at": int(at.timestamp()),
        "ended_at": None,
    }
    return json_request({"version": "test", "incident": incident})


class GoogleMonitoring(SharedSecretSource):
    """Google Cloud Monitoring."""

    name = "google"
    title = "Google Cloud Monitoring"
    query_field = "auth_token"
    samples = {"firing": _sample("open"), "resolved": _sample("closed"), "test": _test_sample}

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the incident as an alert."""
        body = request.json()
        if validate(Version, body).version.lower() == "test":
            return vendor_test("Google tested the notification channel")
        incident = validate(Notification, body).incident
        state = incident.state.lower()
        if state not in {"open", "closed"}:
            raise unknown_state("the state", incident.state, "open, closed")
        resource, metric = incident.resource or Thing(), incident.metric or Thing()
        own = labels(
            alertname=incident.policy_name or incident.condition_name,
            condition=incident.condition_name,
            severity=incident.severity,
            project=incident.scoping_project_id,
            metric=metric.type,
            resource_type=resource.type,
        )
        alert_labels = {**resource.labels, **incident.policy_user_labels, **own}
        title = incident.summary or incident.policy_name or incident.condition_name or "incident"
        identity = key(incident.scoping_project_id or "-", incident.incident_id)
        if state == "open":
            return [Alert(self.name, identity, "firing", title, alert_labels, at=incident.started_at, order=_OPEN)]
        return [
            Alert(
                self.name,
                identity,
                "resolved",
                f"closed: {title}",
                alert_labels,
                at=incident.ended_at,
                order=_CLOSED,
                no_recovery=_WHY_CLOSED,
            )
        ]

"""Google Cloud Monitoring's webhook channel, version 1.2 of its body.

*Source:* Google's documentation, "Create and manage notification channels" and "Webhooks", 2026-11: one incident a
request, `state` is `open` or `closed`; a channel sends name and password (Basic), or the address holds `auth_token`.
`version` is `test` for the test of a channel. Ids and times come as numbers or as text.

**Closed is not recovered**: Google closes an incident as well when its policy is deleted or its data stays away. So
the alert is over (nothing acts by itself on it any more), its title says no more than "closed", and that the service
has recovered is for a look from outside to say.

Labels: `alertname` (the policy), `condition`, `severity` (may be absent), `project`, `metric`, `resource_type`, the
resource's own labels, and the policy's user labels. Key: project and incident.
"""

from __future__ import annotations

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Labels, Text, When, Word, fit, key, labels
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import Nothing, Reading, SecretSource, test_call


class Thing(Body):
    """The metric or the resource."""

    type: Text = ""
    labels: Labels = {}


class Incident(Body):
    """An incident of Google's."""

    incident_id: Word
    state: str
    scoping_project_id: Text = ""
    policy_name: Text = ""
    condition_name: Text = ""
    summary: Text = ""
    severity: Text = ""
    policy_user_labels: Labels = {}
    metric: Thing | None = None
    resource: Thing | None = None
    started_at: When = None
    ended_at: When = None


class Notification(Body):
    """The body that Google posts."""

    version: Text = ""
    incident: Incident


class Version(Body):
    """The part of a body that says whether it is a test."""

    version: Text = ""


class GoogleMonitoring(SecretSource):
    """Google Cloud Monitoring."""

    name = "google"
    title = "Google Cloud Monitoring"
    query = "auth_token"

    def parse(self, request: RawRequest) -> Reading:
        """Return the incident as an alert."""
        body = request.json()
        if fit(Version, body).version.lower() == "test":
            return test_call("Google tried out the notification channel")
        incident = fit(Notification, body).incident
        state = incident.state.lower()
        if state not in {"open", "closed"}:
            return Nothing(f"The state {incident.state!r} is neither open nor closed.")
        resource, metric = incident.resource or Thing(), incident.metric or Thing()
        own = labels(
            alertname=incident.policy_name or incident.condition_name,
            condition=incident.condition_name,
            severity=incident.severity,
            project=incident.scoping_project_id,
            metric=metric.type,
            resource_type=resource.type,
        )
        named = {**resource.labels, **incident.policy_user_labels, **own}
        title = incident.summary or incident.policy_name or incident.condition_name or "incident"
        identity = key(incident.scoping_project_id or "-", incident.incident_id)
        if state == "closed":
            return [Alert(self.name, identity, "resolved", f"closed: {title}", named, at=incident.ended_at)]
        return [Alert(self.name, identity, "firing", title, named, at=incident.started_at)]

"""Sentry's integration platform: issue alerts, metric alerts, and issues.

*Source:* Sentry's documentation, "Integration Platform > Webhooks", 2026-11: `Sentry-Hook-Resource` names the resource;
`Sentry-Hook-Signature` (to some older receivers `Sentry-App-Signature`) is the hex HMAC-SHA256 of the raw body under
the integration's client secret. Time and `Request-ID` are not signed, so the body alone identifies a delivery. An issue
alert (`event_alert`) never resolves;
its `issue_id` is the id of the `issue` that can. A resolved issue has no time. Sentry waits one second.

`statusDetails` says if an issue was resolved automatically after a time without events, or only for the next release;
a metric alert's `status_method` 2 says that its rule was changed (Sentry's source, `IncidentStatusMethod`, 2026-11).
Such an end is no recovery. The body of the legacy "WebHooks" plugin has no resource and no `data`; it is not signed.

Order: by arrival, because an event's time is that of the client's clock.

Labels: `alertname` (the rule; for an issue the type of its error), `severity` (the level; for a metric alert
`critical` or `warning`), `project`, `environment`, `release`, `platform`, `resource`. Key: the integration's
installation with the issue, the organisation with the metric alert.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any, cast

from pydantic import Field

from allclear.domain.alert import Alert
from allclear.domain.base import JsonDict
from allclear.responder.sources.payload import Body, Identifier, Text, Timestamp, iso_time, key, labels, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.signatures import AuthenticationResult, Credentials, hmac_hex, verify_hmac
from allclear.responder.sources.source import MakeSample, NoAlert, ParseResult, Source, unknown_state, vendor_test

_SIGNATURE, _OLD_SIGNATURE = "Sentry-Hook-Signature", "Sentry-App-Signature"
_PROJECT = re.compile(r"/projects/[^/]+/([^/]+)/")
_OTHER_RESOURCES = frozenset({"error", "comment", "seer", "preprod_artifact", "activity_alert"})
"""Documented resources that report neither a problem nor its end."""
_OTHER_ACTIONS = frozenset({"assigned", "archived", "ignored", "unassigned"})
_RULE_CHANGED = "2"
"""The `status_method` of a metric alert that was closed because its rule was changed."""


class Installation(Body):
    """Where the integration is installed."""

    uuid: Text = ""


class Project(Body):
    """An issue's project."""

    slug: Text = ""


class Issue(Body):
    """The issue of an `issue` request."""

    id: Identifier
    title: Text = ""
    level: Text = ""
    platform: Text = ""
    project: Project = Project()
    metadata: dict[str, Any] = {}
    statusDetails: object = None  # noqa: N815 - Sentry's own name
    firstSeen: Timestamp = None  # noqa: N815 - Sentry's own name
    lastSeen: Timestamp = None  # noqa: N815 - Sentry's own name


class Event(Body):
    """The event that triggered an issue alert."""

    issue_id: Identifier
    title: Text = ""
    level: Text = ""
    platform: Text = ""
    environment: Text = ""
    release: Text = ""
    url: Text = ""
    datetime: Timestamp = None


class Rule(Body):
    """The rule of a metric alert."""

    name: Text = ""
    environment: Text = ""


class MetricAlert(Body):
    """A metric alert."""

    id: Identifier
    organization_id: Identifier = ""
    title: Text = ""
    projects: list[Text] = []
    alert_rule: Rule = Rule()
    status_method: Text = ""
    date_started: Timestamp = None
    date_closed: Timestamp = None


class Data(Body):
    """The resource that the request is about: one of the three."""

    issue: Issue | None = None
    event: Event | None = None
    metric_alert: MetricAlert | None = None
    triggered_rule: Text = ""
    description_title: Text = ""


class Hook(Body):
    """The body that Sentry posts."""

    action: Text = ""
    data: Data = Data()
    installation: Installation = Field(default=Installation())


_SAMPLE_INSTALLATION = {"uuid": "3c1f0d52-8f0e-4d57-9a55-3b0f6f1e7a90"}
_SAMPLE_ISSUE = "5512740981"
_SAMPLE_TITLE = "PaymentError: the card service did not answer"


def _request(resource: str, action: str, data: JsonDict) -> RawRequest:
    body = {
        "action": action,
        "installation": _SAMPLE_INSTALLATION,
        "actor": {"type": "application", "id": "sentry", "name": "Sentry"},
        "data": data,
    }
    return json_request(body, {"Sentry-Hook-Resource": resource, "Request-ID": str(uuid.uuid4())})


def _issue_sample(action: str) -> MakeSample:
    def make(at: datetime) -> RawRequest:
        issue = {
            "id": _SAMPLE_ISSUE,
            "shortId": "SAMPLE-SHOP-9",
            "title": _SAMPLE_TITLE,
            "culprit": "checkout.pay",
            "level": "error",
            "platform": "python",
            "type": "error",
            "status": "resolved" if action == "resolved" else "unresolved",
            "count": "42",
            "metadata": {"type": "PaymentError", "value": "the card service did not answer"},
            "project": {"id": "77", "name": "sample-shop", "slug": "sample-shop", "platform": "python"},
            "firstSeen": iso_time(at),
            "lastSeen": iso_time(at),
        }
        return _request("issue", action, {"issue": issue})

    return make


def _event_sample(at: datetime) -> RawRequest:
    event = {
        "event_id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "issue_id": _SAMPLE_ISSUE,
        "project": 77,
        "level": "error",
        "title": _SAMPLE_TITLE,
        "platform": "python",
        "environment": "production",
        "release": "sample-shop@4.2.0",
        "datetime": iso_time(at),
        "url": "https://sentry.io/api/0/projects/sample-org/sample-shop/events/0f1e2d3c4b5a6978/",
        "issue_url": f"https://sentry.io/api/0/issues/{_SAMPLE_ISSUE}/",
    }
    return _request("event_alert", "triggered", {"event": event, "triggered_rule": "Sample: payment errors"})


def _metric_sample(action: str) -> MakeSample:
    def make(at: datetime) -> RawRequest:
        metric_alert = {
            "id": "431",
            "identifier": "12",
            "organization_id": "5",
            "title": "Sample error count",
            "projects": ["sample-shop"],
            "status": 2 if action == "resolved" else 20,
            "date_started": iso_time(at),
            "date_closed": None,
            "alert_rule": {"id": "7", "name": "Sample error count", "environment": "production"},
        }
        data = {
            "description_title": f"{action.title()}: Sample error count",
            "description_text": "1000 events in the last 10 minutes",
            "web_url": "https://sentry.io/alerts/1/",
            "metric_alert": metric_alert,
        }
        return _request("metric_alert", action, data)

    return make


def _installation_sample(_at: datetime) -> RawRequest:
    return _request("installation", "created", {"installation": _SAMPLE_INSTALLATION})


class Sentry(Source):
    """Sentry."""

    name = "sentry"
    title = "Sentry"
    bodies_are_unique = True
    needed_headers = ("sentry-hook-resource", "request-id")
    samples = {
        "firing": _event_sample,
        "resolved": _issue_sample("resolved"),
        "issue": _issue_sample("created"),
        "metric": _metric_sample("critical"),
        "metric-resolved": _metric_sample("resolved"),
        "test": _installation_sample,
    }

    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Verify the signature over the body."""
        del now
        old = not request.header_values(_SIGNATURE) and bool(request.header_values(_OLD_SIGNATURE))
        return verify_hmac(request, credentials, _OLD_SIGNATURE if old else _SIGNATURE)

    def sign(self, sample: RawRequest, credentials: Credentials, now: datetime) -> RawRequest:
        """Add the signature and the time."""
        timestamp = str(int(now.timestamp()))
        signature = hmac_hex(credentials.secrets[0], sample.body)
        return sample.with_headers((_SIGNATURE, signature), ("Sentry-Hook-Timestamp", timestamp))

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the alert."""
        body = request.json()
        resource = request.header("sentry-hook-resource") or _resource_of(body)
        if resource == "installation":
            return vendor_test("the integration was installed or removed in Sentry")
        if resource in _OTHER_RESOURCES:
            return NoAlert(f"Sentry's {resource!r} is no alert.")
        if resource not in {"issue", "event_alert", "metric_alert"}:
            raise _unknown_resource(resource, body)
        hook = validate(Hook, body)
        installation = hook.installation.uuid or "-"
        if resource == "issue" and hook.data.issue:
            return self._issue(hook, hook.data.issue, installation)
        if resource == "event_alert" and hook.data.event:
            return [self._event(hook.data, hook.data.event, installation)]
        if resource == "metric_alert" and hook.data.metric_alert:
            return self._metric(hook, hook.data.metric_alert)
        msg = f"data has no {resource}"
        raise ValueError(msg)

    def _issue(self, hook: Hook, issue: Issue, installation: str) -> ParseResult:
        if hook.action in _OTHER_ACTIONS:
            return NoAlert(f"The action {hook.action!r} of an issue means neither firing nor resolved.")
        if hook.action not in {"created", "unresolved", "resolved"}:
            raise unknown_state("the action", hook.action, "created, unresolved, resolved, assigned, archived")
        resolved = hook.action == "resolved"
        kind = issue.metadata.get("type")
        alert_labels = labels(
            alertname=kind if isinstance(kind, str) else issue.title,
            severity=issue.level,
            platform=issue.platform,
            project=issue.project.slug,
            resource="issue",
        )
        at = None if resolved else issue.firstSeen if hook.action == "created" else issue.lastSeen
        state = "resolved" if resolved else "firing"
        identity, title = key(installation, "issue", issue.id), issue.title or "issue"
        no_recovery = _why_not_solved(issue.statusDetails) if resolved else ""
        return [Alert(self.name, identity, state, title, alert_labels, at=at, no_recovery=no_recovery)]

    def _event(self, data: Data, event: Event, installation: str) -> Alert:
        project = _PROJECT.search(event.url)
        alert_labels = labels(
            alertname=data.triggered_rule or event.title,
            severity=event.level,
            platform=event.platform,
            project=project[1] if project else None,
            environment=event.environment,
            release=event.release,
            resource="event_alert",
        )
        title = event.title or data.triggered_rule or "issue alert"
        return Alert(
            self.name, key(installation, "issue", event.issue_id), "firing", title, alert_labels, at=event.datetime
        )

    def _metric(self, hook: Hook, metric: MetricAlert) -> ParseResult:
        if hook.action not in {"critical", "warning", "resolved"}:
            raise unknown_state("the action", hook.action, "critical, warning, resolved")
        resolved = hook.action == "resolved"
        alert_labels = labels(
            alertname=metric.alert_rule.name or metric.title,
            severity=None if resolved else hook.action,
            project=metric.projects[0] if metric.projects else None,
            environment=metric.alert_rule.environment,
            resource="metric_alert",
        )
        title = hook.data.description_title or metric.title or "metric alert"
        identity = key(metric.organization_id or "-", "metric", metric.id)
        at = metric.date_closed if resolved else metric.date_started
        state = "resolved" if resolved else "firing"
        changed = resolved and metric.status_method == _RULE_CHANGED
        no_recovery = "its rule was changed" if changed else ""
        return [Alert(self.name, identity, state, title, alert_labels, at=at, no_recovery=no_recovery)]


def _why_not_solved(details: object) -> str:
    """Return why a resolved issue may go on; empty if a person or a release has solved it."""
    known = cast("dict[str, object]", details) if isinstance(details, dict) else {}
    if known.get("autoResolved"):
        return "Sentry resolves an issue by itself after a time without events"
    return "only the next release is to solve it" if known.get("inNextRelease") else ""


def _unknown_resource(resource: str, body: object) -> ValueError:
    if not resource and isinstance(body, dict) and "data" not in body and "project" in body:
        return ValueError("this is the body of Sentry's legacy WebHooks plugin: use an internal integration")
    return unknown_state("the resource", resource, "issue, event_alert, metric_alert")


def _resource_of(body: object) -> str:
    """Return the resource of a request without the header, from the fields of its data."""
    data = cast("dict[str, object]", body).get("data") if isinstance(body, dict) else None
    names = {"metric_alert": "metric_alert", "event": "event_alert", "issue": "issue"}
    return next((resource for field, resource in names.items() if isinstance(data, dict) and field in data), "")

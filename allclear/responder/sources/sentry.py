"""Sentry's integration platform: issue alerts, metric alerts, and issues.

*Source:* Sentry's documentation, "Integration Platform > Webhooks", 2026-11: `Sentry-Hook-Resource` says what it is;
`Sentry-Hook-Signature` (to some older receivers `Sentry-App-Signature`) is the hex HMAC-SHA256 of the raw body under
the integration's client secret. Time and `Request-ID` are not signed. An issue alert (`event_alert`) never resolves;
its `issue_id` is the id under which `issue` tells of the same. A resolved alert tells no time. Sentry waits one second.

Labels: `alertname` (the rule; for an issue the type of its error), `severity` (the level; for a metric alert
`critical` or `warning`), `project`, `environment`, `release`, `platform`, `resource`. Key: the integration's
installation with the issue, the organisation with the metric alert.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, cast

from pydantic import Field

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Text, When, Word, fit, key, labels
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import Keys, Proof, Signed, by_hmac, hexdigest
from allclear.responder.sources.source import Nothing, Reading, Source, delivery_id, test_call

_SIGNATURE, _OLD_SIGNATURE = "Sentry-Hook-Signature", "Sentry-App-Signature"
_PROJECT = re.compile(r"/projects/[^/]+/([^/]+)/")


class Installation(Body):
    """Where the integration is installed."""

    uuid: Text = ""


class Project(Body):
    """An issue's project."""

    slug: Text = ""


class Issue(Body):
    """An issue as `issue` tells of it."""

    id: Word
    title: Text = ""
    level: Text = ""
    platform: Text = ""
    project: Project = Project()
    metadata: dict[str, Any] = {}
    firstSeen: When = None  # noqa: N815 - Sentry's own name
    lastSeen: When = None  # noqa: N815 - Sentry's own name


class Event(Body):
    """The event that set off an issue alert."""

    issue_id: Word
    title: Text = ""
    level: Text = ""
    platform: Text = ""
    environment: Text = ""
    release: Text = ""
    url: Text = ""
    datetime: When = None


class Rule(Body):
    """The rule of a metric alert."""

    name: Text = ""
    environment: Text = ""


class MetricAlert(Body):
    """What a metric alert found."""

    id: Word
    organization_id: Word = ""
    title: Text = ""
    projects: list[Text] = []
    alert_rule: Rule = Rule()
    date_started: When = None
    date_closed: When = None


class Data(Body):
    """What the request is about: one of the three."""

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


class Sentry(Source):
    """Sentry."""

    name = "sentry"
    title = "Sentry"
    keeps = ("sentry-hook-resource", "request-id")

    def authenticate(self, request: RawRequest, keys: Keys, now: datetime) -> Proof:
        """Return what the signature proves."""
        del now
        old = not request.header_values(_SIGNATURE) and bool(request.header_values(_OLD_SIGNATURE))
        return by_hmac(request, keys, _OLD_SIGNATURE if old else _SIGNATURE)

    def sign(self, body: bytes, keys: Keys, now: datetime) -> Signed:
        """Return the signature and the time."""
        at = str(int(now.timestamp()))
        return Signed(((_SIGNATURE, hexdigest(keys.secrets[0], body)), ("Sentry-Hook-Timestamp", at)))

    def delivery(self, request: RawRequest) -> str | None:
        """Return Sentry's number of the request."""
        return delivery_id(request, "request-id")

    def parse(self, request: RawRequest) -> Reading:
        """Return the alert."""
        body = request.json()
        resource = request.header("sentry-hook-resource") or _resource_of(body)
        if resource == "installation":
            return test_call("the integration was installed or removed in Sentry")
        if resource not in {"issue", "event_alert", "metric_alert"}:
            return Nothing(f"Sentry's {resource or 'unnamed resource'!r} tells of no trouble.")
        hook = fit(Hook, body)
        where = hook.installation.uuid or "-"
        if resource == "issue" and hook.data.issue:
            return self._issue(hook, hook.data.issue, where)
        if resource == "event_alert" and hook.data.event:
            return [self._event(hook.data, hook.data.event, where)]
        if resource == "metric_alert" and hook.data.metric_alert:
            return self._metric(hook, hook.data.metric_alert)
        msg = f"data: there is no {resource} in it"
        raise ValueError(msg)

    def _issue(self, hook: Hook, issue: Issue, where: str) -> Reading:
        if hook.action not in {"created", "unresolved", "resolved"}:
            return Nothing(f"An issue that is {hook.action!r} has neither begun nor ended.")
        over = hook.action == "resolved"
        kind = issue.metadata.get("type")
        named = labels(
            alertname=kind if isinstance(kind, str) else issue.title,
            severity=issue.level,
            platform=issue.platform,
            project=issue.project.slug,
            resource="issue",
        )
        at = None if over else issue.firstSeen if hook.action == "created" else issue.lastSeen
        state = "resolved" if over else "firing"
        return [Alert(self.name, key(where, "issue", issue.id), state, issue.title or "issue", named, at=at)]

    def _event(self, data: Data, event: Event, where: str) -> Alert:
        project = _PROJECT.search(event.url)
        named = labels(
            alertname=data.triggered_rule or event.title,
            severity=event.level,
            platform=event.platform,
            project=project[1] if project else None,
            environment=event.environment,
            release=event.release,
            resource="event_alert",
        )
        title = event.title or data.triggered_rule or "issue alert"
        return Alert(self.name, key(where, "issue", event.issue_id), "firing", title, named, at=event.datetime)

    def _metric(self, hook: Hook, metric: MetricAlert) -> Reading:
        if hook.action not in {"critical", "warning", "resolved"}:
            return Nothing(f"A metric alert that is {hook.action!r} has neither begun nor ended.")
        over = hook.action == "resolved"
        named = labels(
            alertname=metric.alert_rule.name or metric.title,
            severity=None if over else hook.action,
            project=metric.projects[0] if metric.projects else None,
            environment=metric.alert_rule.environment,
            resource="metric_alert",
        )
        title = hook.data.description_title or metric.title or "metric alert"
        identity = key(metric.organization_id or "-", "metric", metric.id)
        at = metric.date_closed if over else metric.date_started
        return [Alert(self.name, identity, "resolved" if over else "firing", title, named, at=at)]


def _resource_of(body: object) -> str:
    """Return what a body without the header is about, by what stands in its data."""
    data = cast("dict[str, object]", body).get("data") if isinstance(body, dict) else None
    names = {"metric_alert": "metric_alert", "event": "event_alert", "issue": "issue"}
    return next((said for field, said in names.items() if isinstance(data, dict) and field in data), "")

"""Prometheus Alertmanager's webhook, version 4.

*Source:* Alertmanager's documentation, `webhook_config`, 2026-11: each alert of a group has its own `status` and
`fingerprint`; a group whose status is `resolved` may hold alerts that still fire, so only the alert's own status
counts. It retries 5xx and network errors only. `truncatedAlerts` says how many of the group it left out because of its
`max_alerts`. It signs nothing: `http_config` sends a bearer token or a name and password.

Order: by arrival. `startsAt` stays the same when an alert fires again after Prometheus was away for a while, during
which Alertmanager reported its end.

Labels: Alertmanager's own, as `alertname` and `severity`, and the annotations `value`, `samples` and `window`. Key:
the fingerprint, or the labels' hash.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from allclear.domain.alert import Alert
from allclear.domain.base import JsonDict
from allclear.responder.sources.payload import (
    Body,
    Identifier,
    Labels,
    Text,
    Timestamp,
    as_labels,
    iso_time,
    key,
    labels_identity,
    validate,
)
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.source import (
    IncompleteAlerts,
    MakeSample,
    NoAlert,
    ParseResult,
    SharedSecretSource,
    read_each,
)

_MEASURED = ("value", "samples", "window")
"""Annotations that say what was measured, how often and over how long; the plan's thresholds use them."""

NEVER = "0001-01-01T00:00:00Z"
"""Alertmanager's `endsAt` while an alert fires."""


class GroupAlert(Body):
    """One alert of a group."""

    status: Literal["firing", "resolved"]
    labels: dict[str, Any]
    annotations: Labels = {}
    startsAt: Timestamp = None  # noqa: N815 - Alertmanager's own name
    endsAt: Timestamp = None  # noqa: N815 - Alertmanager's own name
    fingerprint: Text = ""

    def alert(self, source: str, *organisation: str, no_recovery: str = "") -> Alert:
        """Return allclear's alert for it."""
        own = as_labels(self.labels)
        identity = key(*organisation, self.fingerprint or labels_identity(self.labels))
        title = self.annotations.get("summary") or own.get("alertname") or "alert"
        at = self.startsAt if self.status == "firing" else self.endsAt
        measured = {name: self.annotations[name] for name in _MEASURED if name in self.annotations}
        return Alert(source, identity, self.status, title, measured | own, at=at, no_recovery=no_recovery)


class Group(Body):
    """The body that Alertmanager posts."""

    orgId: Identifier = ""  # noqa: N815 - Grafana's own name
    alerts: list[Any] = Field(min_length=1)
    truncatedAlerts: object = 0  # noqa: N815 - Alertmanager's own name

    def read(self, read: Callable[[GroupAlert], Alert]) -> ParseResult:
        """Return what `read` makes of each alert, with a note if Alertmanager left some of the group out.

        A number of those that is not a number is ignored. Raises ValueError if no alert can be read.
        """
        result, left_out = read_each(self.alerts, lambda alert: read(validate(GroupAlert, alert))), self.truncatedAlerts
        if isinstance(result, NoAlert) or not isinstance(left_out, int) or isinstance(left_out, bool) or left_out <= 0:
            return result
        incomplete = result if isinstance(result, IncompleteAlerts) else IncompleteAlerts(result, "")
        note = f"Its sender left {left_out} more of the group out: raise `max_alerts` there."
        return IncompleteAlerts(result, f"{note} {incomplete.note}".strip(), quarantined=incomplete.quarantined)


def sample_alert(at: datetime, status: str, fingerprint: str) -> JsonDict:
    """Return one alert of a sample group."""
    resolved = status == "resolved"
    return {
        "status": status,
        "labels": {"alertname": "SampleCheckoutErrors", "severity": "critical", "service": "sample-shop"},
        "annotations": {"summary": "Sample: one checkout in five fails"},
        "startsAt": iso_time(at - timedelta(minutes=7) if resolved else at),
        "endsAt": iso_time(at) if resolved else NEVER,
        "generatorURL": "https://monitoring.example.com/graph?g0.expr=errors",
        "fingerprint": fingerprint,
    }


def _sample(status: str) -> MakeSample:
    return lambda at: json_request(
        {
            "version": "4",
            "groupKey": '{}:{alertname="SampleCheckoutErrors"}',
            "truncatedAlerts": 0,
            "status": status,
            "receiver": "allclear",
            "groupLabels": {"alertname": "SampleCheckoutErrors"},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "https://monitoring.example.com",
            "alerts": [sample_alert(at, status, "5a3c1e0f97b2d846")],
        }
    )


class Alertmanager(SharedSecretSource):
    """Prometheus Alertmanager."""

    name = "alertmanager"
    title = "Prometheus Alertmanager"
    accepts_alert_token = True
    samples = {"firing": _sample("firing"), "resolved": _sample("resolved")}

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the alerts of the group."""
        return validate(Group, request.json()).read(lambda alert: alert.alert(self.name))

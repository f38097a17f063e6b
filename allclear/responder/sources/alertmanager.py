"""Prometheus Alertmanager's webhook, version 4.

*Source:* Alertmanager's documentation, `webhook_config`, 2026-11: each alert of a group has its own `status` and
`fingerprint`; a group that says `resolved` may hold alerts that still fire, so only the alert's own word counts. It
retries 5xx and network errors only. `truncatedAlerts` says how many of the group it left out, for its `max_alerts`. It
signs nothing: `http_config` sends a bearer token or a name and password.

Labels: Alertmanager's own, as `alertname` and `severity`, and the annotations `value`, `samples` and `window`. Key:
the fingerprint, or the labels' hash.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from allclear.domain.alert import Alert
from allclear.domain.base import digest
from allclear.responder.sources.payload import Body, Labels, Text, When, Word, fit, key
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import Partial, Reading, SecretSource

_MEASURED = ("value", "samples", "window")
"""Annotations that say what was measured, how often and over how long; the plan's thresholds look at them."""


class OneAlert(Body):
    """One alert of a group."""

    status: Literal["firing", "resolved"]
    labels: Labels
    annotations: Labels = {}
    startsAt: When = None  # noqa: N815 - Alertmanager's own name
    endsAt: When = None  # noqa: N815 - Alertmanager's own name
    fingerprint: Text = ""

    def alert(self, source: str, *organisation: str) -> Alert:
        """Return it as ours."""
        identity = self.fingerprint or digest(self.labels)
        title = self.annotations.get("summary") or self.labels.get("alertname") or "alert"
        at = self.startsAt if self.status == "firing" else self.endsAt
        told = {name: self.annotations[name] for name in _MEASURED if name in self.annotations}
        return Alert(source, key(*organisation, identity), self.status, title, told | self.labels, at=at)


class Group(Body):
    """The body that Alertmanager posts."""

    orgId: Word = ""  # noqa: N815 - Grafana's own name
    alerts: list[OneAlert] = Field(min_length=1)
    truncatedAlerts: object = 0  # noqa: N815 - Alertmanager's own name

    def read(self, alerts: list[Alert]) -> Reading:
        """Return its alerts, with a note where Alertmanager sent only some; a count that is none says nothing."""
        left_out = self.truncatedAlerts
        if not isinstance(left_out, int) or isinstance(left_out, bool) or left_out <= 0:
            return alerts
        return Partial(alerts, f"Its sender left {left_out} more of the group out: raise `max_alerts` there.")


class Alertmanager(SecretSource):
    """Prometheus Alertmanager."""

    name = "alertmanager"
    title = "Prometheus Alertmanager"

    def parse(self, request: RawRequest) -> Reading:
        """Return the alerts of the group."""
        group = fit(Group, request.json())
        return group.read([one.alert(self.name) for one in group.alerts])

"""UptimeRobot's webhook.

*Source:* UptimeRobot's help, "Webhook integration", 2026-11, and its variables `*monitorID*`, `*alertType*` ...: it
posts them as JSON or as a form, numbers often as text. `alertType` is 1 for down, 2 for up, 3 for a certificate or
domain that is about to expire. Nothing is signed; newer accounts can add headers, the others put a secret into the
address.

Labels: `alertname` and `monitor` (the monitor's name), `alerttype` (down, up, expiry), `monitor_id`, `url`,
`severity` (warning for an expiry). Key: the monitor; an expiry has one of its own, and no end.
"""

from __future__ import annotations

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Text, When, Word, fit, key, labels
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import Nothing, Reading, SecretSource

_TYPES = {"1": "down", "2": "up", "3": "expiry"}


class Notice(Body):
    """The variables that UptimeRobot sends."""

    monitorID: Word  # noqa: N815 - UptimeRobot's own name
    alertType: Word  # noqa: N815 - UptimeRobot's own name
    monitorURL: Text = ""  # noqa: N815 - UptimeRobot's own name
    monitorFriendlyName: Text = ""  # noqa: N815 - UptimeRobot's own name
    alertDetails: Text = ""  # noqa: N815 - UptimeRobot's own name
    alertDateTime: When = None  # noqa: N815 - UptimeRobot's own name


class UptimeRobot(SecretSource):
    """UptimeRobot."""

    name = "uptimerobot"
    title = "UptimeRobot"
    query = "token"
    by_query = True

    def parse(self, request: RawRequest) -> Reading:
        """Return the monitor's alert."""
        if not request.body:
            msg = "the body is empty: choose JSON or POST parameters at UptimeRobot, not the query string"
            raise ValueError(msg)
        notice = fit(Notice, request.form() if request.is_form else request.json())
        kind = _TYPES.get(notice.alertType)
        if kind is None:
            return Nothing(f"The alert type {notice.alertType!r} is neither down, up nor an expiry.")
        name = notice.monitorFriendlyName or notice.monitorURL or notice.monitorID
        named = labels(
            alertname=name,
            monitor=name,
            alerttype=kind,
            monitor_id=notice.monitorID,
            url=notice.monitorURL,
            severity="warning" if kind == "expiry" else None,
        )
        identity = key(notice.monitorID, "expiry") if kind == "expiry" else key(notice.monitorID)
        title = f"{name}: {notice.alertDetails or kind}"
        state = "resolved" if kind == "up" else "firing"
        return [Alert(self.name, identity, state, title, named, at=notice.alertDateTime)]

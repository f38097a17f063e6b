"""UptimeRobot's webhook.

*Source:* UptimeRobot's help, "Webhook integration", 2026-11, and its variables `*monitorID*`, `*alertType*` ...: it
posts them as JSON or as a form, numbers often as text. `alertType` is 1 for down, 2 for up, 3 for a certificate or
domain that is about to expire. Nothing is signed; newer accounts can add headers, others put the secret into the
address.

Order: `alertDateTime`, the time of the alert.

Labels: `alertname` and `monitor` (the monitor's name), `alerttype` (down, up, expiry), `monitor_id`, `url`,
`severity` (warning for an expiry). Key: the monitor; an expiry has a key of its own, and never resolves.
"""

from __future__ import annotations

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Identifier, Text, Timestamp, key, labels, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.source import MakeSample, ParseResult, SharedSecretSource, unknown_state

_TYPES = {"1": "down", "2": "up", "3": "expiry"}


class Notice(Body):
    """The variables that UptimeRobot sends."""

    monitorID: Identifier  # noqa: N815 - UptimeRobot's own name
    alertType: Identifier  # noqa: N815 - UptimeRobot's own name
    monitorURL: Text = ""  # noqa: N815 - UptimeRobot's own name
    monitorFriendlyName: Text = ""  # noqa: N815 - UptimeRobot's own name
    alertDetails: Text = ""  # noqa: N815 - UptimeRobot's own name
    alertDateTime: Timestamp = None  # noqa: N815 - UptimeRobot's own name


def _sample(alert_type: str, name: str, details: str) -> MakeSample:
    return lambda at: json_request(
        {
            "monitorID": "790123456",
            "monitorURL": "https://shop.example.com",
            "monitorFriendlyName": "Sample shop",
            "alertType": alert_type,
            "alertTypeFriendlyName": name,
            "alertDetails": details,
            "alertDateTime": str(int(at.timestamp())),
            "alertDuration": "420",
        }
    )


class UptimeRobot(SharedSecretSource):
    """UptimeRobot."""

    name = "uptimerobot"
    title = "UptimeRobot"
    query_field = "token"
    only_in_query = True
    samples = {
        "firing": _sample("1", "Down", "HTTP 503 - Service Unavailable"),
        "resolved": _sample("2", "Up", "HTTP 200 - OK"),
        "expiry": _sample("3", "SSL expiry", "The certificate ends in 7 days"),
    }

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the monitor's alert."""
        if not request.body:
            msg = "the body is empty: choose JSON or POST parameters at UptimeRobot, not the query string"
            raise ValueError(msg)
        notice = validate(Notice, request.form() if request.is_form else request.json())
        kind = _TYPES.get(notice.alertType)
        if kind is None:
            raise unknown_state("the alert type", notice.alertType, "1 (down), 2 (up) and 3 (expiry)")
        name = notice.monitorFriendlyName or notice.monitorURL or notice.monitorID
        alert_labels = labels(
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
        at = notice.alertDateTime
        return [Alert(self.name, identity, state, title, alert_labels, at=at, order=at)]

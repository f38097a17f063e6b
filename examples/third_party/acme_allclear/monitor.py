"""The alert source `acme-monitor`: Acme's own monitoring, which posts JSON with the shared secret in a header.

*Source:* Acme's wiki, "Monitor webhooks": `{"check": "checkout", "state": "down" or "up", "since": a time}`.
"""

from allclear.responder.sources import (
    Alert,
    Body,
    NoAlert,
    ParseResult,
    RawRequest,
    SharedSecretSource,
    Text,
    Timestamp,
    json_request,
    key,
    labels,
    validate,
)


class Notice(Body):
    """One message of the monitor."""

    check: Text
    state: Text
    since: Timestamp = None


class AcmeMonitor(SharedSecretSource):
    """Acme's own monitoring."""

    name = "acme-monitor"
    title = "Acme monitor"
    samples = {
        "firing": lambda at: json_request({"check": "checkout", "state": "down", "since": at.isoformat()}),
        "resolved": lambda at: json_request({"check": "checkout", "state": "up", "since": at.isoformat()}),
    }

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the check's alert. A state other than down and up is no alert."""
        notice = validate(Notice, request.json())
        if notice.state not in ("down", "up"):
            return NoAlert(f"The state {notice.state!r} is neither down nor up.")
        state = "firing" if notice.state == "down" else "resolved"
        title = f"{notice.check} is {notice.state}"
        return [Alert(self.name, key(notice.check), state, title, labels(alertname=notice.check), at=notice.since)]

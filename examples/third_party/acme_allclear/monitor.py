"""The alert source `acme-monitor`: Acme's own monitoring, which posts JSON with the shared secret in a header.

*Source:* Acme's wiki, "Monitor webhooks": `{"check": "checkout", "state": "down" or "up", "since": a time}`.
"""

from allclear.responder.sources import (
    Alert,
    Body,
    ParseResult,
    RawRequest,
    SharedSecretSource,
    Text,
    Timestamp,
    json_request,
    key,
    labels,
    unknown_state,
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
        """Return the check's alert. A state other than down and up is quarantined."""
        notice = validate(Notice, request.json())
        if notice.state not in ("down", "up"):
            raise unknown_state("the state", notice.state, "down, up")
        state = "firing" if notice.state == "down" else "resolved"
        title = f"{notice.check} is {notice.state}"
        return [Alert(self.name, key(notice.check), state, title, labels(alertname=notice.check), at=notice.since)]

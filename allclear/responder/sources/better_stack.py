"""Better Stack's outgoing webhook for incidents.

*Source:* Better Stack's documentation, "Outgoing webhooks" and its API's `outgoing-webhooks`, 2026-11: `data` is the
incident as its API returns it, posted when it starts, is acknowledged, resolved or reopened. Nothing is signed; a
webhook may have a name and password, or headers of its own.

Order: by arrival. A reopened incident still has the time at which it first began.

Labels: `alertname` and `monitor` (the incident's name), `cause`, `url`, `team`. Key: the incident's id.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Identifier, Text, Timestamp, iso_time, key, labels, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.source import MakeSample, NoAlert, ParseResult, SharedSecretSource, unknown_state

_FIRING = frozenset({"started", "acknowledged", "reopened"})
_OTHERS = frozenset({"unconfirmed", "validating"})
"""Documented states of an incident that may or may not be one: the check is being repeated."""
_OTHER_KINDS = frozenset({"monitor", "heartbeat", "on_call", "on_call_calendar", "status_page"})


class Attributes(Body):
    """The attributes of an incident."""

    name: Text = ""
    url: Text = ""
    cause: Text = ""
    status: Text = ""
    team_name: Text = ""
    started_at: Timestamp = None
    resolved_at: Timestamp = None


class Data(Body):
    """The incident, or another kind of object."""

    id: Identifier
    type: Text = "incident"
    attributes: Attributes


class Hook(Body):
    """The body that Better Stack posts."""

    data: Data


class Kind(Body):
    """The kind of object that a body holds."""

    type: Text = "incident"


class AnyHook(Body):
    """The part of a body that names the kind of object."""

    data: Kind


def _sample(status: str) -> MakeSample:
    def make(at: datetime) -> RawRequest:
        attributes = {
            "name": "Sample shop",
            "url": "https://shop.example.com",
            "http_method": "get",
            "cause": "Status 503",
            "started_at": iso_time(at - timedelta(minutes=7)),
            "acknowledged_at": None,
            "resolved_at": iso_time(at) if status == "Resolved" else None,
            "status": status,
            "team_name": "Sample team",
            "regions": ["eu", "us"],
        }
        monitor = {"data": {"id": "2", "type": "monitor"}}
        incident = {
            "id": "7310442",
            "type": "incident",
            "attributes": attributes,
            "relationships": {"monitor": monitor},
        }
        return json_request({"data": incident})

    return make


class BetterStack(SharedSecretSource):
    """Better Stack."""

    name = "betterstack"
    title = "Better Stack"
    query_field = "token"
    samples = {"firing": _sample("Started"), "resolved": _sample("Resolved")}

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the incident as an alert."""
        body = request.json()
        kind = validate(AnyHook, body).data.type
        if kind in _OTHER_KINDS:
            return NoAlert(f"Better Stack's {kind!r} is not an incident.")
        if kind != "incident":
            raise unknown_state("data.type", kind, "incident and others that are no incidents")
        data = validate(Hook, body).data
        attributes = data.attributes
        status = attributes.status.lower()
        resolved = status == "resolved" or (not status and attributes.resolved_at is not None)
        if status in _OTHERS:
            return NoAlert(f"The status {attributes.status!r} means neither firing nor resolved.")
        if not status and not resolved:
            msg = "the incident has no status and no resolved_at, so it is neither firing nor resolved"
            raise ValueError(msg)
        if not resolved and status not in _FIRING:
            raise unknown_state("the status", attributes.status, f"resolved, {', '.join(sorted(_FIRING | _OTHERS))}")
        alert_labels = labels(
            alertname=attributes.name,
            monitor=attributes.name,
            cause=attributes.cause,
            url=attributes.url,
            team=attributes.team_name,
        )
        title = ": ".join(part for part in (attributes.name, attributes.cause) if part) or "incident"
        # A reopened incident still has the time at which it first began, which is before it was resolved.
        at = attributes.resolved_at if resolved else None if status == "reopened" else attributes.started_at
        return [Alert(self.name, key(data.id), "resolved" if resolved else "firing", title, alert_labels, at=at)]

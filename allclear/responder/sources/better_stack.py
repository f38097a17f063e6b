"""Better Stack's outgoing webhook for incidents.

*Source:* Better Stack's documentation, "Outgoing webhooks" and its API's `outgoing-webhooks`, 2026-11: `data` is the
incident as its API returns it, posted when it starts, is acknowledged, resolved or reopened. Nothing is signed; a
webhook may have a name and password, or headers of its own.

Labels: `alertname` and `monitor` (the incident's name), `cause`, `url`, `team`. Key: the incident's id.
"""

from __future__ import annotations

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Text, When, Word, fit, key, labels
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import Nothing, Reading, SecretSource

_FIRING = frozenset({"started", "acknowledged", "reopened"})


class Attributes(Body):
    """What is known of the incident."""

    name: Text = ""
    url: Text = ""
    cause: Text = ""
    status: Text = ""
    team_name: Text = ""
    started_at: When = None
    resolved_at: When = None


class Data(Body):
    """The incident, or something else that Better Stack tells of."""

    id: Word
    type: Text = "incident"
    attributes: Attributes


class Hook(Body):
    """The body that Better Stack posts."""

    data: Data


class Kind(Body):
    """What the body is about."""

    type: Text = "incident"


class AnyHook(Body):
    """The part of a body that says what it is about."""

    data: Kind


class BetterStack(SecretSource):
    """Better Stack."""

    name = "betterstack"
    title = "Better Stack"
    query = "token"

    def parse(self, request: RawRequest) -> Reading:
        """Return the incident as an alert."""
        body = request.json()
        kind = fit(AnyHook, body).data.type
        if kind != "incident":
            return Nothing(f"Better Stack's {kind!r} tells of no incident.")
        data = fit(Hook, body).data
        said = data.attributes
        status = said.status.lower()
        over = status == "resolved" or (not status and said.resolved_at is not None)
        if not over and status not in _FIRING and status:
            return Nothing(f"The status {said.status!r} says neither that it began nor that it is over.")
        named = labels(
            alertname=said.name,
            monitor=said.name,
            cause=said.cause,
            url=said.url,
            team=said.team_name,
        )
        title = ": ".join(part for part in (said.name, said.cause) if part) or "incident"
        # One that is reopened still says when it first began, which is before it was resolved.
        at = said.resolved_at if over else None if status == "reopened" else said.started_at
        return [Alert(self.name, key(data.id), "resolved" if over else "firing", title, named, at=at)]

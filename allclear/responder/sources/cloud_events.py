"""CloudEvents 1.0 over HTTP: binary, structured, and batches of structured ones.

*Source:* the CloudEvents specification, "HTTP Protocol Binding" and "HTTP 1.1 Web Hooks", 1.0.2: in binary mode the
attributes are headers that begin with `ce-` and the body is the data; in structured mode the body is the event, as
`application/cloudevents+json`, or a list of them as `application/cloudevents-batch+json`. The token is a bearer token
or `access_token` in the address. `OPTIONS` asks whether events may be sent at all (`welcome`).

What an event means is its producer's own: `data.status` (or `data.state`), else the last part of `type`, must be a
word of `shape.FIRING` or `shape.RESOLVED`; anything else is left out.

Labels: `alertname` (`data.alertname`, else the type without that last part), `event_source`, `subject`, and the texts
and numbers of `data` and `data.labels`, as `severity`. Key: the source with `data.key`, else with the subject, else
with the type.
"""

from __future__ import annotations

import re
from typing import Any, cast
from urllib.parse import unquote

from allclear.domain.alert import Alert
from allclear.domain.base import digest
from allclear.responder.sources.payload import FIRING, RESOLVED, Body, Labels, Text, When, Word, fit, key, labels
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import Nothing, Reading, SecretSource

_BATCH, _STRUCTURED = "application/cloudevents-batch", "application/cloudevents"
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time")
_ORIGIN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9.:*-]{0,252}")
_RATE = re.compile(r"[1-9][0-9]{0,8}")


class Event(Body):
    """One event."""

    specversion: Word
    id: Word
    source: Word
    type: str
    subject: Text = ""
    time: When = None
    data: object = None


class Data(Body):
    """What we look for in an event's data."""

    key: Text = ""
    status: Text = ""
    state: Text = ""
    title: Text = ""
    alertname: Text = ""
    labels: Labels = {}


class Flat(Body):
    """An event's data as labels."""

    fields: Labels = {}


class CloudEvents(SecretSource):
    """CloudEvents."""

    name = "cloudevents"
    title = "CloudEvents"
    query = "access_token"
    keeps = tuple(f"ce-{name}" for name in _ATTRIBUTES)

    def delivery(self, request: RawRequest) -> str | None:
        """Return what makes a binary event one: its source and id. In the other modes the body's hash does."""
        source, number = request.header("ce-source"), request.header("ce-id")
        return digest([source, number]) if source and number else None

    def parse(self, request: RawRequest) -> Reading:
        """Return the alerts among the events."""
        read = [self._alert(event) for event in _events(request)]
        found = [one for one in read if isinstance(one, Alert)]
        if found or not read:
            return found or Nothing("The batch is empty.")
        return next(one for one in read if isinstance(one, Nothing))

    def _alert(self, event: Event) -> Alert | Nothing:
        data: object = event.data
        said = fit(Data, {} if data is None or isinstance(data, str | int | float | list) else data)
        stem, _, last = event.type.rpartition(".")
        words = [word.strip().lower() for word in (said.status, said.state) if word.strip()]
        word = words[0] if words else last.lower()
        if word not in FIRING and word not in RESOLVED:
            return Nothing(f"Neither data.status nor the type {event.type!r} says that a trouble began or is over.")
        kind = event.type if words or not stem else stem
        flat = fit(Flat, {"fields": data}).fields
        own = labels(alertname=said.alertname or kind, event_source=event.source, subject=event.subject)
        what = said.key or event.subject
        identity = key(event.source, "key", what) if what else key(event.source, "type", kind)
        title = said.title or " ".join(part for part in (kind, event.subject) if part)
        state = "resolved" if word in RESOLVED else "firing"
        return Alert(self.name, identity, state, title, {**flat, **said.labels, **own}, at=event.time)


def _events(request: RawRequest) -> list[Event]:
    kind = request.header("content-type").lower()
    if kind.startswith(_BATCH):
        body = request.json()
        if not isinstance(body, list):
            msg = "the batch is no list"
            raise ValueError(msg)
        listed = cast("list[Any]", body)
        return [_checked(fit(Event, one)) for one in listed]
    if kind.startswith(_STRUCTURED):
        return [_checked(fit(Event, request.json()))]
    found = {name: unquote(value) for name in _ATTRIBUTES if (value := request.header(f"ce-{name}"))}
    if not found:
        msg = "there is no CloudEvent: neither headers that begin with ce- nor the content type of a structured one"
        raise ValueError(msg)
    data = request.json() if "json" in kind or request.body[:1] in (b"{", b"[") else None
    return [_checked(fit(Event, {**found, "data": data}))]


def _checked(event: Event) -> Event:
    if not event.specversion.startswith("1."):
        msg = f"specversion: {event.specversion!r} is no version that can be read"
        raise ValueError(msg)
    if not (event.id and event.source and event.type):
        msg = "an event needs its id, source and type"
        raise ValueError(msg)
    return event


def welcome(request: RawRequest) -> dict[str, str]:
    """Return the headers that answer a producer's question whether it may send; without them it may not."""
    origin, rate = request.header("webhook-request-origin"), request.header("webhook-request-rate")
    if not _ORIGIN.fullmatch(origin):
        return {}
    allowed = rate if _RATE.fullmatch(rate) else "*"
    return {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": allowed, "Allow": "POST, OPTIONS"}

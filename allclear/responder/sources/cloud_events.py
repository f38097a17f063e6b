"""CloudEvents 1.0 over HTTP: binary, structured, and batches of structured ones.

*Source:* the CloudEvents specification, "HTTP Protocol Binding" and "HTTP 1.1 Web Hooks", 1.0.2: in binary mode the
attributes are headers that begin with `ce-` and the body is the data; in structured mode the body is the event, as
`application/cloudevents+json`, or a list of them as `application/cloudevents-batch+json`. The token is a bearer token
or `access_token` in the address. `OPTIONS` asks whether events may be sent at all (`handshake`).

The producer defines what its events mean: `data.status` (or `data.state`), else the last part of `type`, must be a
word of `payload.FIRING_WORDS` or `payload.RESOLVED_WORDS`; other events are ignored.

Labels: `alertname` (`data.alertname`, else the type without that last part), `event_source`, `subject`, and the texts
and numbers of `data` and `data.labels`, as `severity`. Key: the source with `data.key`, else with the subject, else
with the type.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any, cast
from urllib.parse import unquote

from allclear.domain.alert import Alert
from allclear.domain.base import JsonDict, digest
from allclear.responder.sources.payload import (
    FIRING_WORDS,
    RESOLVED_WORDS,
    Body,
    Identifier,
    Labels,
    Text,
    Timestamp,
    iso_time,
    key,
    labels,
    validate,
)
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.source import MakeSample, NoAlert, ParseResult, SharedSecretSource

_BATCH, _STRUCTURED = "application/cloudevents-batch", "application/cloudevents"
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time")
_ORIGIN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9.:*-]{0,252}")
_RATE = re.compile(r"[1-9][0-9]{0,8}")


class Event(Body):
    """One event."""

    specversion: Identifier
    id: Identifier
    source: Identifier
    type: str
    subject: Text = ""
    time: Timestamp = None
    data: object = None


class Data(Body):
    """The fields of an event's data that have a meaning here."""

    key: Text = ""
    status: Text = ""
    state: Text = ""
    title: Text = ""
    alertname: Text = ""
    labels: Labels = {}


class Flat(Body):
    """An event's data as labels."""

    fields: Labels = {}


def _sample_event(at: datetime, outcome: str) -> JsonDict:
    return {
        "specversion": "1.0",
        "id": f"sample-{at.timestamp()}",
        "source": "/sample/shop",
        "subject": "checkout",
        "type": f"com.example.checkout.{outcome}",
        "time": iso_time(at),
        "datacontenttype": "application/json",
        "data": {"title": "Sample: checkouts fail", "severity": "critical", "service": "sample-shop"},
    }


def _structured(outcome: str) -> MakeSample:
    content_type = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    return lambda at: json_request(_sample_event(at, outcome), content_type)


def _batch(at: datetime) -> RawRequest:
    return json_request([_sample_event(at, "failed")], {"Content-Type": "application/cloudevents-batch+json"})


def _binary(at: datetime) -> RawRequest:
    event = _sample_event(at, "failed")
    attributes = {f"ce-{name}": event[name] for name in ("specversion", "type", "source", "subject")}
    attributes |= {"ce-id": str(uuid.uuid4()), "ce-time": at.isoformat()}
    return json_request(event["data"], attributes)


class CloudEvents(SharedSecretSource):
    """CloudEvents."""

    name = "cloudevents"
    title = "CloudEvents"
    query_field = "access_token"
    needed_headers = tuple(f"ce-{name}" for name in _ATTRIBUTES)
    samples = {
        "firing": _structured("failed"),
        "resolved": _structured("recovered"),
        "binary": _binary,
        "batch": _batch,
    }

    def delivery_id(self, request: RawRequest) -> str | None:
        """Return what identifies a binary event: its source and id. In the other modes the body's hash does."""
        source, event_id = request.header("ce-source"), request.header("ce-id")
        return digest([source, event_id]) if source and event_id else None

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the alerts among the events."""
        results = [self._alert(event) for event in _events(request)]
        alerts = [result for result in results if isinstance(result, Alert)]
        if alerts or not results:
            return alerts or NoAlert("The batch is empty.")
        return next(result for result in results if isinstance(result, NoAlert))

    def handshake(self, request: RawRequest) -> dict[str, str]:
        """Return the headers that allow a producer to send; none if it names no valid origin."""
        origin, rate = request.header("webhook-request-origin"), request.header("webhook-request-rate")
        if not _ORIGIN.fullmatch(origin):
            return {}
        allowed_rate = rate if _RATE.fullmatch(rate) else "*"
        return {
            "WebHook-Allowed-Origin": origin,
            "WebHook-Allowed-Rate": allowed_rate,
            "Allow": "POST, OPTIONS",
        }

    def _alert(self, event: Event) -> Alert | NoAlert:
        raw: object = event.data
        data = validate(Data, {} if raw is None or isinstance(raw, str | int | float | list) else raw)
        stem, _, last = event.type.rpartition(".")
        words = [word.strip().lower() for word in (data.status, data.state) if word.strip()]
        word = words[0] if words else last.lower()
        if word not in FIRING_WORDS and word not in RESOLVED_WORDS:
            return NoAlert(f"Neither data.status nor the type {event.type!r} means firing or resolved.")
        kind = event.type if words or not stem else stem
        flat = validate(Flat, {"fields": raw}).fields
        own = labels(alertname=data.alertname or kind, event_source=event.source, subject=event.subject)
        what = data.key or event.subject
        identity = key(event.source, "key", what) if what else key(event.source, "type", kind)
        title = data.title or " ".join(part for part in (kind, event.subject) if part)
        state = "resolved" if word in RESOLVED_WORDS else "firing"
        return Alert(self.name, identity, state, title, {**flat, **data.labels, **own}, at=event.time)


def _events(request: RawRequest) -> list[Event]:
    content_type = request.header("content-type").lower()
    if content_type.startswith(_BATCH):
        body = request.json()
        if not isinstance(body, list):
            msg = "the batch is not a list"
            raise ValueError(msg)
        events = cast("list[Any]", body)
        return [_checked(validate(Event, event)) for event in events]
    if content_type.startswith(_STRUCTURED):
        return [_checked(validate(Event, request.json()))]
    attributes = {name: unquote(value) for name in _ATTRIBUTES if (value := request.header(f"ce-{name}"))}
    if not attributes:
        msg = "there is no CloudEvent: neither headers that begin with ce- nor the content type of a structured one"
        raise ValueError(msg)
    data = request.json() if "json" in content_type or request.body[:1] in (b"{", b"[") else None
    return [_checked(validate(Event, {**attributes, "data": data}))]


def _checked(event: Event) -> Event:
    if not event.specversion.startswith("1."):
        msg = f"specversion: {event.specversion!r} is not supported"
        raise ValueError(msg)
    if not (event.id and event.source and event.type):
        msg = "an event needs its id, source and type"
        raise ValueError(msg)
    return event

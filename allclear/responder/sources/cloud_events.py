"""CloudEvents 1.0 over HTTP: binary, structured, and batches of structured ones.

*Source:* the CloudEvents specification, "HTTP Protocol Binding" and "HTTP 1.1 Web Hooks", 1.0.2: in binary mode the
attributes are headers that begin with `ce-` and the body is the data; in structured mode the body is the event, as
`application/cloudevents+json`, or a list of them as `application/cloudevents-batch+json`. The token is a bearer token
or `access_token` in the address. `OPTIONS` asks whether events may be sent at all (`handshake`).

Only the company knows what its producers' events mean, so `types` in systems.yaml says for each type whether it is
`firing`, `resolved`, or has a `status`: then `data.status` (or `data.state`) must be a word of `payload.FIRING_WORDS`
or `payload.RESOLVED_WORDS`. Events of other types are kept and ignored.

Order: the event's `time`, if it has one.

Labels: `alertname` (`data.alertname`, else the type without its last part), `event_source`, `subject`, and the texts
and numbers of `data` and `data.labels`, as `severity`. Key: the source with `data.key`, else with the subject, else
with the type.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import unquote

from pydantic import Field

from allclear.domain.alert import Alert
from allclear.domain.base import JsonDict, digest
from allclear.responder.sources.payload import (
    FIRING_WORDS,
    RESOLVED_WORDS,
    Body,
    Identifier,
    Labels,
    State,
    Text,
    Timestamp,
    iso_time,
    key,
    labels,
    validate,
)
from allclear.responder.sources.request import ESCAPE, RawRequest, json_request
from allclear.responder.sources.source import (
    MakeSample,
    NoAlert,
    ParseResult,
    SharedSecretOptions,
    SharedSecretSource,
    read_each,
    unknown_state,
)

_BATCH, _STRUCTURED = "application/cloudevents-batch", "application/cloudevents"
Meaning = Literal["firing", "resolved", "status"]
"""What a type of event means: a problem, its end, or what the data says."""
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time")
_ORIGIN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9.:*-]{0,252}")
_RATE = re.compile(r"[1-9][0-9]{0,8}")


class CloudEventsOptions(SharedSecretOptions):
    """The options of CloudEvents: the secret's, and what the types of events mean."""

    types: dict[str, Meaning] = Field(
        default={},
        description="Event type -> `firing`, `resolved`, or `status`: `data.status` then says which. "
        "Events of other types are ignored.",
    )


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
    options = CloudEventsOptions
    bodies_are_unique = True
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
        """Return that no event is an alert, because without options no type has a meaning."""
        return self.parse_configured(request, {})

    def parse_configured(self, request: RawRequest, options: Mapping[str, Any]) -> ParseResult:
        """Return the alerts among the events, by the types that the company has mapped."""
        types = validate(CloudEventsOptions, options).types
        events = _events(request)
        if not events:
            return NoAlert("The batch is empty.")
        return read_each(events, lambda event: self._alert(_checked(validate(Event, event)), types))

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

    def _alert(self, event: Event, types: Mapping[str, Meaning]) -> Alert | NoAlert:
        meaning = types.get(event.type)
        if meaning is None:
            return NoAlert(
                f"The type {event.type!r} is not mapped: to let it fire or resolve, "
                "add it under `alerts: cloudevents: types` in systems.yaml."
            )
        raw: object = event.data
        data = validate(Data, {} if raw is None or isinstance(raw, str | int | float | list) else raw)
        state = _state(data) if meaning == "status" else meaning
        stem = event.type.rpartition(".")[0]
        kind = event.type if meaning == "status" or not stem else stem
        flat = validate(Flat, {"fields": raw}).fields
        own = labels(alertname=data.alertname or kind, event_source=event.source, subject=event.subject)
        what = data.key or event.subject
        identity = key(event.source, "key", what) if what else key(event.source, "type", kind)
        title = data.title or " ".join(part for part in (kind, event.subject) if part)
        all_labels = {**flat, **data.labels, **own}
        return Alert(self.name, identity, state, title, all_labels, at=event.time, order=event.time)


def _state(data: Data) -> State:
    """Return what `data.status` says. Raises ValueError if it is no known word."""
    said = data.status.strip() or data.state.strip()
    if said.lower() in FIRING_WORDS:
        return "firing"
    if said.lower() in RESOLVED_WORDS:
        return "resolved"
    raise unknown_state("data.status", said, ", ".join(sorted(FIRING_WORDS | RESOLVED_WORDS)))


def _events(request: RawRequest) -> list[Any]:
    """Return the events of a request, not yet checked."""
    content_type = request.header("content-type").lower()
    if content_type.startswith(_BATCH):
        body = request.json()
        if not isinstance(body, list):
            msg = "the batch is not a list"
            raise ValueError(msg)
        return cast("list[Any]", body)
    if content_type.startswith(_STRUCTURED):
        return [request.json()]
    headers = {name: request.header(f"ce-{name}") for name in _ATTRIBUTES}
    attributes = {name: unquote(value, errors=ESCAPE) for name, value in headers.items() if value}
    if not attributes:
        msg = "there is no CloudEvent: neither headers that begin with ce- nor the content type of a structured one"
        raise ValueError(msg)
    data = request.json() if "json" in content_type or request.body[:1] in (b"{", b"[") else None
    return [{**attributes, "data": data}]


def _checked(event: Event) -> Event:
    if not event.specversion.startswith("1."):
        msg = f"specversion: {event.specversion!r} is not supported"
        raise ValueError(msg)
    if not (event.id and event.source and event.type):
        msg = "an event needs its id, source and type"
        raise ValueError(msg)
    return event

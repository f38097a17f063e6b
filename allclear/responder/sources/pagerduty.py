"""PagerDuty's webhooks, version 3.

*Source:* PagerDuty's developer documentation, "Webhooks Overview" and "Verifying Signatures", 2026-11:
`X-PagerDuty-Signature` lists `v1=` and the hex HMAC-SHA256 of the body, several while a secret is being replaced;
one must match. `X-Webhook-Id` is the delivery's id. PagerDuty waits 5 s, retries after 429 and 5xx for 48 h and drops a
request after another 4xx; three drops in a row disable the webhook for a day. `pagey.ping` is its test. The signature
does not cover `X-Webhook-Id`; the body has the event's own id.

Order: `occurred_at`, because PagerDuty may deliver events in another order.

PagerDuty "resolves" an incident that was merged into another (`resolve_reason`: `merge_resolve_reason`, and the other
incident); the problem has not ended, so this is no resolution of an alert, and a page of ours goes on in the other one.

News of our own pages (`page_news`): `incident_key` is the key under which we paged, with one alert an incident. The
agent is the user who did it; null, a service or an integration is no person. `incident.responder.*` and
`incident.annotated` hold `incident.id` only. *Source:* "Event Types" and "Event Data Types", 2026-11.

Labels: `alertname` (the incident's title), `service`, `priority` (as P1), `urgency`, `severity` (the priority, else
the urgency), `team`. Key: the account's address and the incident's id.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from allclear.domain.alert import Alert
from allclear.domain.base import JsonDict
from allclear.domain.notify.page_news import PageEvent, PageNews
from allclear.responder.sources.payload import Body, Identifier, State, Text, Timestamp, iso_time, key, labels, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.signatures import AuthenticationResult, Credentials, hmac_hex, verify_any_hmac
from allclear.responder.sources.source import MakeSample, NoAlert, ParseResult, Source, unknown_state, vendor_test

_SIGNATURE = "X-PagerDuty-Signature"
_STATES: dict[str, State] = {
    "incident.triggered": "firing",
    "incident.reopened": "firing",
    "incident.resolved": "resolved",
}


_PAGE_EVENTS: dict[str, PageEvent] = {
    "triggered": "triggered",
    "acknowledged": "acknowledged",
    "unacknowledged": "unacknowledged",
    "reassigned": "reassigned",
    "escalated": "escalated",
    "delegated": "delegated",
    "reopened": "reopened",
    "resolved": "resolved",
}
"""The events whose data is the incident, and what each says about a page of ours."""

_ABOUT_PAGES = frozenset({"annotated", "responder.added", "responder.replied"})
"""The events whose data is a note or a responder. They name the incident by its id only."""

_MERGED = "merge_resolve_reason"

OUR_NAME = "allclear"
"""The client that we name in our own events."""

_OTHER_EVENTS = frozenset(
    f"incident.{name}"
    for name in (
        "acknowledged",
        "annotated",
        "conference_bridge.updated",
        "custom_field_values.updated",
        "delegated",
        "escalated",
        "incident_type.changed",
        "priority_updated",
        "reassigned",
        "responder.added",
        "responder.replied",
        "role.assigned",
        "role.unassigned",
        "service_updated",
        "status_update_published",
        "task.created",
        "task.updated",
        "unacknowledged",
        "workflow.completed",
        "workflow.started",
    )
)
"""Documented events that report neither a problem nor its end; `service.*` events do not either."""


class Reference(Body):
    """A reference in an incident: a service, priority or team."""

    id: Identifier = ""
    summary: Text = ""


class Who(Body):
    """A person, an integration or an escalation policy."""

    id: Identifier = ""
    type: Text = ""
    summary: Text = ""

    @property
    def is_person(self) -> bool:
        """Return whether it is a user of PagerDuty; an integration or a service is none."""
        return self.type in {"user", "user_reference"}


class Client(Body):
    """The program through which something was done."""

    name: Text = ""


class ResolveReason(Body):
    """Why an incident was resolved, if PagerDuty says so."""

    type: Text = ""
    incident: Reference | None = None


class Page(Body):
    """An incident as far as it says whom it wakes."""

    id: Identifier
    incident_key: Text = ""
    status: Text = ""
    assignees: list[Who] | None = None
    resolve_reason: ResolveReason | None = None


class AboutPage(Body):
    """A note in an incident, or a request to a responder."""

    incident: Page
    user: Who | None = None
    escalation_policy: Who | None = None
    message: Text = ""
    state: Text = ""
    content: Text = ""


class Incident(Body):
    """An incident of PagerDuty."""

    id: Identifier
    html_url: Text = ""
    title: Text = ""
    service: Reference | None = None
    priority: Reference | None = None
    urgency: Text = ""
    teams: list[Reference] | None = None
    resolve_reason: ResolveReason | None = None


class Event(Body):
    """The event that happened."""

    id: Identifier = ""
    event_type: str
    occurred_at: Timestamp = None
    agent: Who | None = None
    client: Client | None = None
    data: object = None


class Webhook(Body):
    """The body that PagerDuty posts."""

    event: Event


def _request(event: JsonDict) -> RawRequest:
    body = {"event": {"agent": None, "client": None, **event}}
    return json_request(body, {"X-Webhook-Id": str(uuid.uuid4())})


def _sample(kind: str) -> MakeSample:
    def make(at: datetime) -> RawRequest:
        incident = {
            "id": "Q1SAMPLE7",
            "type": "incident",
            "html_url": "https://sample.pagerduty.com/incidents/Q1SAMPLE7",
            "number": 12,
            "status": kind.split(".")[1],
            "incident_key": "sample-key",
            "title": "Sample: payments fail",
            "created_at": iso_time(at),
            "service": {"id": "PSAMPLE", "summary": "Sample shop", "type": "service_reference"},
            "urgency": "high",
            "priority": {"summary": "P1"},
            "teams": [{"id": "PTEAM", "summary": "Payments"}],
            "resolve_reason": None,
        }
        event = {"id": "01SAMPLE0000000000000000", "event_type": kind, "resource_type": "incident"}
        return _request({**event, "occurred_at": iso_time(at), "data": incident})

    return make


def _ping_sample(at: datetime) -> RawRequest:
    event = {"id": "01SAMPLEPING", "event_type": "pagey.ping", "resource_type": "pagey", "occurred_at": iso_time(at)}
    return _request({**event, "data": {"message": "Hello from your friend Pagey!", "type": "ping"}})


class PagerDuty(Source):
    """PagerDuty."""

    name = "pagerduty"
    title = "PagerDuty"
    bodies_are_unique = True
    needed_headers = ("x-webhook-id",)
    reports_pages = True
    samples = {
        "firing": _sample("incident.triggered"),
        "resolved": _sample("incident.resolved"),
        "test": _ping_sample,
    }

    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Verify the signatures over the body, of which one must match."""
        del now
        return verify_any_hmac(request, credentials, _SIGNATURE, "v1=")

    def sign(self, sample: RawRequest, credentials: Credentials, now: datetime) -> RawRequest:
        """Add a signature with each secret, as PagerDuty does while a new secret replaces an old one."""
        del now
        signatures = ",".join(f"v1={hmac_hex(secret, sample.body)}" for secret in credentials.secrets)
        return sample.with_headers((_SIGNATURE, signatures))

    def page_news(self, request: RawRequest) -> PageNews | None:
        """Return what an event says about a page; None for one that wakes no one and tells nothing of people."""
        event = validate(Webhook, request.json()).event
        name = event.event_type.removeprefix("incident.")
        if name in _PAGE_EVENTS:
            return _incident_news(event, _PAGE_EVENTS[name])
        if name in _ABOUT_PAGES:
            return _people_news(event, name)
        return None

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the incident as an alert."""
        event = validate(Webhook, request.json()).event
        if event.event_type == "pagey.ping":
            return vendor_test("PagerDuty's ping")
        if event.event_type not in _STATES:
            if event.event_type not in _OTHER_EVENTS and not event.event_type.startswith("service."):
                raise unknown_state(
                    "the event", event.event_type, f"{', '.join(_STATES)} and others that are no alerts"
                )
            return NoAlert(f"PagerDuty's {event.event_type!r} means neither firing nor resolved.")
        incident = validate(Incident, event.data)
        state = _STATES[event.event_type]
        if state == "resolved" and incident.resolve_reason and incident.resolve_reason.type == _MERGED:
            return NoAlert("The incident was merged into another at PagerDuty; the problem has not ended.")
        priority = incident.priority.summary if incident.priority else ""
        alert_labels = labels(
            alertname=incident.title,
            service=incident.service.summary if incident.service else None,
            priority=priority,
            urgency=incident.urgency,
            severity=priority or incident.urgency,
            team=incident.teams[0].summary if incident.teams else None,
        )
        identity = key(_account(incident.html_url), incident.id)
        title = incident.title or "PagerDuty incident"
        at = event.occurred_at
        return [Alert(self.name, identity, state, title, alert_labels, at=at, order=at)]


def _news(event: Event, what: PageEvent, page: Page, agent: Who | None) -> PageNews:
    person = agent if agent and agent.is_person and not (event.client and event.client.name == OUR_NAME) else None
    assigned = [(one.id, one.summary or one.id) for one in page.assignees or []]
    return PageNews(
        event=event.id,
        what=what,
        page=page.id,
        key=page.incident_key,
        at=event.occurred_at,
        agent=person.id if person else "",
        agent_name=person.summary if person else "",
        rings=page.status == "triggered",
        ringing=tuple(assigned),
    )


def _incident_news(event: Event, what: PageEvent) -> PageNews:
    page = validate(Page, event.data)
    reason = page.resolve_reason
    if what == "resolved" and reason and reason.type == _MERGED:
        return replace(_news(event, "merged", page, event.agent), into=reason.incident.id if reason.incident else "")
    return _news(event, what, page, event.agent)


def _people_news(event: Event, name: str) -> PageNews | None:
    about = validate(AboutPage, event.data)
    asked = about.user or about.escalation_policy
    match name, about.state:
        case "annotated", _:
            return replace(_news(event, "annotated", about.incident, event.agent), text=about.content)
        case "responder.replied", "joined":
            return replace(_news(event, "responder-joined", about.incident, about.user), text=about.message)
        case "responder.replied", "declined":
            return replace(_news(event, "responder-declined", about.incident, about.user), text=about.message)
        case "responder.added", _:
            ringing = ((asked.id, asked.summary or asked.id),) if asked else ()
            news = _news(event, "responder-added", about.incident, event.agent)
            return replace(news, text=about.message, ringing=ringing)
        case _:
            return None


def _account(address: str) -> str:
    return urlsplit(address).hostname or "-"

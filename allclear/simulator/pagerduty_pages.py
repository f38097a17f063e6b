"""The pager's incidents: one for each `dedup_key` that is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from allclear.simulator.event_log import Clock, EventLog, iso
from allclear.simulator.pagerduty_webhooks import Webhooks

PageStatus = Literal["triggered", "acknowledged", "resolved"]
EventAction = Literal["trigger", "acknowledge", "resolve"]
PersonDoes = Literal["acknowledged", "unacknowledged", "reassigned", "escalated", "resolved", "reopened", "annotated"]
ResponderState = Literal["pending", "joined", "declined", "user_cancelled"]

INTEGRATION = {"id": "PSIMULA", "type": "service_reference", "summary": "Simulated"}
"""The agent of what came through an integration: no person."""

_EVENTS: dict[EventAction, str] = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}
_STATUS_AFTER: dict[PersonDoes, PageStatus] = {
    "acknowledged": "acknowledged",
    "unacknowledged": "triggered",
    "reassigned": "triggered",
    "escalated": "triggered",
    "reopened": "triggered",
    "resolved": "resolved",
}


@dataclass
class Page:
    """One page: open from its trigger until it is resolved."""

    id: str
    dedup_key: str
    opened_at: datetime
    status: PageStatus = "triggered"
    payload: dict[str, Any] = field(default_factory=dict[str, Any])
    people: list[str] = field(default_factory=list[str])
    """The users to whom it is assigned; empty: those of the escalation policy."""
    policy: str = ""
    """Its escalation policy; empty: that of the service."""
    events: int = 1
    links: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    client: str = ""
    client_url: str = ""
    body: str = ""
    """The details of an incident that was opened through the REST API."""
    alerts: list[str] = field(default_factory=list[str])
    """The keys of its open alerts: its own, and those that PagerDuty has grouped or a person has merged into it."""
    requests: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """User or escalation policy that was asked to join -> the users whose phones rang."""
    responders: dict[str, ResponderState] = field(default_factory=dict[str, ResponderState])
    """User who was asked to join -> the answer."""
    message: str = ""
    """What the last ones who were asked have read."""
    merged_into: str = ""

    def as_facts(self) -> dict[str, Any]:
        """Return the page as the drill sees it."""
        return {
            "id": self.id,
            "dedup_key": self.dedup_key,
            "status": self.status,
            "opened_at": iso(self.opened_at),
            "events": self.events,
            "people": self.people,
            **{name: self.payload.get(name) for name in ("summary", "severity", "source")},
        }


class PagerDutyPages:
    """Turns events into pages: the same key joins the open page, a resolved one is closed."""

    def __init__(self, clock: Clock, event_log: EventLog) -> None:
        self._clock, self._truth = clock, event_log
        self.pages: list[Page] = []
        self.webhooks = Webhooks(clock, event_log)
        self.on_call: dict[str, list[str]] = {}
        """Escalation policy -> the users on call by it, level by level; of a policy that is not listed, one user."""
        self.groups = False
        """Whether PagerDuty groups a new alert into the newest open page."""
        self.unknown: set[str] = set()
        """The ids of users, services and escalation policies that do not exist."""
        self.service_status = "active"
        self.abilities = {"teams", "coordinated_responding"}

    def find_open(self, key: str) -> Page | None:
        """Return the open page with an alert of that key."""
        return next((page for page in self.pages if key in page.alerts and page.status != "resolved"), None)

    def event(
        self, action: EventAction, key: str, payload: dict[str, Any], *, people: Sequence[str] = (), policy: str = ""
    ) -> Page | None:
        """Take one event; the page that it opened or moved, or `None` if it met none.

        A new page rings the phones of `people`, or else of those on call by `policy`, or by the service's own.
        """
        page = self.find_open(key)
        if page is not None:
            page.events += 1
        elif action == "trigger" and self.groups and (page := self._newest_open()):
            page.alerts.append(key)  # no webhook says so
        opened = action == "trigger" and page is None
        if opened:
            page = Page(uuid4().hex[:14].upper(), key, self._clock(), payload=payload, alerts=[key])
            page.people, page.policy = list(people), policy
            self.pages.append(page)
        elif action == "acknowledge" and page is not None:
            page.status = "acknowledged"
        elif action == "resolve" and page is not None:
            self._resolve_alert(page, key)
        self._truth.record(
            "page",
            action=action,
            dedup_key=key,
            page=page.id if page else None,
            status=page.status if page else None,
            summary=payload.get("summary"),
        )
        if opened and page is not None:
            self._ring(page)
        if page is not None and (opened or (action != "trigger" and page.status == _EVENTS[action])):
            self.report(page, _EVENTS[action], INTEGRATION)
        return page

    def _newest_open(self) -> Page | None:
        return next((page for page in reversed(self.pages) if page.status != "resolved"), None)

    def _resolve_alert(self, page: Page, key: str) -> None:
        """End one alert; the page ends with its last one."""
        if len(page.alerts) > 1:
            page.alerts.remove(key)
        else:
            page.status = "resolved"

    def merge(self, page: Page, into: Page, user: dict[str, Any] | None) -> None:
        """Let a person merge a page into another, which then has its alerts."""
        into.alerts += page.alerts
        page.alerts, page.status, page.merged_into = [], "resolved", into.id
        self.report(page, "resolved", user)

    # --- people who are asked to join -------------------------------------------------------------------

    def ask(self, page: Page, targets: Sequence[tuple[str, str]], message: str, requester: dict[str, Any]) -> None:
        """Ask users and those on call by policies, as (id, kind), to join a page; their phones ring."""
        page.message = message
        for identity, kind in targets:
            is_user = kind == "user_reference"
            users = [identity] if is_user else (self.on_call.get(identity) or [on_call(identity)])[:1]
            page.requests[identity] = users
            for user in users:
                page.responders[user] = "pending"
                self._truth.record("phone_rang", user=user, page=page.id, dedup_key=page.dedup_key, asked=True)
            asked = {"user": as_user(identity)} if is_user else {"escalation_policy": as_policy(identity)}
            self._report_responder(page, "responder.added", requester, {**asked, "state": "pending"})

    def cancel_request(self, page: Page, identity: str) -> str:
        """Call a user, or those on call by a policy, no more; return PagerDuty's word for the result."""
        users = page.requests.get(identity, [])
        results = [self._cancel_user(page, user) for user in users]
        return next((one for one in results if one != "cancelled"), "cancelled") if results else "not_found"

    def _cancel_user(self, page: Page, user: str) -> str:
        if page.responders[user] in ("pending", "user_cancelled"):
            page.responders[user] = "user_cancelled"
            return "cancelled"
        return page.responders[user]

    def responder_answers(self, page: Page, user: str, answer: Literal["joined", "declined"]) -> None:
        """Let a person who was asked answer."""
        page.responders[user] = answer
        about = {"user": as_user(user), "state": answer}
        self._report_responder(page, "responder.replied", as_user(user), about)

    def _report_responder(self, page: Page, what: str, agent: dict[str, Any], about: dict[str, Any]) -> None:
        reference = {"id": page.id, "type": "incident_reference", "summary": page.payload.get("summary")}
        data = {"incident": reference, "message": page.message, "type": "incident_responder", **about}
        self.webhooks.send(what, "incident", agent, data)

    def person_does(
        self, page: Page, what: PersonDoes, user: dict[str, Any] | None, to: Sequence[str] = (), text: str = ""
    ) -> None:
        """Let a person do something with a page; `user` is None for PagerDuty's own timers."""
        if what == "annotated":
            about = {"id": page.id, "type": "incident_reference", "summary": page.payload.get("summary")}
            note = {"incident": about, "id": uuid4().hex[:14].upper(), "content": text, "trimmed": False}
            self.webhooks.send(what, "incident", user, {**note, "type": "incident_note"})
            return
        page.status = _STATUS_AFTER[what]
        page.people = list(to) or page.people
        self._truth.record("page", action=what, dedup_key=page.dedup_key, page=page.id, status=page.status)
        if page.status == "triggered":
            self._ring(page)
        self.report(page, what, user)

    def report(self, page: Page, what: str, agent: dict[str, Any] | None) -> None:
        """Send the webhook about what happened to a page."""
        data = {
            "id": page.id,
            "type": "incident",
            "html_url": f"https://simulated.pagerduty.com/incidents/{page.id}",
            "number": self.pages.index(page) + 1,
            "status": page.status,
            "incident_key": page.dedup_key,
            "created_at": iso(page.opened_at),
            "title": page.payload.get("summary"),
            "service": {"id": "PSIMULA", "type": "service_reference", "summary": "Simulated"},
            "assignees": [] if page.status == "resolved" else [as_user(one) for one in assigned(page)],
            "escalation_policy": {"id": page.policy or "PDEFAULT", "type": "escalation_policy_reference"},
            "teams": [],
            "priority": None,
            "urgency": "high",
            "resolve_reason": _merged(page.merged_into) if page.merged_into else None,
        }
        self.webhooks.send(what, "incident", agent, data)

    def _ring(self, page: Page) -> None:
        listed = self.on_call.get(page.policy, [])[:1] if not page.people else []
        for user in listed or assigned(page):
            self._truth.record("phone_rang", user=user, page=page.id, dedup_key=page.dedup_key)


def as_user(identity: str, name: str = "") -> dict[str, Any]:
    """Return a user as PagerDuty refers to it."""
    address = f"https://simulated.pagerduty.com/users/{identity}"
    return {"id": identity, "type": "user_reference", "summary": name or f"User {identity}", "html_url": address}


def as_policy(identity: str) -> dict[str, Any]:
    """Return an escalation policy as PagerDuty refers to it."""
    address = f"https://simulated.pagerduty.com/escalation_policies/{identity}"
    kind = "escalation_policy_reference"
    return {"id": identity, "type": kind, "summary": f"Policy {identity}", "html_url": address}


def _merged(into: str) -> dict[str, Any]:
    return {"type": "merge_resolve_reason", "incident": {"id": into, "type": "incident_reference"}}


def on_call(policy: str) -> str:
    """Return the id of the user who is on call by an escalation policy; the service's own if it is empty."""
    return f"PONCALL{policy.removeprefix('P')}"


def assigned(page: Page) -> list[str]:
    """Return the ids of the users whom the page wakes."""
    return page.people or [on_call(page.policy)]

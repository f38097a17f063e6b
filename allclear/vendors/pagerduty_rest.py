"""PagerDuty's REST API: incidents that are assigned to named people, and their status.

A routing key of the Events API (`pagerduty.py`) reaches only the on-call of its service. This API reaches
the person that is meant.

Source: PagerDuty REST API (PagerDuty/api-schema, 2026-08):
- `POST /incidents` with `{"incident": {type, title, service, incident_key, body, assignments}}`: 201. Without
  `assignments` the `escalation_policy` decides, or else the service's own; both at once are refused. A second open
  incident with the same key is refused.
- `PUT /incidents/{id}` with `{"incident": {type, status}}`: 200. Both need the header `From`: a user's mail address.
- `GET /incidents?incident_key=&service_ids[]=&sort_by=created_at:desc&date_range=all`: 200 with `incidents[]`.
- `GET /oncalls?escalation_policy_ids[]=&earliest=true`: 200 with `oncalls[]`: `user`, `escalation_policy`,
  `escalation_level` (1 is called first), `start` and `end` (null: always on call). At most 100 in one answer.
- `GET /incidents/{id}/alerts`: 200 with `alerts[]`, each with its `alert_key`, the `dedup_key` of its event. An
  incident into which PagerDuty has grouped ours has its own `incident_key`, and our key in an alert.
- `POST /incidents/{id}/responder_requests` with `{requester_id, message, responder_request_targets}`: 200. A target is
  a user or an escalation policy, and is notified until it has joined or declined. 402 if the account lacks the ability
  `coordinated_responding`, which `GET /abilities` lists. `PUT …/responder_requests/cancel` ends pending requests.
- An incident has `incidents_responders[]` (`user`, `state`: pending, joined, declined, user_cancelled) and
  `responder_requests[]` with their targets, if the account has that ability.
- `GET /users?query=`, `/users/{id}`, `/services/{id}` (`status`: disabled, maintenance …) and
  `/escalation_policies/{id}`: 200, or 404 with code 2100.
- Auth is `Authorization: Token token=KEY`. 960 requests a minute, then 429.
Not confirmed: that a title has at most 1,024 characters, as a summary of the Events API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast
from urllib.parse import quote

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import NotFound
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, redacted, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient, OverHttp
from allclear.vendors.lengths import shortened
from allclear.vendors.pagerduty import LINK_TEXT
from allclear.vendors.retry import Pause

if TYPE_CHECKING:
    import httpx

LONGEST_TITLE = 1024
USER = r"^P[A-Z0-9]{3,20}$"
"""The form of a user's or a service's id."""

ASKED = frozenset({"pending", "joined", "assigned"})
"""The states of a person that the page calls already."""
_MOST_SEARCHED = 25
"""Open incidents whose alerts are searched for our key, the newest first."""

_FOUND = Expected(frozenset({200}), dict, ("incidents",))
_ALERTS = Expected(frozenset({200}), dict, ("alerts",))
_ASKED = Expected(frozenset({200}), dict, ("responder_request",))
_CANCELLED = Expected(frozenset({200}), dict, ("responder_request_targets",))
_USERS = Expected(frozenset({200}), dict, ("users",))
_ABILITIES = Expected(frozenset({200}), dict, ("abilities",))
_OPENED = Expected(frozenset({201}), dict, ("incident",))
_ON_CALLS = Expected(frozenset({200}), dict, ("oncalls",))
_CHANGED = Expected(frozenset({200}), dict, ("incident",))

PagerStatus = Literal["triggered", "acknowledged", "resolved"]


class PagerDutyRestOptions(Model):
    """The service on which people are paged, and the user in whose name."""

    service: str = Field(pattern=USER, description="The id of the service, as PXXXXXX.")
    requester: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="The mail address of the user who owns the key.")


class PagerIncident(Model):
    """An incident in PagerDuty, and who is paged by it."""

    id: str
    status: PagerStatus
    people: list[str] = Field(default=[], description="The ids of the users to whom it is assigned now.")
    names: list[str] = Field(default=[], description="Their names.")
    asked: dict[str, str] = Field(default={}, description="User or policy that was asked to join -> state, as pending.")


class PagerDutyRest(OverHttp):
    """Opens and changes the incidents of one service in PagerDuty."""

    system: ClassVar[str] = "pagerduty_rest"
    options: ClassVar[type[Model]] = PagerDutyRestOptions

    def __init__(
        self,
        address: str,
        secret: str,
        options: PagerDutyRestOptions,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.service = options.service
        self.requester = options.requester
        self._requester_id = ""
        self._http = HttpClient(
            "PagerDuty",
            address,
            headers={"authorization": f"Token token={secret}", "from": options.requester},
            secret=secret,
            transport=transport,
            pause=pause,
        )

    def __repr__(self) -> str:
        """Return the address and the service, without the secret."""
        return f"PagerDutyRest({redacted(self._http.base)!r}, service={self.service!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        return cls(web_address(access), secret_of(access), options_of(access, PagerDutyRestOptions))

    async def find(self, key: str) -> PagerIncident | None:
        """Return the newest incident with our `key`, or None."""
        request = VendorRequest("PagerDuty", f"look for the page {key}", write=False)
        params = {
            "incident_key": key,
            "service_ids[]": self.service,
            "sort_by": "created_at:desc",
            "date_range": "all",
            "limit": "1",
        }
        answer: JsonDict = await self._http.send(request, "GET", "/incidents", params=params, expected=_FOUND)
        found = cast("list[JsonDict]", answer["incidents"])
        return _incident(found[0]) if found else None

    async def open(
        self,
        key: str,
        title: str,
        *,
        people: Sequence[str],
        details: str,
        link: str = "",
        policy: str | None = None,
    ) -> PagerIncident:
        """Page these users, by id; without any, those on call by the `policy`, or else by the service's own.

        `link` is the address of the incident's page. It stands before the details, because a phone shows the beginning.
        """
        if link:
            details = f"{LINK_TEXT}: {link}\n{details}"
        incident: JsonDict = {
            "type": "incident",
            "title": shortened(title, LONGEST_TITLE),
            "service": {"id": self.service, "type": "service_reference"},
            "urgency": "high",
            "incident_key": key,
            "body": {"type": "incident_body", "details": details},
        }
        if people:
            incident["assignments"] = [{"assignee": {"id": user, "type": "user_reference"}} for user in people]
        elif policy:
            incident["escalation_policy"] = {"id": policy, "type": "escalation_policy_reference"}
        request = VendorRequest("PagerDuty", f"page {key}", write=True, repeatable=True)
        body = {"incident": incident}
        answer: JsonDict = await self._http.send(request, "POST", "/incidents", json=body, expected=_OPENED)
        return _incident(answer["incident"])

    async def find_holding(self, key: str) -> PagerIncident | None:
        """Return the open incident with an alert of our `key`: PagerDuty may have grouped our page into it."""
        request = VendorRequest("PagerDuty", f"look for the incident that holds the page {key}", write=False)
        params = {"service_ids[]": self.service, "sort_by": "created_at:desc", "limit": str(_MOST_SEARCHED)}
        for status in ("triggered", "acknowledged"):
            of_status = params | {"statuses[]": status}
            answer: JsonDict = await self._http.send(request, "GET", "/incidents", params=of_status, expected=_FOUND)
            for found in cast("list[JsonDict]", answer["incidents"]):
                incident = _incident(found)
                if key in await self.alert_keys(incident.id, key):
                    return incident
        return None

    async def alert_keys(self, incident: str, key: str = "") -> list[str]:
        """Return the keys of the alerts in the incident with that id; only `key`, if it is given."""
        request = VendorRequest("PagerDuty", f"read the alerts of the incident {incident}", write=False)
        params = {"limit": "100"} | ({"alert_key": key} if key else {})
        path = f"/incidents/{quote(incident, safe='')}/alerts"
        answer: JsonDict = await self._http.send(request, "GET", path, params=params, expected=_ALERTS)
        return [str(alert.get("alert_key") or "") for alert in cast("list[JsonDict]", answer["alerts"])]

    async def ask(self, incident: str, message: str, *, people: Sequence[str], policy: str | None) -> None:
        """Ask these users, or else those on call by the `policy`, to join the incident with that id."""
        request = VendorRequest("PagerDuty", f"call people to the page {incident}", write=True, repeatable=True)
        body = {
            "requester_id": await self._requesting_user(),
            "message": message,
            "responder_request_targets": [{"responder_request_target": one} for one in _targets(people, policy)],
        }
        await self._http.send(request, "POST", f"/incidents/{incident}/responder_requests", json=body, expected=_ASKED)

    async def cancel(self, incident: str, *, people: Sequence[str], policy: str | None) -> None:
        """End the requests to those who have neither joined nor declined."""
        request = VendorRequest("PagerDuty", f"call no more people to {incident}", write=True, repeatable=True)
        targets = _targets(people, policy)
        body = {"requester_id": await self._requesting_user(), "responder_request_targets": targets}
        path = f"/incidents/{incident}/responder_requests/cancel"
        await self._http.send(request, "PUT", path, json=body, expected=_CANCELLED)

    async def _requesting_user(self) -> str:
        """Return the id of the user in whose name we ask. Raises NotFound if no user has that mail address."""
        if not self._requester_id:
            request = VendorRequest("PagerDuty", f"find the user {self.requester}", write=False)
            params = {"query": self.requester, "limit": "100"}
            answer: JsonDict = await self._http.send(request, "GET", "/users", params=params, expected=_USERS)
            users = cast("list[JsonDict]", answer["users"])
            same = [one for one in users if str(one.get("email", "")).casefold() == self.requester.casefold()]
            self._requester_id = str(same[0].get("id", "")) if same else ""
        if not self._requester_id:
            raise NotFound(
                f"PagerDuty has no user with the mail address {self.requester}.",
                "Write the address of the key's owner as `requester` under `pagerduty_rest` in systems.yaml.",
            )
        return self._requester_id

    async def on_call(self, policy: str) -> list[str]:
        """Return the id of the first user on call now at each level of an escalation policy, level 1 first."""
        request = VendorRequest("PagerDuty", f"read who is on call by {policy}", write=False)
        params = {"escalation_policy_ids[]": policy, "earliest": "true", "limit": "100"}
        answer: JsonDict = await self._http.send(request, "GET", "/oncalls", params=params, expected=_ON_CALLS)
        levels: dict[int, str] = {}
        for entry in cast("list[JsonDict]", answer["oncalls"]):
            user, level = cast("JsonDict", entry.get("user") or {}), entry.get("escalation_level")
            if isinstance(level, int) and user.get("id"):
                levels.setdefault(level, str(user["id"]))
        return [levels[level] for level in sorted(levels)]

    async def check_requester(self) -> None:
        """Raise NotFound if no user has the mail address in whose name we write."""
        await self._requesting_user()

    async def read(self, kind: Literal["user", "service", "escalation_policy"], identity: str) -> tuple[str, str]:
        """Return the name and the status of a user, service or escalation policy. Raises NotFound."""
        what = kind.replace("_", " ")
        request = VendorRequest("PagerDuty", f"read the {what} {identity}", write=False)
        path = f"/{_COLLECTIONS[kind]}/{identity}"
        found: JsonDict = await self._http.send(
            request, "GET", path, expected=Expected(frozenset({200}), dict, (kind,))
        )
        fields = cast("JsonDict", found[kind])
        return str(fields.get("summary") or fields.get("name") or identity), str(fields.get("status") or "")

    async def may_ask(self) -> bool:
        """Return whether the account may ask people to join a page."""
        request = VendorRequest("PagerDuty", "read the abilities of the account", write=False)
        answer: JsonDict = await self._http.send(request, "GET", "/abilities", expected=_ABILITIES)
        return "coordinated_responding" in cast("list[str]", answer["abilities"])

    async def change(self, incident: str, status: PagerStatus) -> PagerIncident:
        """Set the status of the incident with that id."""
        request = VendorRequest("PagerDuty", f"set the page {incident} to {status}", write=True, repeatable=True)
        body = {"incident": {"type": "incident_reference", "status": status}}
        answer: JsonDict = await self._http.send(request, "PUT", f"/incidents/{incident}", json=body, expected=_CHANGED)
        return _incident(answer["incident"])


_COLLECTIONS = {"user": "users", "service": "services", "escalation_policy": "escalation_policies"}


def _targets(people: Sequence[str], policy: str | None) -> list[JsonDict]:
    users: list[JsonDict] = [{"id": user, "type": "user_reference"} for user in people]
    return users or ([{"id": policy, "type": "escalation_policy_reference"}] if policy else [])


def _incident(entry: Any) -> PagerIncident:  # noqa: ANN401 - parsed JSON
    fields = cast("JsonDict", entry)
    assignments = cast("list[JsonDict]", fields.get("assignments") or [])
    assignees = [cast("JsonDict", one.get("assignee") or {}) for one in assignments]
    status = str(fields.get("status"))
    people = [str(one.get("id")) for one in assignees]
    return PagerIncident(
        id=str(fields.get("id", "")),
        status="acknowledged" if status == "acknowledged" else "resolved" if status == "resolved" else "triggered",
        people=people,
        names=[str(one.get("summary") or one.get("id")) for one in assignees],
        asked=dict(_asked(fields)) | dict.fromkeys(people, "assigned"),
    )


def _asked(fields: JsonDict) -> Iterator[tuple[str, str]]:
    """Yield each policy and user that was asked to join, and the state of the request."""
    for request in cast("list[JsonDict]", fields.get("responder_requests") or []):
        for target in cast("list[JsonDict]", request.get("responder_request_targets") or []):
            one = cast("JsonDict", target.get("responder_request_target") or target)
            states = {str(who.get("state")) for who in cast("list[JsonDict]", one.get("incidents_responders") or [])}
            yield str(one.get("id", "")), next((state for state in _STRONGEST if state in states), "pending")
    for responder in cast("list[JsonDict]", fields.get("incidents_responders") or []):
        user = cast("JsonDict", responder.get("user") or {})
        yield str(user.get("id", "")), str(responder.get("state") or "pending")


_STRONGEST = ("joined", "pending", "declined", "user_cancelled")
"""Of the people whom a policy calls, the state that counts for the policy."""

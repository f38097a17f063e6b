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
- Auth is `Authorization: Token token=KEY`. 960 requests a minute, then 429.
Not confirmed: that a title has at most 1,024 characters, as a summary of the Events API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, redacted, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient
from allclear.vendors.lengths import shortened
from allclear.vendors.pagerduty import LINK_TEXT
from allclear.vendors.retry import Pause

if TYPE_CHECKING:
    import httpx

LONGEST_TITLE = 1024
USER = r"^P[A-Z0-9]{3,20}$"
"""The form of a user's or a service's id."""

_FOUND = Expected(frozenset({200}), dict, ("incidents",))
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


class PagerDutyRest:
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
        self._service = options.service
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
        return f"PagerDutyRest({redacted(self._http.base)!r}, service={self._service!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        return cls(web_address(access), secret_of(access), options_of(access, PagerDutyRestOptions))

    async def warm(self) -> None:
        """Load what the first call needs, beside other work."""
        await self._http.warm()

    async def close(self) -> None:
        """Release its connections."""
        await self._http.close()

    async def find(self, key: str) -> PagerIncident | None:
        """Return the newest incident with our `key`, or None."""
        request = VendorRequest("PagerDuty", f"look for the page {key}", write=False)
        params = {
            "incident_key": key,
            "service_ids[]": self._service,
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
            "service": {"id": self._service, "type": "service_reference"},
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

    async def change(self, incident: str, status: PagerStatus) -> PagerIncident:
        """Set the status of the incident with that id."""
        request = VendorRequest("PagerDuty", f"set the page {incident} to {status}", write=True, repeatable=True)
        body = {"incident": {"type": "incident_reference", "status": status}}
        answer: JsonDict = await self._http.send(request, "PUT", f"/incidents/{incident}", json=body, expected=_CHANGED)
        return _incident(answer["incident"])


def _incident(entry: Any) -> PagerIncident:  # noqa: ANN401 - parsed JSON
    fields = cast("JsonDict", entry)
    assignments = cast("list[JsonDict]", fields.get("assignments") or [])
    assignees = [cast("JsonDict", one.get("assignee") or {}) for one in assignments]
    status = str(fields.get("status"))
    return PagerIncident(
        id=str(fields.get("id", "")),
        status="acknowledged" if status == "acknowledged" else "resolved" if status == "resolved" else "triggered",
        people=[str(one.get("id")) for one in assignees],
        names=[str(one.get("summary") or one.get("id")) for one in assignees],
    )

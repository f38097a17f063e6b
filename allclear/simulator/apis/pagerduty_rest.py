"""PagerDuty's REST API: ``GET`` and ``POST /incidents``, ``PUT /incidents/{id}``, ``GET /oncalls``.

*Source:* PagerDuty/api-schema ``reference/REST/openapiv3.json`` (August 2026): the header ``From`` of
every write, ``Authorization: Token token=KEY``, 201 on create, errors as ``{"error": {message, code,
errors}}``, an ``incident_key`` that an open incident has is refused. The wording of errors is from
memory. Users and escalation policies exist if their id looks like one.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, as_object, parse_json, read_body, whole_number
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.event_log import iso
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.pagerduty_pages import Page, assigned, on_call
from allclear.simulator.world import World

SERVICE = "PSIMULA"
REQUESTER = "allclear@simulated.example"
_USER = re.compile(r"P[A-Z0-9]{3,20}")
_STATUSES = ("triggered", "acknowledged", "resolved")
_MAX_PAGE = 100
_REFUSALS = {
    "rate_limited": (429, 2020, "Too Many Requests"),
    "permission_denied": (403, 2010, "Access Denied"),
    "server_error": (500, 2000, "Internal Server Error"),
}


class PagerDutyRestApi(HttpApi):
    """Shows and changes the pager's incidents, for callers with the API key."""

    name = "pagerduty_rest"
    writes = frozenset({"create_incident", "update_incident"})

    def __init__(self, world: World, key: str) -> None:
        super().__init__(world)
        self._key, self._pages = key, world.pagerduty

    def app(self) -> Starlette:
        """Return the API as an ASGI application."""
        return Starlette(
            routes=[
                Route("/incidents", self._incidents, methods=["GET", "POST"]),
                Route("/incidents/{incident}", self._incident, methods=["PUT"]),
                Route("/oncalls", self._on_calls, methods=["GET"]),
            ]
        )

    def refusal(self, fault: Fault) -> Response:
        """PagerDuty's answers when it is unwell or unwilling."""
        status, code, message = _REFUSALS.get(fault.kind, (503, 2000, "Service Unavailable"))
        return _error(status, code, message)

    async def _incidents(self, request: Request) -> Response:
        if request.method == "POST":
            return await self.answer("create_incident", request, self._create)
        return await self.answer("list_incidents", request, self._list)

    async def _incident(self, request: Request) -> Response:
        return await self.answer("update_incident", request, self._update)

    async def _on_calls(self, request: Request) -> Response:
        return await self.answer("list_on_calls", request, self._list_on_calls)

    async def _list_on_calls(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        entries: list[dict[str, Any]] = []
        for policy in request.query_params.getlist("escalation_policy_ids[]"):
            users = self._pages.on_call.get(policy) or [on_call(policy)]
            entries += [_on_call(policy, level, user) for level, user in enumerate(users, start=1)]
        return JSONResponse({"oncalls": entries, "limit": _MAX_PAGE, "offset": 0, "more": False, "total": None})

    async def _list(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        query = request.query_params
        statuses = query.getlist("statuses[]") or list(_STATUSES)
        found = [page for page in reversed(self._pages.pages) if page.status in statuses]
        if "incident_key" in query:
            found = [page for page in found if page.dedup_key == query["incident_key"]]
        limit = min(whole_number(query.get("limit", "")) or _MAX_PAGE, _MAX_PAGE)
        return JSONResponse({"incidents": [_incident(page) for page in found[:limit]], "limit": limit, "offset": 0})

    async def _create(self, request: Request, call: Call) -> Response:
        self._authorize(request, write=True)
        incident = await _incident_of(request)
        service = as_object(incident.get("service")) or {}
        people = _assigned(incident)
        call.facts.update(title=incident.get("title"), incident_key=incident.get("incident_key"), people=people)
        if incident.get("type") != "incident" or not str(incident.get("title") or "").strip():
            raise _invalid("Title cannot be empty")
        if service.get("id") != SERVICE:
            raise _invalid("Service cannot be found")
        if any(_USER.fullmatch(user) is None for user in people):
            raise _invalid("Assignee cannot be found")
        key = str(incident.get("incident_key") or secrets.token_hex(16))
        policy = str((as_object(incident.get("escalation_policy")) or {}).get("id") or "")
        if policy and people:
            raise _invalid("Assignments and escalation policy cannot be given together")
        if policy and _USER.fullmatch(policy) is None:
            raise _invalid("Escalation policy cannot be found")
        if self._pages.find_open(key):
            raise _invalid("Open incident with matching dedup key already exists on this service")
        payload = {"summary": incident["title"], "source": "api", "severity": "critical"}
        page = self._pages.event("trigger", key, payload, people=people, policy=policy)
        if page is None:
            raise _invalid("Incident could not be created")
        page.body = str((as_object(incident.get("body")) or {}).get("details") or "")
        return JSONResponse({"incident": _incident(page)}, 201)

    async def _update(self, request: Request, call: Call) -> Response:
        self._authorize(request, write=True)
        page = next((one for one in self._pages.pages if one.id == request.path_params["incident"]), None)
        if page is None:
            raise Rejection(_error(404, 2100, "Not Found"), "no such incident")
        status = (await _incident_of(request)).get("status")
        call.facts.update(incident=page.id, status=status)
        if status not in _STATUSES:
            raise _invalid("Status is invalid")
        if page.status == "resolved":
            raise _invalid("Incident Already Resolved")
        if status != "triggered":
            self._pages.event("acknowledge" if status == "acknowledged" else "resolve", page.dedup_key, page.payload)
        return JSONResponse({"incident": _incident(page)})

    def _authorize(self, request: Request, *, write: bool = False) -> None:
        if request.headers.get("authorization") != f"Token token={self._key}":
            raise Rejection(_error(401, 2006, "Unauthorized"), "wrong API key")
        if write and "@" not in request.headers.get("from", ""):
            raise _invalid("From header must be the email of a user")


async def _incident_of(request: Request) -> dict[str, Any]:
    try:
        body = as_object(parse_json(await read_body(request)))
    except ValueError:
        body = None
    incident = as_object((body or {}).get("incident"))
    if incident is None:
        raise _invalid("Incident must be an object")
    return incident


def _assigned(incident: dict[str, Any]) -> list[str]:
    assignments = incident.get("assignments")
    entries = cast("list[Any]", assignments) if isinstance(assignments, list) else []
    return [str((as_object((as_object(one) or {}).get("assignee")) or {}).get("id", "")) for one in entries]


def _incident(page: Page) -> dict[str, Any]:
    people = assigned(page)
    return {
        "id": page.id,
        "type": "incident",
        "title": page.payload.get("summary"),
        "summary": page.payload.get("summary"),
        "incident_number": 1,
        "incident_key": page.dedup_key,
        "created_at": iso(page.opened_at),
        "status": page.status,
        "urgency": "high",
        "service": {"id": SERVICE, "type": "service_reference", "summary": "Simulated"},
        "assignments": []
        if page.status == "resolved"
        else [
            {
                "at": iso(page.opened_at),
                "assignee": {"id": user, "type": "user_reference", "summary": f"User {user}"},
            }
            for user in people
        ],
    }


def _on_call(policy: str, level: int, user: str) -> dict[str, Any]:
    return {
        "user": _reference("user", user, f"User {user}"),
        "schedule": None,
        "escalation_policy": _reference("escalation_policy", policy, f"Policy {policy}"),
        "escalation_level": level,
        "start": None,
        "end": None,
    }


def _reference(kind: str, identity: str, summary: str) -> dict[str, Any]:
    path = {"user": "users", "escalation_policy": "escalation_policies"}[kind]
    return {
        "id": identity,
        "type": f"{kind}_reference",
        "summary": summary,
        "self": f"https://api.pagerduty.com/{path}/{identity}",
        "html_url": f"https://simulated.pagerduty.com/{path}/{identity}",
    }


def _invalid(message: str) -> Rejection:
    return Rejection(_error(400, 2001, "Invalid Input Provided", message), message)


def _error(status: int, code: int, message: str, *errors: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "code": code, "errors": list(errors)}}, status)


API = SimulatedApi(
    "pagerduty_rest",
    lambda world, key: PagerDutyRestApi(world, key).app(),
    FaultPoints(frozenset({"list_incidents", "create_incident", "update_incident", "list_on_calls"})),
    new_secret=lambda: secrets.token_urlsafe(15),
    options=lambda _: {"service": SERVICE, "requester": REQUESTER},
)

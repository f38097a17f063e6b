"""PagerDuty's REST API: incidents with their alerts and responder requests, and ``GET /oncalls``.

*Source:* PagerDuty/api-schema ``reference/REST/openapiv3.json`` (August 2026): the header ``From`` of
every write, ``Authorization: Token token=KEY``, 201 on create, errors as ``{"error": {message, code,
errors}}``, an ``incident_key`` that an open incident has is refused. The wording of errors is from
memory. Users and escalation policies exist if their id looks like one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, as_object, parse_json, read_body, whole_number
from allclear.simulator.apis.pagerduty_directory import Directory, incident_reference, request_target, responder
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.event_log import iso
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.pagerduty_pages import Page, as_user, assigned, on_call
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
    writes = frozenset({"create_incident", "update_incident", "create_responder_request", "cancel_responder_request"})

    def __init__(self, world: World, key: str) -> None:
        super().__init__(world)
        self._key, self._pages = key, world.pagerduty
        self._directory = Directory(world.pagerduty, self._read)

    def app(self) -> Starlette:
        """Return the API as an ASGI application."""
        return Starlette(
            routes=[
                Route("/incidents", self._incidents, methods=["GET", "POST"]),
                Route("/incidents/{incident}", self._incident, methods=["PUT"]),
                Route("/incidents/{incident}/alerts", self._alerts, methods=["GET"]),
                Route("/incidents/{incident}/responder_requests", self._request, methods=["POST"]),
                Route("/incidents/{incident}/responder_requests/cancel", self._cancel, methods=["PUT"]),
                Route("/oncalls", self._on_calls, methods=["GET"]),
                *self._directory.routes(),
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

    async def _read(self, request: Request, show: Callable[[Request], Response]) -> Response:
        """Answer a read of the account's directory."""

        async def handle(request: Request, _: Call) -> Response:
            self._authorize(request)
            return show(request)

        return await self.answer("read_directory", request, handle)

    async def _alerts(self, request: Request) -> Response:
        return await self.answer("list_alerts", request, self._list_alerts)

    async def _request(self, request: Request) -> Response:
        return await self.answer("create_responder_request", request, self._ask)

    async def _cancel(self, request: Request) -> Response:
        return await self.answer("cancel_responder_request", request, self._cancel_requests)

    async def _list_alerts(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        page, wanted = self._page(request), request.query_params.get("alert_key")
        alerts = [_alert(page, key) for key in page.alerts if wanted in (None, key)]
        return JSONResponse({"alerts": alerts, "limit": _MAX_PAGE, "offset": 0, "more": False, "total": None})

    async def _ask(self, request: Request, call: Call) -> Response:
        self._authorize(request, write=True)
        page, body = self._page(request), await _object_of(request)
        wrapped = cast("list[Any]", body.get("responder_request_targets") or [])
        targets = _targets([(as_object(one) or {}).get("responder_request_target") for one in wrapped])
        call.facts.update(incident=page.id, asked=[identity for identity, _ in targets])
        requester = self._requester(body)
        if not isinstance(body.get("message"), str) or not targets:
            raise _invalid("Message and responder_request_targets are required")
        if any(identity in self._pages.unknown for identity, _ in targets):
            raise _invalid("Responder request target cannot be found")
        if page.status == "resolved":
            raise _invalid("Incident Already Resolved")
        self._pages.ask(page, targets, body["message"], as_user(requester))
        asked = [request_target(page, identity, kind) for identity, kind in targets]
        answer = {
            "incident": incident_reference(page),
            "requester": as_user(requester),
            "requested_at": iso(self.world.clock()),
            "message": page.message,
            "responder_request_targets": [{"responder_request_target": one} for one in asked],
        }
        return JSONResponse({"responder_request": answer})

    async def _cancel_requests(self, request: Request, call: Call) -> Response:
        self._authorize(request, write=True)
        page, body = self._page(request), await _object_of(request)
        targets = _targets(cast("list[Any]", body.get("responder_request_targets") or []))
        self._requester(body)
        if not targets:
            raise _invalid("Responder_request_targets are required")
        call.facts.update(incident=page.id, cancelled=[identity for identity, _ in targets])
        results = [
            {"type": kind, "id": identity, "result": self._pages.cancel_request(page, identity)}
            for identity, kind in targets
        ]
        return JSONResponse({"responder_request_targets": results})

    def _requester(self, body: dict[str, Any]) -> str:
        """Return the id of the asking user. Refuses without the ability, as PagerDuty does."""
        if "coordinated_responding" not in self._pages.abilities:
            raise Rejection(_error(402, 2012, "Account does not have the abilities to perform the action"), "ability")
        requester = str(body.get("requester_id") or "")
        if _USER.fullmatch(requester) is None:
            raise _invalid("Requester cannot be found")
        return requester

    def _page(self, request: Request) -> Page:
        page = next((one for one in self._pages.pages if one.id == request.path_params["incident"]), None)
        if page is None:
            raise Rejection(_error(404, 2100, "Not Found"), "no such incident")
        return page

    async def _on_calls(self, request: Request) -> Response:
        return await self.answer("list_on_calls", request, self._list_on_calls)

    async def _list_on_calls(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        entries: list[dict[str, Any]] = []
        for policy in request.query_params.getlist("escalation_policy_ids[]"):
            users = [] if policy in self._pages.unknown else self._pages.on_call.get(policy, [on_call(policy)])
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
        if any(_USER.fullmatch(user) is None or user in self._pages.unknown for user in people):
            raise _invalid("Assignee cannot be found")
        key = str(incident.get("incident_key") or secrets.token_hex(16))
        policy = str((as_object(incident.get("escalation_policy")) or {}).get("id") or "")
        if policy and people:
            raise _invalid("Assignments and escalation policy cannot be given together")
        if policy and (_USER.fullmatch(policy) is None or policy in self._pages.unknown):
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
        page = self._page(request)
        status = (await _incident_of(request)).get("status")
        call.facts.update(incident=page.id, status=status)
        if status not in _STATUSES:
            raise _invalid("Status is invalid")
        if page.status == "resolved":
            raise _invalid("Incident Already Resolved")
        if status != "triggered":
            page.alerts = page.alerts[:1] if status == "resolved" else page.alerts  # it ends with all its alerts
            event = "acknowledge" if status == "acknowledged" else "resolve"
            self._pages.event(event, page.alerts[0], page.payload)
        return JSONResponse({"incident": _incident(page)})

    def _authorize(self, request: Request, *, write: bool = False) -> None:
        if request.headers.get("authorization") != f"Token token={self._key}":
            raise Rejection(_error(401, 2006, "Unauthorized"), "wrong API key")
        if write and "@" not in request.headers.get("from", ""):
            raise _invalid("From header must be the email of a user")


async def _object_of(request: Request) -> dict[str, Any]:
    try:
        return as_object(parse_json(await read_body(request))) or {}
    except ValueError:
        return {}


async def _incident_of(request: Request) -> dict[str, Any]:
    incident = as_object((await _object_of(request)).get("incident"))
    if incident is None:
        raise _invalid("Incident must be an object")
    return incident


def _targets(entries: list[Any]) -> list[tuple[str, str]]:
    """Return the id and kind of each target of a responder request."""
    found = [(str(one.get("id") or ""), str(one.get("type") or "")) for one in map(as_object, entries) if one]
    kinds = {"user_reference", "escalation_policy_reference"}
    if any(_USER.fullmatch(identity) is None or kind not in kinds for identity, kind in found):
        raise _invalid("Responder request target cannot be found")
    return found


def _alert(page: Page, key: str) -> dict[str, Any]:
    return {
        "id": f"A{page.alerts.index(key)}{page.id}",
        "type": "alert",
        "summary": page.payload.get("summary"),
        "status": "resolved" if page.status == "resolved" else "triggered",
        "alert_key": key,
        "incident": {"id": page.id, "type": "incident_reference"},
        "suppressed": False,
        "severity": "critical",
    }


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
        "incidents_responders": [responder(page, user) for user in page.responders],
        "responder_requests": [
            {
                "incident": incident_reference(page),
                "message": page.message,
                "responder_request_targets": [{"responder_request_target": request_target(page, identity)}],
            }
            for identity in page.requests
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
    FaultPoints(
        frozenset(
            {
                "list_incidents",
                "create_incident",
                "update_incident",
                "list_on_calls",
                "list_alerts",
                "create_responder_request",
                "cancel_responder_request",
                "read_directory",
            }
        )
    ),
    new_secret=lambda: secrets.token_urlsafe(15),
    options=lambda _: {"service": SERVICE, "requester": REQUESTER},
)

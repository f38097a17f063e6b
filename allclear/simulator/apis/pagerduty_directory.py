"""What PagerDuty's REST API shows of users, services, escalation policies and abilities, and of responders.

*Source:* PagerDuty/api-schema ``reference/REST/openapiv3.json`` (August 2026): ``GET /users?query=``, ``/users/{id}``,
``/services/{id}``, ``/escalation_policies/{id}``, ``/abilities``, and the schemas of responder requests. That a query
matches a mail address is from PagerDuty's own clients.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.event_log import iso
from allclear.simulator.pagerduty_pages import Page, PagerDutyPages, as_policy, as_user

OWNER = "POWNER1"
"""The user who owns the API key."""

Show = Callable[[Request], Response]
Read = Callable[[Request, Show], Awaitable[Response]]


class Directory:
    """Shows the account: every id that looks like one exists, except those in `unknown`."""

    def __init__(self, pages: PagerDutyPages, read: Read) -> None:
        """`read` answers one request: it checks the key and applies the faults."""
        self._pages, self._read = pages, read

    def routes(self) -> list[Route]:
        """Return the routes of the directory."""
        return [
            Route("/abilities", self._answering(self._abilities), methods=["GET"]),
            Route("/users", self._answering(self._users), methods=["GET"]),
            Route("/users/{id}", self._answering(self._one("user", as_user)), methods=["GET"]),
            Route("/services/{id}", self._answering(self._one("service", self._service)), methods=["GET"]),
            Route(
                "/escalation_policies/{id}", self._answering(self._one("escalation_policy", as_policy)), methods=["GET"]
            ),
        ]

    def _answering(self, show: Show) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._read(request, show)

        return endpoint

    def _abilities(self, _: Request) -> Response:
        return JSONResponse({"abilities": sorted(self._pages.abilities)})

    def _users(self, request: Request) -> Response:
        mail = request.query_params.get("query", "")
        known = bool(mail) and mail not in self._pages.unknown
        owner = {**as_user(OWNER, "The owner of the key"), "type": "user", "email": mail}
        found = [owner] if known else []
        return JSONResponse({"users": found, "limit": 100, "offset": 0, "more": False, "total": None})

    def _one(self, kind: str, shown: Callable[[str], dict[str, Any]]) -> Show:
        def show(request: Request) -> Response:
            identity = str(request.path_params["id"])
            if identity in self._pages.unknown:
                return JSONResponse({"error": {"message": "Not Found", "code": 2100, "errors": []}}, 404)
            return JSONResponse({kind: {**shown(identity), "type": kind}})

        return show

    def _service(self, identity: str) -> dict[str, Any]:
        return {"id": identity, "summary": "Simulated", "name": "Simulated", "status": self._pages.service_status}


def incident_reference(page: Page) -> dict[str, Any]:
    """Return a page as PagerDuty refers to it."""
    return {"id": page.id, "type": "incident_reference", "summary": page.payload.get("summary")}


def responder(page: Page, user: str) -> dict[str, Any]:
    """Return a person who was asked to join a page, with the answer."""
    return {
        "state": page.responders[user],
        "user": as_user(user),
        "incident": incident_reference(page),
        "updated_at": iso(page.opened_at),
        "message": page.message,
    }


def request_target(page: Page, identity: str, kind: str = "") -> dict[str, Any]:
    """Return a target of a responder request, with the people whom it called."""
    is_user = page.requests[identity] == [identity] if not kind else kind == "user_reference"
    called = [responder(page, user) for user in page.requests[identity]]
    return {
        "type": "user" if is_user else "escalation_policy",
        "id": identity,
        "summary": "",
        "incidents_responders": called,
    }

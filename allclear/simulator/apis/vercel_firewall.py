"""Vercel's `/v1/security`: the project's firewall configuration, attack mode, and what the firewall has denied.

*Source:* the vendor's published description (vercel/sdk, October 2025) and its command line (November 2026), from
which `GET /v1/security/firewall/config` with the draft beside the published configuration is known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, Rejection, as_object, parse_json, read_body
from allclear.simulator.event_log import iso
from allclear.simulator.vercel_firewall import FirewallError, VercelFirewall

Handler = Callable[[Request, Call], Awaitable[Response]]

READS = frozenset({"get_firewall", "firewall_events"})
WRITES = frozenset({"update_firewall", "attack_mode"})


class Gate(Protocol):
    """What the routes need of the API that they belong to."""

    async def answer(self, method: str, request: Request, handle: Handler) -> Response:
        """Answer one request as the vendor's `method`."""
        ...

    def authorize(self, request: Request) -> None:
        """Raise Rejection for a token that is not ours."""
        ...

    def check_project(self, name: str) -> None:
        """Raise Rejection for a project that is not ours."""
        ...

    def error(self, status: int, code: str, message: str) -> Rejection:
        """Return the vendor's refusal."""
        ...


def route(gate: Gate, path: str, method: str, verb: str, handle: Handler) -> Route:
    """Return a route whose requests are answered as the vendor's `method`, for callers with the token."""

    async def authorized(request: Request, call: Call) -> Response:
        gate.authorize(request)
        return await handle(request, call)

    async def asked(request: Request) -> Response:
        return await gate.answer(method, request, authorized)

    return Route(path, asked, methods=[verb])


async def body_of(gate: Gate, request: Request) -> dict[str, Any]:
    """Return the JSON object that a request carries. Raises Rejection."""
    try:
        body = as_object(parse_json(await read_body(request)))
    except ValueError:
        body = None
    if body is None:
        raise gate.error(400, "bad_request", "Invalid JSON")
    return body


class FirewallRoutes:
    """Shows and changes the firewall."""

    def __init__(self, gate: Gate, firewall: VercelFirewall) -> None:
        self._gate, self._firewall = gate, firewall

    def routes(self) -> list[Route]:
        """Return the routes."""
        config = "/v1/security/firewall/config"
        return [
            route(self._gate, config, "get_firewall", "GET", self._configs),
            route(self._gate, config, "update_firewall", "PATCH", self._update),
            route(self._gate, f"{config}/active", "get_firewall", "GET", self._active),
            route(self._gate, "/v1/security/attack-mode", "attack_mode", "POST", self._attack_mode),
            route(self._gate, "/v1/security/firewall/events", "firewall_events", "GET", self._events),
        ]

    async def _configs(self, request: Request, _: Call) -> Response:
        self._check_project(request)
        shown: dict[str, Any] = {
            "active": self._firewall.shown(),
            "draft": self._firewall.shown_draft(),
            "versions": [],
        }
        return JSONResponse(shown)

    async def _active(self, request: Request, _: Call) -> Response:
        self._check_project(request)
        return JSONResponse(self._firewall.shown())

    async def _update(self, request: Request, call: Call) -> Response:
        self._check_project(request)
        body = await body_of(self._gate, request)
        call.facts["change"] = body.get("action")
        value = as_object(body.get("value")) or {}
        try:
            if body.get("action") == "ip.insert":
                call.facts["ip"] = value.get("ip")
                if not call.ignored:
                    self._firewall.insert(value)
            elif body.get("action") == "ip.remove":
                call.facts["ip"] = next((r["ip"] for r in self._firewall.addresses if r["id"] == body.get("id")), None)
                if not call.ignored:
                    self._firewall.remove(body.get("id"))
            else:
                raise self._gate.error(400, "bad_request", "Invalid request: `action` is not known.")
        except FirewallError as error:
            raise self._gate.error(error.status, error.code, error.message) from None
        return JSONResponse(self._firewall.shown())

    async def _attack_mode(self, request: Request, call: Call) -> Response:
        body = await body_of(self._gate, request)
        self._gate.check_project(str(body.get("projectId")))
        on, until = body.get("attackModeEnabled"), body.get("attackModeActiveUntil")
        if not isinstance(on, bool) or not (until is None or isinstance(until, int | float)):
            raise self._gate.error(400, "bad_request", "Invalid request: `attackModeEnabled` must be boolean.")
        end = datetime.fromtimestamp(until / 1000, UTC) if until is not None else None
        if on and end is not None and end <= self._firewall.clock():
            raise self._gate.error(400, "bad_request", "Invalid request: `attackModeActiveUntil` is in the past.")
        call.facts["on"], call.facts["until"] = on, iso(end) if end else None
        if not call.ignored:
            self._firewall.challenge(on=on, until=end)
        updated = self._firewall.attack.updated_at or self._firewall.clock()
        return JSONResponse({"attackModeEnabled": on, "attackModeUpdatedAt": round(updated.timestamp() * 1000)})

    async def _events(self, request: Request, _: Call) -> Response:
        self._check_project(request)
        now = iso(self._firewall.clock())
        actions = [
            {
                "startTime": now,
                "endTime": now,
                "isActive": True,
                "action_type": action,
                "host": "*",
                "public_ip": address,
                "count": count,
            }
            for address, action, count in self._firewall.denied
        ]
        return JSONResponse({"actions": actions})

    def _check_project(self, request: Request) -> None:
        self._gate.check_project(request.query_params.get("projectId", ""))

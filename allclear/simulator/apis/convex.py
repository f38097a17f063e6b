"""Convex's deployment API: pausing, environment variables, the audit log, and one query of its dashboard.

*Source:* Convex's published descriptions and get-convex/convex-backend, 2026-08 (read November 2026): paths, bodies,
fields, the word `Convex` in the header, and that a query that throws is answered with 200. From memory: the bodies of
refusals, {code, message}.
"""

from __future__ import annotations

from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import (
    Call,
    HttpApi,
    Rejection,
    as_object,
    parse_json,
    random_text,
    read_body,
    whole_number,
)
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.convex_deployment import ConvexDeployment, ConvexError
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.world import World

_READS = frozenset({"query", "list_variables", "list_audit_log"})
_WRITES = frozenset({"pause", "unpause", "update_variables"})
_PAGE, _LARGEST_PAGE = 15, 100
_STATE = "_system/frontend/deploymentState"
_REFUSALS = {
    "rate_limited": (429, "TooManyRequests", "Too many requests."),
    "permission_denied": (403, "Unauthorized", "You do not have permission to perform this operation."),
    "server_error": (500, "InternalServerError", "Your request couldn't be completed. Try again later."),
}


class ConvexApi(HttpApi):
    """Shows, pauses and configures the deployment, for callers with the deploy key."""

    name = "convex"
    writes = _WRITES

    def __init__(self, world: World, deployment: ConvexDeployment, key: str) -> None:
        super().__init__(world)
        self._deployment, self._key = deployment, key

    def app(self) -> Starlette:
        """Return the API as an ASGI application."""
        v1 = "/api/v1"
        return Starlette(
            routes=[
                self._route("/api/query", "POST", "query", self._query),
                self._route(f"{v1}/pause_deployment", "POST", "pause", self._pause),
                self._route(f"{v1}/unpause_deployment", "POST", "unpause", self._unpause),
                self._route(f"{v1}/list_environment_variables", "GET", "list_variables", self._list),
                self._route(f"{v1}/update_environment_variables", "POST", "update_variables", self._update),
                self._route(f"{v1}/list_audit_log_events", "GET", "list_audit_log", self._events),
            ]
        )

    def refusal(self, fault: Fault) -> Response:
        """Convex's answers to a request that fails or is refused."""
        return _error(
            *_REFUSALS.get(fault.kind, (503, "ServiceUnavailable", "Service temporarily unavailable."))
        ).response

    def _route(self, path: str, verb: str, method: str, handle: Any) -> Route:  # noqa: ANN401 - a handler of this class
        async def checked(request: Request, call: Call) -> Response:
            if request.headers.get("authorization") != f"Convex {self._key}":
                raise _error(401, "BadDeployKey", "The provided deploy key was invalid for deployment.")
            try:
                return await handle(request, call)
            except ConvexError as error:
                raise _error(error.status, error.code, error.message) from None

        async def asked(request: Request) -> Response:
            return await self.answer(method, request, checked)

        return Route(path, asked, methods=[verb])

    async def _query(self, request: Request, _: Call) -> Response:
        path = (await _object(request)).get("path")
        if path == _STATE and self._deployment.tells_state:
            value = {"state": self._deployment.state}
            return JSONResponse({"status": "success", "value": value, "logLines": []})
        message = f"Could not find public function for '{path}'."
        return JSONResponse({"status": "error", "errorMessage": message, "logLines": []})

    async def _pause(self, _: Request, call: Call) -> Response:
        if not call.ignored:
            self._deployment.pause()
        return Response(status_code=200)

    async def _unpause(self, _: Request, call: Call) -> Response:
        if not call.ignored:
            self._deployment.unpause()
        return Response(status_code=200)

    async def _list(self, _: Request, __: Call) -> Response:
        return JSONResponse({"environmentVariables": self._deployment.variables()})

    async def _update(self, request: Request, call: Call) -> Response:
        changes = (await _object(request)).get("changes")
        read = [as_object(one) for one in cast("list[object]", changes)] if isinstance(changes, list) else [None]
        if not all(one is not None and isinstance(one.get("name"), str) for one in read):
            raise _error(400, "BadJsonBody", "changes: each must have a name")
        wanted = {one["name"]: one.get("value") for one in read if one is not None}
        call.facts["variables"] = sorted(wanted)
        if not call.ignored:
            self._deployment.update(wanted)
        return Response(status_code=200)

    async def _events(self, request: Request, _: Call) -> Response:
        since = request.query_params.get("from", "")
        if not since.isdecimal():
            raise _error(400, "BadQuery", "from: is required")
        size = min(whole_number(request.query_params.get("limit", "")) or _PAGE, _LARGEST_PAGE)
        first = whole_number(request.query_params.get("cursor", "")) or 0
        events = [one for one in self._deployment.events if one[1].timestamp() * 1000 >= int(since)]
        shown = [
            {
                "actor": {"kind": "token", "token_id": 1, "member_id": None},
                "action": action,
                "createTime": round(at.timestamp() * 1000),
                "metadata": {},
            }
            for action, at in events[first : first + size]
        ]
        more = first + size < len(events)
        return JSONResponse(
            {"items": shown, "pagination": {"hasMore": more, "nextCursor": str(first + size) if more else None}}
        )


async def _object(request: Request) -> dict[str, Any]:
    try:
        body = as_object(parse_json(await read_body(request)))
    except ValueError:
        body = None
    if body is None:
        raise _error(400, "BadJsonBody", "The request body is not valid JSON.")
    return body


def _error(status: int, code: str, message: str) -> Rejection:
    return Rejection(JSONResponse({"code": code, "message": message}, status), message)


def _convex_app(world: World, key: str) -> Starlette:
    if world.convex is None:
        raise ValueError("this production has no deployment on Convex")
    return ConvexApi(world, world.convex, key).app()


API = SimulatedApi(
    "convex",
    _convex_app,
    FaultPoints(_READS | _WRITES, ignorable=_WRITES),
    new_secret=lambda: f"prod:simulated|{random_text(48)}",
    exists=lambda scenario: scenario.convex is not None,
)

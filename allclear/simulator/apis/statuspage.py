"""Statuspage's API for incidents and components, under `/v1/pages/{page}`.

*Source:* the published description (sbecker59/statuspage-api-client-go `swagger.json`, a mirror
of 2024): 201 on create, `metadata` whose top-level values are objects, names up to 255 and bodies
up to 25,000 characters, `Authorization: OAuth KEY`, errors as `{"message"}`. The 429 answer at
more than one request a second exists as a fault only.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, as_object, parse_json, read_body, whole_number
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.statuspage_board import COMPONENT_STATUSES, Incident, Report
from allclear.simulator.world import World

STATUSES = ("investigating", "identified", "monitoring", "resolved")
"""Of real-time incidents; scheduled maintenance is not simulated."""
IMPACTS = ("none", "maintenance", "minor", "major", "critical")
MAX_NAME, MAX_BODY_TEXT, MAX_PAGE = 255, 25_000, 100
_REFUSALS = {
    "rate_limited": (429, "Too many requests"),
    "permission_denied": (403, "Forbidden"),
    "server_error": (500, "Internal server error"),
}


POST_MORTEM_WRITES = frozenset({"draft_post_mortem", "publish_post_mortem", "revert_post_mortem"})


class StatuspageApi(HttpApi):
    """Shows and changes the public status page, for callers with the API key."""

    name = "statuspage"
    writes = frozenset({"create_incident", "update_incident", *POST_MORTEM_WRITES})

    def __init__(self, world: World, api_key: str) -> None:
        super().__init__(world)
        self._api_key, self._board = api_key, world.status_board

    def app(self) -> Starlette:
        """Return the API as an ASGI application."""
        routes = [
            Route("/components", self._components),
            Route("/incidents", self._incidents, methods=["GET", "POST"]),
            Route("/incidents/unresolved", self._unresolved),
            Route("/subscribers/count", self._subscribers),
            Route("/incidents/{incident}/postmortem", self._post_mortem, methods=["GET", "PUT"]),
            Route("/incidents/{incident}/postmortem/publish", self._publish, methods=["PUT"]),
            Route("/incidents/{incident}/postmortem/revert", self._revert, methods=["PUT"]),
            Route("/incidents/{incident}", self._incident, methods=["GET", "PATCH", "PUT"]),
        ]
        return Starlette(routes=[Mount("/v1/pages/{page}", routes=routes)])

    def refusal(self, fault: Fault) -> Response:
        """Statuspage's answers to a request that fails or is refused."""
        status, message = _REFUSALS.get(fault.kind, (503, "Service unavailable"))
        return _message(status, message)

    async def _components(self, request: Request) -> Response:
        return await self.answer("list_components", request, self._list_components)

    async def _incidents(self, request: Request) -> Response:
        if request.method == "POST":
            return await self.answer("create_incident", request, self._create)
        return await self.answer("list_incidents", request, self._list)

    async def _unresolved(self, request: Request) -> Response:
        return await self.answer("list_unresolved", request, self._list)

    async def _incident(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            return await self.answer("get_incident", request, self._get)
        return await self.answer("update_incident", request, self._update)

    async def _subscribers(self, request: Request) -> Response:
        return await self.answer("count_subscribers", request, self._count_subscribers)

    async def _post_mortem(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            return await self.answer("get_post_mortem", request, self._get_post_mortem)
        return await self.answer("draft_post_mortem", request, self._draft_post_mortem)

    async def _publish(self, request: Request) -> Response:
        return await self.answer("publish_post_mortem", request, self._publish_post_mortem)

    async def _revert(self, request: Request) -> Response:
        return await self.answer("revert_post_mortem", request, self._revert_post_mortem)

    async def _count_subscribers(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        return JSONResponse(self._board.subscribers)

    async def _get_post_mortem(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        post_mortem = self._board.post_mortems.get(self._find(request)["id"])
        if post_mortem is None:
            raise Rejection(_message(404, "The requested resource could not be found."), "no post-mortem")
        return JSONResponse(post_mortem)

    async def _draft_post_mortem(self, request: Request, call: Call) -> Response:
        self._authorize(request)
        incident, given = self._ended(request), await _object_of(request, "postmortem")
        text = given.get("body_draft")
        if not isinstance(text, str):
            raise Rejection(_message(400, "body_draft is missing"), "body_draft is missing")
        post_mortem = {"body_draft": text} if call.ignored else self._board.draft_post_mortem(incident, text)
        return JSONResponse(post_mortem)

    async def _publish_post_mortem(self, request: Request, call: Call) -> Response:
        self._authorize(request)
        incident, given = self._with_post_mortem(request), await _object_of(request, "postmortem")
        if call.ignored:
            return JSONResponse(self._board.post_mortems[incident["id"]])
        return JSONResponse(self._board.publish_post_mortem(incident, notify=given.get("notify_subscribers") is True))

    async def _revert_post_mortem(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        return JSONResponse(self._board.revert_post_mortem(self._with_post_mortem(request)))

    def _ended(self, request: Request) -> Incident:
        incident = self._find(request)
        if incident in self._board.unresolved():
            raise Rejection(_message(400, "The incident is not resolved."), "not resolved")
        return incident

    def _with_post_mortem(self, request: Request) -> Incident:
        incident = self._ended(request)
        if incident["id"] not in self._board.post_mortems:
            raise Rejection(_message(404, "The requested resource could not be found."), "no post-mortem")
        return incident

    async def _list_components(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        return JSONResponse(list(self._board.components.values()))

    async def _list(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        only_open = request.url.path.endswith("/unresolved")
        found = self._board.unresolved() if only_open else self._board.incidents
        asked = request.query_params.get("q")
        if asked:
            found = [i for i in found if asked.lower() in json.dumps(i).lower()]
        limit = min(_number(request, "limit", MAX_PAGE), MAX_PAGE)
        first = (_number(request, "page", 1) - 1) * limit
        return JSONResponse([self._board.shown(incident) for incident in found[first : first + limit]])

    async def _create(self, request: Request, call: Call) -> Response:
        self._authorize(request)
        report = self._report(await _incident_of(request), call)
        if not report.name:
            raise _unprocessable("Name can't be blank")
        incident = self._board.open(report)
        call.facts["incident"] = incident["id"]
        return JSONResponse(self._board.shown(incident), 201)

    async def _get(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        return JSONResponse(self._board.shown(self._find(request)))

    async def _update(self, request: Request, call: Call) -> Response:
        self._authorize(request)
        incident = self._find(request)
        call.facts["incident"] = incident["id"]
        report = self._report(await _incident_of(request), call)
        if self._board.refuses(incident, report):
            raise _unprocessable("A resolved incident cannot be opened again.")
        self._board.update(incident, report)
        return JSONResponse(self._board.shown(incident))

    def _authorize(self, request: Request) -> None:
        if request.headers.get("authorization") != f"OAuth {self._api_key}":
            raise Rejection(_message(401, "Could not authenticate"), "wrong API key")
        if request.path_params["page"] != self._board.page:
            raise Rejection(_message(404, "The requested page could not be found."), "no such page")

    def _find(self, request: Request) -> Incident:
        incident = self._board.find(request.path_params["incident"])
        if incident is None:
            missing = _message(404, "The requested incident could not be found.")
            raise Rejection(missing, "no such incident")
        return incident

    def _report(self, given: dict[str, Any], call: Call) -> Report:
        call.facts.update({k: given[k] for k in ("name", "status") if k in given})
        name = _text(given, "name", MAX_NAME)
        components = as_object(given.get("components"))
        identities = given.get("component_ids")
        if not isinstance(identities, list):
            identities = None
        for identity in [*(components or {}), *cast("list[Any]", identities or [])]:
            if identity not in self._board.components:
                raise _unprocessable(f"Component {identity} is not a component of this page")
        for status in (components or {}).values():
            _one_of("Component status", status, COMPONENT_STATUSES)
        metadata = given.get("metadata")
        if metadata is not None and not _is_metadata(metadata):
            raise _unprocessable("Metadata must be an object whose values are objects")
        return Report(
            name=name,
            status=_one_of("Status", given.get("status"), STATUSES),
            body=_text(given, "body", MAX_BODY_TEXT),
            impact=_one_of("Impact override", given.get("impact_override"), IMPACTS),
            components=components,
            component_ids=cast("list[str] | None", identities),
            metadata=metadata,
            notify=given.get("deliver_notifications") is not False,
        )


async def _incident_of(request: Request) -> dict[str, Any]:
    return await _object_of(request, "incident")


async def _object_of(request: Request, name: str) -> dict[str, Any]:
    try:
        body = as_object(parse_json(await read_body(request)))
    except ValueError:
        raise Rejection(_message(400, "The request is not valid JSON."), "invalid JSON") from None
    given = as_object((body or {}).get(name))
    if given is None:
        raise Rejection(_message(400, f"{name} is missing"), f"{name} is missing")
    return given


def _is_metadata(value: object) -> bool:
    metadata = as_object(value)
    return metadata is not None and all(isinstance(part, dict) for part in metadata.values())


def _text(given: dict[str, Any], name: str, limit: int) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _unprocessable(f"{name.capitalize()} must be text")
    if len(value) > limit:
        raise _unprocessable(f"{name.capitalize()} is too long (maximum is {limit} characters)")
    if name == "name" and not value.strip():
        raise _unprocessable("Name can't be blank")
    return value


def _one_of(what: str, value: object, allowed: tuple[str, ...]) -> str | None:
    if value is None:
        return None
    if value not in allowed:
        raise _unprocessable(f"{what} is not one of {', '.join(allowed)}")
    return cast("str", value)


def _number(request: Request, name: str, default: int) -> int:
    return whole_number(request.query_params.get(name, "")) or default


def _unprocessable(message: str) -> Rejection:
    return Rejection(_message(422, message), message)


def _message(status: int, message: str) -> JSONResponse:
    return JSONResponse({"message": message}, status)


METHODS = frozenset(
    {
        "create_incident",
        "update_incident",
        "get_incident",
        "list_incidents",
        "list_unresolved",
        "list_components",
        "count_subscribers",
        "get_post_mortem",
        *POST_MORTEM_WRITES,
    }
)
API = SimulatedApi(
    "statuspage",
    lambda world, key: StatuspageApi(world, key).app(),
    FaultPoints(METHODS, ignorable=frozenset({"draft_post_mortem", "publish_post_mortem"})),
    new_secret=lambda: secrets.token_hex(32),
    options=lambda scenario: {"page": scenario.statuspage.page},
)

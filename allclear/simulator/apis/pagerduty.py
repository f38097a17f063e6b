"""PagerDuty's Events API v2: `POST /v2/enqueue`.

*Source:* PagerDuty/api-schema `reference/events-v2/openapiv3.json` (August 2026) for bodies and
answers; developer.pagerduty.com, "Send an event", for the wording of a refused event, the 512 KB
limit, summaries of up to 1,024 and keys of up to 255 characters (November 2026). That a too large
event is answered 413, and a too long summary 400, is from memory.
"""

from __future__ import annotations

import secrets
from typing import Any, cast
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, as_object, parse_json, read_body
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.pagerduty_pages import EventAction
from allclear.simulator.world import World

MAX_EVENT = 512 * 1024
"""Bytes of one event."""
MAX_DEDUP_KEY, MAX_SUMMARY = 255, 1024
_ROUTING_KEY_LENGTH = 32
_SEVERITIES = ("critical", "error", "warning", "info")
_ACTIONS = ("trigger", "acknowledge", "resolve")


class PagerDutyApi(HttpApi):
    """Takes events with the one routing key that it knows."""

    name = "pagerduty"
    writes = frozenset({"enqueue"})

    def __init__(self, world: World, routing_key: str) -> None:
        super().__init__(world)
        self._routing_key = routing_key

    def app(self) -> Starlette:
        """Return the Events API as an ASGI application."""
        return Starlette(routes=[Route("/v2/enqueue", self._enqueue, methods=["POST"])])

    def refusal(self, fault: Fault) -> Response:
        """PagerDuty's answers when it will not take an event."""
        if fault.kind == "rate_limited":
            return _error(429, "throttle exceeded", "Requests for this service are too frequent.")
        if fault.kind == "permission_denied":
            return _error(400, "invalid event", "Event object is invalid", "Invalid routing key")
        status = 500 if fault.kind == "server_error" else 503
        return _error(status, "Internal Server Error", "The event could not be processed.")

    async def _enqueue(self, request: Request) -> Response:
        return await self.answer("enqueue", request, self._take_event)

    async def _take_event(self, request: Request, call: Call) -> Response:
        body = await read_body(request)
        if len(body) > MAX_EVENT:
            too_large = _error(413, "invalid event", "Event object is too large")
            raise Rejection(too_large, "the event is above 512 KB")
        event = _parse(body)
        problems = _problems(event, self._routing_key)
        call.facts.update(action=event.get("event_action"), dedup_key=event.get("dedup_key"))
        if problems:
            invalid = _error(400, "invalid event", "Event object is invalid", *problems)
            raise Rejection(invalid, "; ".join(problems))
        key = str(event.get("dedup_key") or uuid4().hex)
        payload = as_object(event.get("payload")) or {}
        action = cast("EventAction", event["event_action"])
        page = self.world.pagerduty.event(action, key, payload)
        if page is not None and action == "trigger":
            page.links = cast("list[dict[str, str]]", event.get("links") or [])
            page.client, page.client_url = str(event.get("client") or ""), str(event.get("client_url") or "")
        call.facts.update(dedup_key=key, summary=payload.get("summary"))
        done = {"status": "success", "message": "Event processed", "dedup_key": key}
        return JSONResponse(done, 202)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        event = as_object(parse_json(body))
    except ValueError:
        event = None
    if event is None:
        unknown = "Event object format is unrecognized"
        raise Rejection(_error(400, "Unrecognized object", unknown, "JSON parse error"), unknown)
    return event


def _problems(event: dict[str, Any], routing_key: str) -> list[str]:
    problems: list[str] = []
    key, dedup = event.get("routing_key"), event.get("dedup_key")
    if not isinstance(key, str) or not key:
        problems.append("'routing_key' is missing or blank")
    elif len(key) != _ROUTING_KEY_LENGTH:
        problems.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    elif key != routing_key:
        problems.append("Invalid routing key")
    action = event.get("event_action")
    if action not in _ACTIONS:
        problems.append("'event_action' is invalid (must be one of trigger, acknowledge, resolve)")
    if dedup is not None and (not isinstance(dedup, str) or len(dedup) > MAX_DEDUP_KEY):
        problems.append(f"'dedup_key' is invalid (at most {MAX_DEDUP_KEY} characters)")
    if action in ("acknowledge", "resolve") and not dedup:
        problems.append("'dedup_key' is missing or blank")
    if action == "trigger":
        problems += _payload_problems(event.get("payload"))
        problems += _link_problems(event.get("links"))
    return problems


def _link_problems(value: object) -> list[str]:
    links = cast("list[Any]", value) if isinstance(value, list) else [] if value is None else [None]
    good = all((link := as_object(one)) and isinstance(link.get("href"), str) and link["href"] for one in links)
    return [] if good else ["'links' must be objects with an 'href'"]


def _payload_problems(value: object) -> list[str]:
    payload = as_object(value)
    if payload is None:
        return ["'payload' is missing or blank"]
    problems = [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not isinstance(payload.get(name), str) or not payload[name].strip()
    ]
    if not problems and payload["severity"] not in _SEVERITIES:
        problems.append("'payload.severity' is invalid (must be one of critical, error, warning, info)")
    if not problems and len(payload["summary"]) > MAX_SUMMARY:
        problems.append(f"'payload.summary' is too long (at most {MAX_SUMMARY} characters)")
    details = payload.get("custom_details")
    if details is not None and not isinstance(details, dict):
        problems.append("'payload.custom_details' must be an object")
    return problems


def _error(status: int, short: str, message: str, *errors: str) -> JSONResponse:
    body: dict[str, Any] = {"status": short, "message": message}
    return JSONResponse(body | ({"errors": list(errors)} if errors else {}), status)


API = SimulatedApi(
    "pagerduty",
    lambda world, key: PagerDutyApi(world, key).app(),
    FaultPoints(frozenset({"enqueue"})),
    new_secret=lambda: secrets.token_hex(16),
)

"""The route to which Twilio posts the key that a person presses in one of our calls.

*Source:* Twilio's "Gather" and "Validating requests", 2026-11: a form with `CallSid`, `To` and `Digits`, signed over
the whole address. The signature has no time, so a key counts only for a call of the last minutes, and once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from fastapi import APIRouter, HTTPException, Request, Response

from allclear.bootstrap import Engine
from allclear.commands.roles import Acknowledge
from allclear.domain.act import Act
from allclear.domain.errors import AllclearError, ConfigError
from allclear.domain.incident import Incident
from allclear.domain.notify.delivery import from_command_line
from allclear.domain.plan import Person
from allclear.domain.plan.people import ON_CALL
from allclear.domain.plan.phone_numbers import e164
from allclear.domain.proof import Proof
from allclear.domain.records import By
from allclear.domain.requests import pressed_key
from allclear.responder.limits import Limits
from allclear.responder.routes.lazy_route import LateRoute
from allclear.responder.routes.problems import UNAVAILABLE, problem
from allclear.vendors.twilio import KEYS_PATH, SIGNATURE, Twilio, is_signed, signing_token

log = logging.getLogger("allclear.responder")

FRESH = timedelta(minutes=10)
"""How long after it was placed a key counts in a call. A call lasts a minute or two."""
_YES = "1"
_REJECTIONS = (
    problem(401, "The signature is missing or wrong.")
    | problem(403, "Requests of Twilio cannot be verified: no auth token, or no address of the responder.")
    | UNAVAILABLE
)
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {}}}}


@dataclass(frozen=True)
class PhoneServices:
    """What the route needs."""

    engine: Engine
    limits: Limits
    run: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Awaitable[Any]]
    """Runs work on the loop of the background workers."""
    written: Callable[[], None]
    """Called after something was written, so that the background workers go on at once."""


@dataclass(frozen=True)
class Pressed:
    """A key that was pressed in a call."""

    call: str
    number: str
    digits: str
    incident: str
    message: str
    heard_only: bool
    """Whether the key only shows that a person has heard the call, and acknowledges nothing."""


def phone_routes(services: PhoneServices) -> APIRouter:
    """Return the route for the keys that people press in calls."""
    router = APIRouter(route_class=LateRoute, tags=["phone"], responses=_REJECTIONS)

    @router.post(
        KEYS_PATH,
        summary="Receive a key that was pressed in a call",
        openapi_extra=_BODY,
        response_class=Response,
        response_description="What the call says next, as TwiML.",
    )
    async def keys(request: Request) -> Response:
        """Take the key that a person pressed. 1 acknowledges the incident, as the person whose number was called."""
        fields, address = await _signed_fields(services, request)
        query = request.query_params
        pressed = Pressed(
            fields.get("CallSid", ""),
            e164(fields.get("To", "")),
            fields.get("Digits", ""),
            query.get("incident", ""),
            query.get("message", ""),
            query.get("heard") == "only",
        )
        return Response(await _answer(services, pressed, address), media_type="text/xml")

    return router


async def _signed_fields(services: PhoneServices, request: Request) -> tuple[dict[str, str], str]:
    """Return the fields of a form that Twilio signed, and the address that it posted to. Raises HTTPException."""
    engine = services.engine
    query = f"?{request.url.query}" if request.url.query else ""
    address, token = engine.links.from_outside(f"{KEYS_PATH}{query}"), _token(engine)
    if not token or not address:
        raise HTTPException(
            403,
            "Requests of Twilio cannot be verified: set ALLCLEAR_PAGE_URL, and name the auth token in systems.yaml.",
        )
    with services.limits.admit() as admitted:
        body = await admitted.read(request)
    signatures = request.headers.getlist(SIGNATURE)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True)
    except ValueError:
        fields = []
    if len(signatures) != 1 or len({name for name, _ in fields}) != len(fields):
        raise HTTPException(401, "Twilio's signature is missing or wrong.")
    if not is_signed(token, address, dict(fields), signatures[0]):
        raise HTTPException(401, "Twilio's signature is missing or wrong.")
    return dict(fields), address


def _token(engine: Engine) -> str:
    try:
        return signing_token(engine.context.access(Twilio.system))
    except ConfigError:
        return ""


async def _answer(services: PhoneServices, pressed: Pressed, address: str) -> str:
    """Do what the key asks for, and return what the call says about it."""
    if pressed.digits != _YES:
        return _ask_again(address)
    engine = services.engine
    named = engine.company.plan.people_at("phone", pressed.number)
    if len(named) != 1:
        log.warning(
            "A key was pressed in a call to a number of %d people of the plan; it acknowledges nothing", len(named)
        )
        whose = "more than one person" if named else "no one"
        return _end(
            f"Nothing is acknowledged: the plan gives this number to {whose}. Acknowledge on the incident's page."
        )
    request = pressed_key(pressed.call, pressed.number)
    if not pressed.incident:
        engine.journal.claim_request(request)
        return _end("Thank you. This test call has arrived.")
    try:
        return _end(await _take(services, pressed, _author(engine, named[0], request)))
    except AllclearError as error:
        return _end(f"Nothing is acknowledged. {error}")


async def _take(services: PhoneServices, pressed: Pressed, by: By) -> str:
    """Do what the key of a call about an incident asks for, and return what was done. Raises AllclearError."""
    engine = services.engine
    if not _is_fresh(engine, pressed):
        return "Nothing is acknowledged: this call is not one of the last minutes. Open the incident's page."
    if pressed.heard_only:
        engine.journal.claim_request(by.request)
        return "Thank you. It is recorded that you have heard this."
    sentence = await services.run(lambda: Acknowledge().carry_out(engine, pressed.incident, by))
    services.written()
    return f"Thank you. {sentence}"


def _is_fresh(engine: Engine, pressed: Pressed) -> bool:
    """Return whether the incident has called this number with this message in the last minutes. Raises NotFound."""
    incident: Incident = engine.conductor.incident(pressed.incident)
    resource = f"call:{pressed.message}"
    since = engine.clock() - FRESH
    return any(
        act.intended_at is not None and act.intended_at >= since and pressed.number in _called(act)
        for act in incident.acts.values()
        if act.proposed.resource == resource
    )


def _called(act: Act) -> list[str]:
    people = cast("list[object] | None", from_command_line(act.proposed.params.get("people")))
    return [e164(str(one)) for one in people or []]


def _author(engine: Engine, person: Person, request: str) -> By:
    role = ON_CALL if ON_CALL in person.roles else person.roles[0]
    by = engine.people.who(person.name, role, "phone", Proof.PHONE)
    return by.model_copy(update={"request": request})


def _end(sentence: str) -> str:
    return f"<Response><Say>{escape(sentence)}</Say><Hangup/></Response>"


def _ask_again(address: str) -> str:
    gather = f'<Gather numDigits="1" timeout="10" method="POST" action={quoteattr(address)}>'
    return f"<Response>{gather}<Say>Only 1 acknowledges. Press 1.</Say></Gather><Hangup/></Response>"

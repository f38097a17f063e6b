"""The routes to which Slack sends presses, forms and commands, each signed with the app's signing secret.

*Source:* docs.slack.dev/authentication/verifying-requests-from-slack (2026-11): `v0=` HMAC-SHA256 over the time and the
body, at most five minutes old. Slack waits three seconds for the answer, so the work begins after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Request, Response

from allclear.responder import strict_json
from allclear.responder.limits import Limits
from allclear.responder.routes.lazy_route import LateRoute
from allclear.responder.routes.problems import UNAVAILABLE, problem
from allclear.responder.slack.payloads import Received, read_command, read_interaction

_SIGNATURE, _TIMESTAMP = "x-slack-signature", "x-slack-request-timestamp"
_REJECTIONS = (
    problem(400, "It is nothing that Slack sends.")
    | problem(401, "The signature is missing, wrong, or older than five minutes.")
    | problem(403, "systems.yaml names no signing secret for Slack.")
    | UNAVAILABLE
)
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {}}}}


@dataclass(frozen=True)
class SlackServices:
    """What the routes of Slack need."""

    signing_secret: Callable[[], str]
    limits: Limits
    start: Callable[[Received], None]
    """Begins the work on what was received, from any thread."""


def slack_routes(services: SlackServices) -> APIRouter:
    """Return the routes for what people do in Slack."""
    router = APIRouter(route_class=LateRoute, tags=["slack"], responses=_REJECTIONS)

    @router.post(
        "/slack/interactions",
        summary="Hear a press or a form in Slack",
        openapi_extra=_BODY,
        response_description="It arrived.",
    )
    async def interactions(request: Request) -> Response:
        """Take a pressed button or a form that was sent. The empty answer says that it arrived."""
        fields = await _signed_fields(services, request)
        try:
            received = read_interaction(strict_json.decode(fields.get("payload", "").encode()))
        except ValueError as error:
            raise HTTPException(400, f"The payload cannot be read: {error}.") from error
        if received is not None:
            services.start(received)
        return Response()

    @router.post(
        "/slack/commands", summary="Hear a command in Slack", openapi_extra=_BODY, response_description="It arrived."
    )
    async def commands(request: Request) -> Response:
        """Take what a person typed after `/incident`. The empty answer says that it arrived."""
        fields = await _signed_fields(services, request)
        if fields.get("ssl_check") == "1":  # Slack tests the certificate
            return Response()
        try:
            services.start(read_command(fields))
        except ValueError as error:
            raise HTTPException(400, f"The command cannot be read: {error}.") from error
        return Response()

    return router


async def _signed_fields(services: SlackServices, request: Request) -> dict[str, str]:
    """Return the fields of a form that Slack signed. Raises HTTPException for one that Slack did not sign."""
    secret = services.signing_secret()
    if not secret:
        raise HTTPException(
            403, "Slack is not heard: name its signing secret in systems.yaml, under slack: secrets: signing_secret."
        )
    with services.limits.admit() as admitted:
        body = await admitted.read(request)
    if not _is_signed(secret, body, request):
        raise HTTPException(401, "Slack's signature is missing, wrong, or older than five minutes.")
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def _is_signed(secret: str, body: bytes, request: Request) -> bool:
    from slack_sdk.signature import SignatureVerifier  # noqa: PLC0415 - its import takes a while

    headers = {name: request.headers.getlist(name) for name in (_SIGNATURE, _TIMESTAMP)}
    if any(len(values) != 1 for values in headers.values()):
        return False
    try:
        return SignatureVerifier(secret).is_valid_request(body, {name: one for name, (one,) in headers.items()})
    except (TypeError, ValueError, OverflowError):  # a time that is no number or too long, a body that is no text
        return False

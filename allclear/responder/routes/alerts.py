"""The routes of alerts: one takes them in, the others show and retry deliveries.

`POST /alerts/{source}` authenticates the raw bytes, stores body and headers in the inbox, and answers 202; only then is
the body read. The one check of the body before that is for strict JSON (400). If the alert cannot be stored now, the
answer is 503, after which senders retry; it is never 429, after which they drop the alert.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from allclear.domain.plan import Plan
from allclear.journal.ports import Journal
from allclear.journal.rows import NewDelivery
from allclear.responder.authentication import AlertAuthenticator
from allclear.responder.callers import Callers
from allclear.responder.deliveries import body_rejection, is_sent_once, retry_delivery, stored_parts
from allclear.responder.limits import Limits
from allclear.responder.routes.lazy_route import LateRoute
from allclear.responder.routes.models import (
    AlertAccepted,
    DeliveryView,
)
from allclear.responder.routes.problems import FORBIDDEN, INVALID, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE, problem
from allclear.responder.routes.views import DeliveryState, list_deliveries, show_delivery
from allclear.responder.scrubber import Scrubber
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.responder.workers.inbox_writer import InboxWriter

log = logging.getLogger("allclear.responder")


_REJECTIONS = (
    problem(400, "The body is nested too deeply, repeats a key, or contains NaN or Infinity.")
    | problem(401, "The sender is not authenticated: the signature, secret or token is wrong.")
    | problem(403, "systems.yaml names no secret for the source, or its variable is not set.")
    | problem(404, "No such source is installed; the answer lists those that are.")
    | problem(413, "The body is larger than a mebibyte.")
    | UNAVAILABLE
)
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "description": "The alert, as its source sends it.", "content": {"*/*": {}}}
}
_UNAUTHORIZED = 401
_SourceName = Annotated[str, Path(description="The source of the alert, as `grafana`.")]
_DeliveryId = Annotated[str, Path(description="The `id` that was returned when the alert was accepted.")]


@dataclass(frozen=True)
class IntakeServices:
    """The parts of the responder that take alerts in."""

    authenticator: AlertAuthenticator
    limits: Limits
    writer: InboxWriter
    arrived: Callable[[], None]
    """Called when a new delivery is in the inbox."""
    scrubber: Scrubber
    """Removes the company's secrets from what is stored."""


def intake_routes(intake: IntakeServices) -> APIRouter:
    """Return the routes through which alerts come in; each source has its own authentication."""
    router = APIRouter(route_class=LateRoute, tags=["alerts"])

    @router.post("/alerts/{source}/", status_code=202, include_in_schema=False)
    @router.post(
        "/alerts/{source}",
        status_code=202,
        summary="Take in an alert",
        responses=_REJECTIONS,
        openapi_extra=_BODY,
        response_description="The alert is stored durably and will be read next.",
    )
    async def receive(source: _SourceName, request: Request) -> AlertAccepted:
        """Store what a monitoring system sends, and answer before it is read.

        Each source authenticates in its own way (a signature, a token, a password):
        docs/reference/alert-sources.md. `GET /alerts/{id}` shows the result.
        """
        _require_installed(source)
        return await _accept(intake, source, request)

    @router.options("/alerts/{source}/", include_in_schema=False)
    @router.options(
        "/alerts/{source}",
        summary="Answer a source's handshake",
        response_class=Response,
        response_description="The source may send; the headers of its protocol say so.",
        responses=problem(404, "No such source is installed.")
        | {405: {"description": "The source is not configured, has no handshake, or its request is invalid."}},
    )
    async def handshake(source: _SourceName, request: Request) -> Response:
        """Answer whether a sender may send, if its protocol asks before the first alert, as CloudEvents does."""
        _require_installed(source)
        configured = intake.authenticator.credentials(source) is not None
        headers = SOURCES[source].handshake(_raw_request(request, b"")) if configured else {}
        return Response(status_code=200 if headers else 405, headers=headers or {"Allow": "POST"})

    return router


def alert_routes(journal: Journal, plan: Plan, arrived: Callable[[], None], callers: Callers) -> APIRouter:
    """Return the routes that show and retry deliveries; `arrived` wakes the inbox worker."""
    router = APIRouter(
        route_class=LateRoute,
        dependencies=[Depends(callers.guard)],
        responses=UNAUTHORIZED | UNAVAILABLE,
        tags=["alerts"],
    )

    @router.get(
        "/alerts",
        summary="List the deliveries",
        responses=INVALID,
        response_description="The deliveries, the newest first.",
    )
    async def alerts(
        state: Annotated[DeliveryState | None, Query(description="Only deliveries in this state.")] = None,
        source: Annotated[str | None, Query(description="Only deliveries of this source.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="The largest number of deliveries.")] = 100,
    ) -> list[DeliveryView]:
        """List the requests of monitoring systems, with the decision about each alert and its reason."""
        return await asyncio.to_thread(list_deliveries, journal, plan, state, source, limit)

    @router.get(
        "/alerts/{delivery}",
        summary="Show one delivery",
        responses=NOT_FOUND,
        response_description="The delivery with all its alerts.",
    )
    async def alert(delivery: _DeliveryId) -> DeliveryView:
        """Show one request of a monitoring system, with the decision about each alert and its reason.

        Its state is `new` until it is read, which takes a moment.
        """
        return await asyncio.to_thread(show_delivery, journal, plan, delivery)

    @router.post(
        "/alerts/{delivery}/retry",
        status_code=202,
        summary="Retry a delivery",
        responses=FORBIDDEN | NOT_FOUND | problem(409, "The delivery is neither quarantined nor ignored."),
        response_description="The delivery is `new` again and will be read next.",
    )
    async def retry(request: Request, delivery: _DeliveryId) -> AlertAccepted:
        """Read a quarantined or ignored delivery again, for example after an update or with a new route."""
        await callers.is_no_program(request)
        await asyncio.to_thread(retry_delivery, journal, delivery)
        arrived()
        return AlertAccepted(id=delivery)

    return router


def _require_installed(source: str) -> None:
    if source not in SOURCES:
        raise HTTPException(404, f"No source is called {source!r}. There are: {', '.join(SOURCES)}.")


async def _accept(intake: IntakeServices, source: str, request: Request) -> AlertAccepted:
    """Authenticate a request and store it. Raises HTTPException for a rejection, or if it cannot be stored now."""
    with intake.limits.admit() as admitted:
        raw = _raw_request(request, await admitted.read(request))
        result = intake.authenticator.authenticate(source, raw)
        if result.level is None:
            challenge = {"WWW-Authenticate": "Bearer"} if result.status == _UNAUTHORIZED else None
            raise HTTPException(result.status, result.reason, challenge)
        # In a thread: a large body that looks encoded throughout takes most of a second, and other senders wait for us.
        if rejected := body_rejection(SOURCES[source], raw):
            rejected = await asyncio.to_thread(intake.scrubber.text, rejected)
            log.warning("Rejecting an alert from %s; nothing of it is stored. %s", source, rejected)
            raise HTTPException(400, rejected)
        parts = await asyncio.to_thread(stored_parts, SOURCES[source], raw, result.level, intake.scrubber)
        stored = NewDelivery(source, *parts, once=is_sent_once(SOURCES[source], raw))
        delivery, is_new = await intake.limits.in_time(intake.writer.write(stored))
    if is_new:
        intake.arrived()
    return AlertAccepted(id=delivery)


def _raw_request(request: Request, body: bytes) -> RawRequest:
    pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    return RawRequest(body, pairs, request.url.query)

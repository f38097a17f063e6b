"""The doors for alerts: in, and what became of them.

`POST /alerts/{source}` authenticates over the raw bytes as that source does it, keeps body and headers in the inbox,
answers 202, and only then is anything looked at. Before that a body is refused alone that two readers may understand
differently, or that is made to exhaust them: 400. What cannot be kept is answered 503, which senders repeat; never 429,
which they drop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from allclear.journal.ports import Journal, NewDelivery
from allclear.responder.authentication import AlertAuthenticator
from allclear.responder.deliveries import refusal, to_keep
from allclear.responder.limits import Limits
from allclear.responder.redelivery import retry_delivery
from allclear.responder.routes.auth import Guard
from allclear.responder.routes.models import BUSY, NO_TOKEN, NOT_FOUND, UNFIT, AlertShown, Problem, Responses, TakenIn
from allclear.responder.routes.views import DeliveryState, shown, shown_in_list
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.responder.workers.inbox_writer import InboxWriter

log = logging.getLogger("allclear.responder")

_REFUSALS: Responses = {
    400: {"model": Problem, "description": "The body is nested too deep, has a key twice, or says NaN or Infinity."},
    401: {"model": Problem, "description": "The request does not prove who sends it: the secret or token is another."},
    403: {"model": Problem, "description": "systems.yaml names no secret for the source, or its variable is not set."},
    404: {"model": Problem, "description": "No source has that name; those there are, are told."},
    413: {"model": Problem, "description": "The body is over a mebibyte."},
} | BUSY
_SETTLED: Responses = {409: {"model": Problem, "description": "It has become something already: it stays that."}}
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "description": "The alert, as its source sends it.", "content": {"*/*": {}}}
}
_UNAUTHORIZED = 401
_SourceName = Annotated[str, Path(description="The source of the alert, as `grafana`.")]
_DeliveryId = Annotated[str, Path(description="The `id` that was answered when it came in.")]


@dataclass(frozen=True)
class Hearing:
    """What it takes to let alerts in."""

    authenticator: AlertAuthenticator
    limits: Limits
    writer: InboxWriter
    news: Callable[[], None]
    """Called whenever something new is in the inbox."""


def hearing_doors(hears: Hearing) -> APIRouter:
    """Return the doors through which alerts come in; each source has its own proof."""
    router = APIRouter(tags=["alerts"])

    @router.post(
        "/alerts/{source}",
        status_code=202,
        summary="Take an alert in",
        responses=_REFUSALS,
        openapi_extra=_BODY,
        response_description="It is kept durably, and looked at from now on.",
    )
    async def receive(source: _SourceName, request: Request) -> TakenIn:
        """Keep what a monitoring system sends, and answers before it is looked at.

        Each source authenticates in its own way (a signature, a token, a password):
        docs/reference/alert-sources.md. `GET /alerts/{id}` shows what became of it.
        """
        if source not in SOURCES:
            raise HTTPException(404, f"No source is called {source!r}. There are: {', '.join(SOURCES)}.")
        with hears.limits.room() as room:
            raw = _raw(request, await room.read(request))
            proof = hears.authenticator.authenticate(source, raw)
            if proof.level is None:
                challenge = {"WWW-Authenticate": "Bearer"} if proof.status == _UNAUTHORIZED else None
                raise HTTPException(proof.status, proof.reason, challenge)
            if refused := refusal(SOURCES[source], raw):
                log.warning("An alert from %s was refused: %s", source, refused)
                raise HTTPException(400, refused)
            received = NewDelivery(source, *to_keep(SOURCES[source], raw, proof.level))
            delivery, work_to_do = await hears.limits.in_time(hears.writer.write(received))
        if work_to_do:
            hears.news()
        return TakenIn(id=delivery)

    @router.options(
        "/alerts/{source}",
        summary="Answer a source's handshake",
        response_class=Response,
        response_description="The source may send; the headers of its protocol say so.",
        responses={
            404: {"model": Problem, "description": "No source of that name is installed."},
            405: {"description": "The source is not configured, has no handshake, or did not ask properly."},
        },
    )
    async def handshake(source: _SourceName, request: Request) -> Response:
        """Tell a sender that asks before its first alert, as producers of CloudEvents do, whether it may send."""
        if source not in SOURCES:
            raise HTTPException(404, f"No source is called {source!r}. There are: {', '.join(SOURCES)}.")
        configured = hears.authenticator.credentials(source) is not None
        headers = SOURCES[source].handshake(_raw(request, b"")) if configured else {}
        return Response(status_code=200 if headers else 405, headers=headers or {"Allow": "POST"})

    return router


def alert_doors(journal: Journal, news: Callable[[], None], guard: Guard) -> APIRouter:
    """Return the doors that show what became of alerts."""
    router = APIRouter(dependencies=[Depends(guard)], responses=NO_TOKEN | BUSY, tags=["alerts"])

    @router.get(
        "/alerts", summary="List what came in", responses=UNFIT, response_description="The requests, newest first."
    )
    async def alerts(
        state: Annotated[DeliveryState | None, Query(description="Only those of which this became.")] = None,
        source: Annotated[str | None, Query(description="Only those of this source.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
    ) -> list[AlertShown]:
        """List the requests of monitoring systems, and what became of each alert in them, by which rule."""
        return await asyncio.to_thread(shown_in_list, journal, state, source, limit)

    @router.get(
        "/alerts/{delivery}",
        summary="Show what became of one",
        responses=NOT_FOUND,
        response_description="The request, and each alert in it.",
    )
    async def alert(delivery: _DeliveryId) -> AlertShown:
        """Show one request of a monitoring system, what became of each alert in it, and why.

        Its state is `new` until it is looked at, which takes a moment.
        """
        return await asyncio.to_thread(shown, journal, delivery)

    @router.post(
        "/alerts/{delivery}/retry",
        status_code=202,
        summary="Have one looked at again",
        responses=NOT_FOUND | _SETTLED,
        response_description="It is `new` again, and looked at from now on.",
    )
    async def retry(delivery: _DeliveryId) -> TakenIn:
        """Has a request looked at once more that was quarantined or ignored: after an update, or with a new route."""
        await asyncio.to_thread(retry_delivery, journal, delivery)
        news()
        return TakenIn(id=delivery)

    return router


def _raw(request: Request, body: bytes) -> RawRequest:
    pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    return RawRequest(body, pairs, request.url.query)

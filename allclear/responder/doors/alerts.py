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
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from allclear.journal.port import Journal, Received
from allclear.responder.again import look_again
from allclear.responder.doors.answers import BUSY, NO_TOKEN, NOT_FOUND, AlertShown, Problem, Responses, TakenIn
from allclear.responder.doors.shown import DeliveryState, shown, shown_in_list
from allclear.responder.doors.token import Guard
from allclear.responder.gate import Gate
from allclear.responder.inbox import refusal, to_keep
from allclear.responder.keeper import Keeper
from allclear.responder.limits import Limits
from allclear.responder.sources import SOURCES
from allclear.responder.sources.cloud_events import welcome
from allclear.responder.sources.request import RawRequest

log = logging.getLogger("allclear.responder")

_REFUSALS: Responses = {
    400: {"model": Problem, "description": "The body is nested too deep, has a key twice, or says NaN or Infinity."},
    401: {"model": Problem, "description": "The request does not prove who sends it."},
    403: {"model": Problem, "description": "The source is not configured, or has no secret."},
    404: {"model": Problem, "description": "No source has that name; those there are, are told."},
    413: {"model": Problem, "description": "The body is over a mebibyte."},
} | BUSY
_SETTLED: Responses = {409: {"model": Problem, "description": "Something became of it already."}}
_UNAUTHORIZED = 401


@dataclass(frozen=True)
class Hearing:
    """What it takes to let alerts in."""

    world: str
    """Whose they are."""
    gate: Gate
    limits: Limits
    keeper: Keeper
    news: Callable[[], None]
    """Called whenever something new is in the inbox."""


def hearing_doors(hears: Hearing) -> APIRouter:
    """Returns the doors through which alerts come in; each source has its own proof."""
    router = APIRouter(tags=["alerts"])

    @router.post("/alerts/{source}", status_code=202, responses=_REFUSALS)
    async def receive(source: str, request: Request) -> TakenIn:
        """Keeps an alert and answers; what becomes of it is at GET /alerts/{id}."""
        if source not in SOURCES:
            raise HTTPException(404, f"No source is called {source!r}. There are: {', '.join(SOURCES)}.")
        with hears.limits.room() as room:
            raw = _raw(request, await room.read(request))
            proof = hears.gate.admit(source, raw)
            if proof.level is None:
                challenge = {"WWW-Authenticate": "Bearer"} if proof.status == _UNAUTHORIZED else None
                raise HTTPException(proof.status, proof.why, challenge)
            if refused := refusal(SOURCES[source], raw):
                log.warning("An alert from %s was refused: %s", source, refused)
                raise HTTPException(400, refused)
            received = Received(hears.world, source, *to_keep(SOURCES[source], raw, proof.level))
            delivery, work_to_do = await hears.limits.in_time(hears.keeper.keep(received))
        if work_to_do:
            hears.news()
        return TakenIn(id=delivery)

    @router.options(
        "/alerts/cloudevents", responses={405: {"description": "The source cloudevents is not configured."}}
    )
    async def handshake(request: Request) -> Response:
        """Tells a producer of CloudEvents whether it may send."""
        allowed = welcome(_raw(request, b"")) if hears.gate.keys("cloudevents") else {}
        return Response(status_code=200 if allowed else 405, headers=allowed or {"Allow": "POST"})

    return router


def alert_doors(journal: Journal, world: str, news: Callable[[], None], guard: Guard) -> APIRouter:
    """Returns the doors that show what became of alerts."""
    router = APIRouter(dependencies=[Depends(guard)], responses=NO_TOKEN | BUSY, tags=["alerts"])

    @router.get("/alerts")
    async def alerts(
        state: Annotated[DeliveryState | None, Query(description="Those alone of which this became.")] = None,
        source: Annotated[str | None, Query(description="Those alone of this source.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[AlertShown]:
        """Lists what came in and what became of it, newest first."""
        return await asyncio.to_thread(shown_in_list, journal, world, state, source, limit)

    @router.get("/alerts/{delivery}", responses=NOT_FOUND)
    async def alert(delivery: str) -> AlertShown:
        """Shows one request of a monitoring system, and what became of it."""
        return await asyncio.to_thread(shown, journal, world, delivery)

    @router.post("/alerts/{delivery}/retry", status_code=202, responses=NOT_FOUND | _SETTLED)
    async def retry(delivery: str) -> TakenIn:
        """Has it looked at once more: what was quarantined or ignored."""
        await asyncio.to_thread(look_again, journal, world, delivery)
        news()
        return TakenIn(id=delivery)

    return router


def _raw(request: Request, body: bytes) -> RawRequest:
    pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    return RawRequest(body, pairs, request.url.query)

"""The doors for whoever watches the responder itself."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Response

from allclear.bootstrap import Engine
from allclear.responder.limits import RETRY_AFTER
from allclear.responder.metrics import CONTENT_TYPE, Metrics
from allclear.responder.readiness import Ready
from allclear.responder.routes.auth import Guard
from allclear.responder.routes.models import NO_TOKEN, Health, Readiness


def health_doors(engine: Engine, ready: Ready, metrics: Metrics, guard: Guard) -> APIRouter:
    """Return the doors; `guard` stands before the figures alone."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Is the process up?", response_description="It is.")
    async def healthz() -> Health:
        """Record that the process is up, and for whom. For what starts it again when it is not."""
        return Health(status="ok", company=engine.company.name, simulated=engine.settings.simulated is not None)

    @router.get(
        "/readyz",
        summary="Can it do its work?",
        response_description="It can.",
        responses={503: {"model": Readiness, "description": "It cannot: `troubles` has a sentence for each reason."}},
    )
    async def readyz(response: Response) -> Readiness:
        """Return whether the journal can be written and every loop has made a round lately. Page somebody if not."""
        troubles = await ready.troubles()
        if troubles:
            response.status_code = 503
            response.headers.update(RETRY_AFTER)
        return Readiness(status="not ready" if troubles else "ready", troubles=troubles)

    @router.get(
        "/metrics",
        dependencies=[Depends(guard)],
        response_class=Response,
        summary="The figures for Prometheus",
        responses=NO_TOKEN | {200: {"content": {"text/plain": {}}, "description": "As Prometheus reads it."}},
    )
    async def figures() -> Response:
        """Return what Prometheus scrapes: open to this machine, with the token to everybody else.

        docs/reference/alert-sources.md says what each figure is, and which to alert on.
        """
        return Response(await asyncio.to_thread(metrics.text), media_type=CONTENT_TYPE)

    return router

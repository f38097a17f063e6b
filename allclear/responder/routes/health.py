"""The routes that monitor the responder itself."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Response

from allclear.bootstrap import Engine
from allclear.responder.callers import Guard
from allclear.responder.limits import RETRY_AFTER
from allclear.responder.metrics import CONTENT_TYPE, Metrics
from allclear.responder.readiness import ReadinessCheck
from allclear.responder.routes.lazy_route import LateRoute
from allclear.responder.routes.models import Health, Readiness
from allclear.responder.routes.problems import UNAUTHORIZED


def health_routes(engine: Engine, ready: ReadinessCheck, metrics: Metrics, guard: Guard) -> APIRouter:
    """Return the routes; `guard` protects the metrics only."""
    router = APIRouter(route_class=LateRoute, tags=["health"])

    @router.get("/healthz", summary="Is the process running?", response_description="It is running.")
    async def healthz() -> Health:
        """Return that the process is running, and for which company: for the supervisor that restarts it."""
        return Health(status="ok", company=engine.company.name, simulated=engine.settings.simulated is not None)

    @router.get(
        "/readyz",
        summary="Is the responder ready?",
        response_description="It is ready.",
        responses={503: {"model": Readiness, "description": "It is not ready; `problems` says why."}},
    )
    async def readyz(response: Response) -> Readiness:
        """Return whether the journal is writable, all loops progress and no system is missing. Page a person if not."""
        problems = await ready.problems()
        if problems:
            response.status_code = 503
            response.headers.update(RETRY_AFTER)
        return Readiness(status="not ready" if problems else "ready", problems=problems, warnings=ready.warnings())

    @router.get(
        "/metrics",
        dependencies=[Depends(guard)],
        response_class=Response,
        summary="Metrics for Prometheus",
        responses=UNAUTHORIZED
        | {200: {"content": {"text/plain": {}}, "description": "The metrics in Prometheus's text format."}},
    )
    async def read_metrics() -> Response:
        """Return the metrics. They need the token, unless ALLCLEAR_METRICS_OPEN is set.

        docs/reference/alert-sources.md explains each metric, and names those to alert on.
        """
        return Response(await asyncio.to_thread(metrics.text), media_type=CONTENT_TYPE)

    return router

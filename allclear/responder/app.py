"""The responder's HTTP service: its endpoints (`routes/`) and its background workers (`workers/`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.requests import ClientDisconnect

from allclear import __version__
from allclear.bootstrap import Engine
from allclear.domain.errors import ConfigError, JournalError, NotFound, Refused
from allclear.engine.outbox import OutboxDelivery
from allclear.prefect_api import PrefectApi
from allclear.responder.authentication import make_authenticator
from allclear.responder.limits import RETRY_AFTER, Limits
from allclear.responder.metrics import Counted, Metrics
from allclear.responder.readiness import Ready
from allclear.responder.routes.alerts import Hearing, alert_doors, hearing_doors
from allclear.responder.routes.auth import needs_token, needs_token_from_afar
from allclear.responder.routes.health import health_doors
from allclear.responder.routes.incidents import incident_doors
from allclear.responder.workers.background import BackgroundLoop
from allclear.responder.workers.heartbeat import heartbeat_of
from allclear.responder.workers.inbox_worker import InboxWorker
from allclear.responder.workers.inbox_writer import InboxWriter
from allclear.responder.workers.incident_worker import IncidentWorker
from allclear.responder.workers.outbox_worker import OutboxWorker
from allclear.responder.workers.run_recovery import RunRecovery
from allclear.responder.workers.supervisor import Supervisor
from allclear.responder.workers.timers import Timers

_STUCK = 30.0
"""Seconds without progress after which a loop counts as stuck; each reports progress every few seconds at least."""

_STUCK_OUTSIDE = 180.0
"""The same for loops that wait for an outside system, which may let several calls in a row time out."""


def make_app(engine: Engine, token: SecretStr | None, *, drives: bool = True, limits: Limits | None = None) -> FastAPI:
    """Return the service over `engine`; without `drives` it only hears, and somebody else acts.

    Raises ConfigError without a token: an open door is no door.
    """
    if token is None or not token.get_secret_value():
        raise ConfigError(
            "The responder has no token: anybody could start a response.", "Set ALLCLEAR_ALERT_TOKEN to a long secret."
        )
    prefect = PrefectApi(engine.settings.prefect_api_url, engine.company.name)
    supervisor, background, limits = Supervisor(), BackgroundLoop(), limits or Limits()
    incidents = IncidentWorker(engine)
    timers, inbox = Timers(engine, incidents.wake), InboxWorker(engine, incidents.wake)
    outbox = OutboxWorker(OutboxDelivery(engine.journal, prefect, engine.company))
    metrics, ready = Metrics(engine, supervisor, limits), Ready(engine.journal, supervisor, limits)
    writer = InboxWriter(engine.journal, metrics.append_seconds.observe)
    heartbeat = heartbeat_of(engine.settings, Ready(engine.journal, supervisor, limits))

    def arrived() -> None:
        background.call_soon(inbox.arrived.set)

    async def start() -> None:
        supervisor.start("inbox", inbox.run, stuck_after=_STUCK)
        supervisor.start("outbox", outbox.run, stuck_after=_STUCK_OUTSIDE)
        supervisor.start("run-recovery", RunRecovery(engine, prefect).run, stuck_after=_STUCK_OUTSIDE)
        if drives:
            supervisor.start("approval-timeouts", timers.approval_timeouts, stuck_after=_STUCK)
            supervisor.start("recovery", timers.recovery, stuck_after=_STUCK)
            supervisor.start("reminders", timers.reminders, stuck_after=_STUCK_OUTSIDE)
            supervisor.start("incidents", incidents.run, stuck_after=_STUCK)
        if heartbeat:
            supervisor.start("heartbeat", heartbeat.run, stuck_after=heartbeat.stuck_after)
        inbox.arrived.set()

    async def stop() -> None:
        await supervisor.stop()
        if heartbeat:
            await heartbeat.close()
        await prefect.close()
        await engine.context.close()  # its clients belong to the event loop that used them

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as leaving:
            leaving.callback(writer.close)
            leaving.callback(ready.close)
            await leaving.enter_async_context(background.running())
            leaving.push_async_callback(background.run_last, stop)
            await background.run(start)
            yield

    # No pages of FastAPI's own: they load their scripts from elsewhere.
    app = FastAPI(title="allclear responder", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Counted, metrics=metrics)
    authenticator, guard = make_authenticator(engine.company, engine.context.secret, token), needs_token(token)
    app.include_router(hearing_doors(Hearing(authenticator, limits, writer, arrived)))
    app.include_router(alert_doors(engine.journal, arrived, guard))
    app.include_router(incident_doors(engine, guard))
    app.include_router(health_doors(engine, ready, metrics, needs_token_from_afar(token)))
    _tell_errors(app)
    app.openapi = _described(app.openapi)
    return app


def _described(made: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Leave out of the description that a door without options could refuse them, as FastAPI says of each."""

    def openapi() -> dict[str, Any]:
        described = made()
        for door in (door for path in described["paths"].values() for door in path.values()):
            if all(option["in"] == "path" for option in door.get("parameters", [])):
                door["responses"].pop("422", None)
        return described

    return openapi


def _tell_errors(app: FastAPI) -> None:
    async def journal_away(_request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 503, RETRY_AFTER)

    async def not_there(_request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 404)

    async def not_now(_request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 409)

    async def hung_up(_request: Request, _error: Exception) -> Response:
        return Response(status_code=499)  # nobody hears it; the figures do

    app.add_exception_handler(JournalError, journal_away)
    app.add_exception_handler(NotFound, not_there)
    app.add_exception_handler(Refused, not_now)
    app.add_exception_handler(ClientDisconnect, hung_up)

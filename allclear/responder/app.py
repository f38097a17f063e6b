"""The responder's HTTP service: its endpoints (`routes/`) and its background workers (`workers/`)."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from allclear import __version__
from allclear.bootstrap import Engine
from allclear.domain.errors import ConcurrentWrite, ConfigError, JournalError
from allclear.engine.outbox import OutboxDelivery
from allclear.prefect_api import PrefectApi
from allclear.responder.authentication import make_authenticator
from allclear.responder.callers import Callers, admit_all
from allclear.responder.channels.receiver import ReceiverServices, receivers_of
from allclear.responder.head_as_get import HeadAsGet
from allclear.responder.limits import Limits
from allclear.responder.metrics import Metrics, RequestMetrics
from allclear.responder.pages.changes import Changes
from allclear.responder.pages.identity_proxy import proxy_of
from allclear.responder.pages.routes import PageServices, page_routes
from allclear.responder.pages.sign_in import SignIn
from allclear.responder.readiness import ReadinessCheck
from allclear.responder.routes.alerts import IntakeServices, alert_routes, intake_routes
from allclear.responder.routes.commands import CommandServices, command_routes
from allclear.responder.routes.health import health_routes
from allclear.responder.routes.incidents import incident_routes
from allclear.responder.routes.phone import PhoneServices, phone_routes
from allclear.responder.routes.problems import add_error_handlers, describe_problem
from allclear.responder.routes.reports import report_routes
from allclear.responder.scrubber import Scrubber
from allclear.responder.sources import SOURCES
from allclear.responder.workers.background import BackgroundLoop
from allclear.responder.workers.grouped_pages import GroupedPagesWorker
from allclear.responder.workers.heartbeat import heartbeat_of
from allclear.responder.workers.inbox_worker import InboxWorker
from allclear.responder.workers.inbox_writer import InboxWriter
from allclear.responder.workers.incident_worker import IncidentWorker
from allclear.responder.workers.outbox_worker import OutboxWorker
from allclear.responder.workers.run_recovery import RunRecovery
from allclear.responder.workers.supervisor import Supervisor
from allclear.responder.workers.system_tests import STUCK_AFTER, SystemTests
from allclear.responder.workers.timers import ON_CALL_INTERVAL, Timers

log = logging.getLogger("allclear.responder")

_STUCK = 30.0
"""Seconds without progress after which a loop counts as stuck; each reports progress every few seconds at least."""

_STUCK_OUTSIDE = 180.0
"""The same for loops that wait for an outside system, which may let several calls in a row time out."""


def make_app(engine: Engine, token: SecretStr | None, *, drives: bool = True, limits: Limits | None = None) -> FastAPI:
    """Return the HTTP service over `engine`; without `drives` it takes in alerts and another process acts on them.

    Raises ConfigError without a token.
    """
    if token is None or not token.get_secret_value():
        raise ConfigError(
            "The responder has no token, so every client could start a response.",
            "Set ALLCLEAR_ALERT_TOKEN to a long secret.",
        )
    parts = _Parts(engine, limits or Limits(), drives=drives)
    # FastAPI's own pages are off, because they load scripts from another site.
    # Redirects are off, because they would repeat the query, which may hold a secret, and follow the Host header.
    app = FastAPI(
        title="allclear responder",
        version=__version__,
        lifespan=parts.lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestMetrics, metrics=parts.metrics)
    _add_routes(app, parts, token)
    add_error_handlers(app)
    app.openapi = _described(app.openapi)
    return app


class _Parts:
    """The parts of one responder, and the life of its background workers."""

    def __init__(self, engine: Engine, limits: Limits, *, drives: bool) -> None:
        self.engine = engine
        self.limits = limits
        self._drives = drives
        self._prefect = PrefectApi(engine.settings.prefect_api_url, engine.company.name)
        self._supervisor, self._background = Supervisor(), BackgroundLoop()
        self._incidents = IncidentWorker(engine)
        given = ReceiverServices(engine, limits, self._background.call_soon, self._incidents.wake.set)
        self.receivers = receivers_of(engine.registry.channels, given)
        self._timers = Timers(engine, self._incidents.wake)
        self._inbox = InboxWorker(engine, self._incidents.wake)
        self._outbox = OutboxWorker(OutboxDelivery(engine.journal, self._prefect, engine.company))
        self.metrics = Metrics(engine, self._supervisor, limits)
        self._systems = SystemTests(engine.doctor)
        self.readiness = ReadinessCheck(engine.journal, self._supervisor, limits, self._systems)
        self.writer = InboxWriter(engine.journal, self.metrics.append_seconds.observe)
        self.changes = Changes(engine.journal)
        self._heartbeat = heartbeat_of(
            engine.settings, ReadinessCheck(engine.journal, self._supervisor, limits, self._systems)
        )

    def arrived(self) -> None:
        """Wake the inbox worker, from any thread."""
        self._background.call_soon(self._inbox.arrived.set)

    def written(self) -> None:
        """Wake the workers that act on what was written, from any thread."""
        self._background.call_soon(self._incidents.wake.set)

    async def run(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401 - what the work returns
        """Run work on the loop of the background workers and return its result."""
        return await self._background.run(work) if self._background.is_running else await work()

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncGenerator[None]:
        """Run the background workers while the service runs."""
        async with AsyncExitStack() as exits:
            exits.callback(self.writer.close)
            exits.callback(self.readiness.close)
            await exits.enter_async_context(self._background.running())
            exits.push_async_callback(self._background.run_last, self._stop)
            await self._background.run(self._start)
            yield

    def _end_earlier_simulation(self) -> None:
        """End the incidents of an earlier simulated production; a journal that does not answer stops no start."""
        try:
            self.engine.earlier_simulation.end_incidents()
        except (JournalError, ConcurrentWrite) as error:
            log.warning("Incidents of an earlier simulated production may be open: %s A new start ends them.", error)

    async def _start(self) -> None:
        self._end_earlier_simulation()  # before an alert can join one of its incidents
        start = self._supervisor.start
        start("inbox", self._inbox.run, stuck_after=_STUCK)
        if any(SOURCES[source].reports_pages for source in self.engine.company.systems.alerts if source in SOURCES):
            grouped = GroupedPagesWorker(self.engine.grouped_pages, self._inbox.arrived)
            start("grouped-pages", grouped.run, stuck_after=_STUCK_OUTSIDE)
        start("outbox", self._outbox.run, stuck_after=_STUCK_OUTSIDE)
        start("run-recovery", RunRecovery(self.engine, self._prefect).run, stuck_after=_STUCK_OUTSIDE)
        if self._drives:
            start("approval-timeouts", self._timers.approval_timeouts, stuck_after=_STUCK)
            start("recovery", self._timers.recovery, stuck_after=_STUCK)
            start("reminders", self._timers.reminders, stuck_after=_STUCK_OUTSIDE)
            start("act-watch", self._timers.act_watch, stuck_after=_STUCK_OUTSIDE)
            if self.engine.on_call_watch.needed:
                start("on-call", self._timers.on_call, stuck_after=ON_CALL_INTERVAL + _STUCK_OUTSIDE)
            start("incidents", self._incidents.run, stuck_after=_STUCK)
            for worker in (one for receiver in self.receivers for one in receiver.workers()):
                start(worker.name, worker.run, stuck_after=_STUCK_OUTSIDE)
            if not self.engine.simulated:
                start("system-tests", self._systems.run, stuck_after=STUCK_AFTER)
        if self._heartbeat:
            start("heartbeat", self._heartbeat.run, stuck_after=self._heartbeat.stuck_after)
        self._inbox.arrived.set()

    async def _stop(self) -> None:
        await self._supervisor.stop()
        for receiver in self.receivers:
            await receiver.finish()
        if self._heartbeat:
            await self._heartbeat.close()
        await self._background.end_tasks()
        await self._prefect.close()
        await self.engine.context.close()  # its clients belong to the event loop that used them


def _add_routes(app: FastAPI, parts: _Parts, token: SecretStr) -> None:
    engine, callers = parts.engine, Callers(parts.engine.tokens, token)
    authenticator = make_authenticator(engine.company, engine.context.secret, token)
    heartbeat = engine.settings.heartbeat_url
    own = [token, heartbeat] if heartbeat else [token]
    scrubber = Scrubber([*engine.context.secrets(), *(secret.get_secret_value() for secret in own)])
    intake = IntakeServices(authenticator, parts.limits, parts.writer, parts.arrived, scrubber)
    command_services = CommandServices(engine, callers, Limits(), parts.run, parts.written)
    sign_in = SignIn(engine, proxy_of(engine.settings, engine.company.plan))
    pages = PageServices(engine, sign_in, parts.changes, parts.limits, parts.run, parts.written)
    metrics_guard = admit_all if engine.settings.metrics_open else callers.guard
    routers = (
        intake_routes(intake),
        alert_routes(engine.journal, engine.company.plan, parts.arrived, callers),
        incident_routes(engine, callers),
        command_routes(command_services),
        report_routes(engine, callers),
        phone_routes(PhoneServices(engine, parts.limits, parts.run, parts.written)),
        *(receiver.routes() for receiver in parts.receivers),
        page_routes(pages),
        health_routes(engine, parts.readiness, parts.metrics, metrics_guard),
    )
    # Each router has its own dependencies and responses. `include_router` computes them again at the first request.
    app.router.routes.extend(route for router in routers for route in router.routes)
    app.state.changes = parts.changes


def _described(describe: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Describe the body of a problem, and no 422, which FastAPI describes everywhere, where nothing is validated."""

    def openapi() -> dict[str, Any]:
        description = describe()
        for operation in (one for path in description["paths"].values() for one in path.values()):
            if all(parameter["in"] == "path" for parameter in operation.get("parameters", [])):
                operation["responses"].pop("422", None)
        describe_problem(description)
        return description

    return openapi

"""The responder's metrics for Prometheus. Names follow its rules; no label ever holds text from an alert.

*Source:* Prometheus, "Metric and label naming".
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from allclear import __version__
from allclear.bootstrap import Engine
from allclear.domain.action import ActStatus
from allclear.domain.base import utc_now
from allclear.domain.errors import JournalError
from allclear.engine.incidents import read_or_none
from allclear.journal.counts import Counts
from allclear.responder.limits import Limits
from allclear.responder.routes.views import STATES
from allclear.responder.sources import SOURCES
from allclear.responder.workers.supervisor import Supervisor

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OTHER = "other"
"""The label value for every unknown source or severity."""

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use here


class Metrics:
    """The metrics of one responder."""

    def __init__(self, engine: Engine, supervisor: Supervisor, limits: Limits) -> None:
        self._registry = CollectorRegistry()
        self.received = Counter(
            "allclear_alerts_received_total", "Requests that send an alert.", ["source"], registry=self._registry
        )
        self.answered = Counter(
            "allclear_alerts_answered_total",
            "Responses to these requests, by HTTP status; 499: the sender disconnected.",
            ["source", "status"],
            registry=self._registry,
        )
        self.answer_seconds = Histogram(
            "allclear_alert_answer_seconds",
            "Time from a request's head to its response.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.append_seconds = Histogram(
            "allclear_journal_append_seconds",
            "Time of one transaction that stores one or more alerts.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        build = Gauge(
            "allclear_build_info",
            "Version, company, and real or simulated.",
            ["version", "company", "simulated"],
            registry=self._registry,
        )
        simulated = "true" if engine.settings.simulated else "false"
        build.labels(__version__, engine.company.name, simulated).set(1)
        ProcessCollector(registry=self._registry)
        self._registry.register(_ProcessState(supervisor, limits))
        self._registry.register(_JournalState(engine))

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format. Blocks, because it reads the journal."""
        return generate_latest(self._registry)


class RequestMetrics:
    """Middleware that counts the requests that send an alert, and their responses."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and record its response."""
        source = _source_of(scope)
        if source is None:
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), "500"
        self._metrics.received.labels(source).inc()

        async def recording_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, recording_send)
        finally:
            self._metrics.answered.labels(source, status).inc()
            self._metrics.answer_seconds.observe(time.perf_counter() - began)


def _source_of(scope: Scope) -> str | None:
    """Return the source of an alert, or None for any other request."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    first, _, name = str(scope["path"]).lstrip("/").removesuffix("/").partition("/")
    if first != "alerts" or not name or "/" in name:
        return None
    return name if name in SOURCES else _OTHER


class _ProcessState(Collector):
    """The collector of this process's state."""

    def __init__(self, supervisor: Supervisor, limits: Limits) -> None:
        self._supervisor = supervisor
        self._limits = limits

    def collect(self) -> Iterable[Metric]:
        """Yield the background loops and the alerts in progress."""
        age = GaugeMetricFamily(
            "allclear_loop_last_progress_age_seconds",
            "Time since the loop last made progress.",
            labels=["loop"],
        )
        for name, seconds in self._supervisor.ages().items():
            age.add_metric([name], seconds)
        yield age
        again = CounterMetricFamily("allclear_loop_restarts_total", "Restarts of the background loop.", labels=["loop"])
        for name, times in self._supervisor.restarts().items():
            again.add_metric([name], times)
        yield again
        yield GaugeMetricFamily("allclear_alerts_in_progress", "Alerts being received.", self._limits.requests)
        yield GaugeMetricFamily(
            "allclear_alerts_in_progress_bytes", "Bytes of their bodies.", self._limits.bytes_in_progress
        )


class _JournalState(Collector):
    """The collector of the journal's state."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[int, str, int]] = {}
        """Open incident -> its length, severity and open questions. It is replayed only if it has new entries."""
        self._outbox: dict[str, datetime] = {}
        """Waiting outbox message -> when it was first seen by this process."""

    def collect(self) -> Iterable[Metric]:
        """Yield the journal's metrics; if it cannot be read, only that it is down."""
        up = GaugeMetricFamily("allclear_journal_up", "1 if the journal can be read, else 0.")
        try:
            counts = self._engine.journal.counts()
            found = [*self._deliveries(counts), *self._incidents()]
        except JournalError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from found

    def _deliveries(self, counts: Counts) -> Iterator[Metric]:
        now = utc_now()
        yield _by(
            "allclear_deliveries",
            "Deliveries in the inbox.",
            "state",
            dict.fromkeys(STATES, 0) | counts.deliveries,
        )
        unread = (now - counts.unread_since).total_seconds() if counts.unread_since else 0.0
        yield GaugeMetricFamily(
            "allclear_oldest_unread_delivery_age_seconds", "Age of the oldest delivery that has not been read.", unread
        )
        self._outbox = {key: self._outbox.get(key, now) for key in counts.outbox}
        oldest = (now - min(self._outbox.values())).total_seconds() if self._outbox else 0.0
        yield GaugeMetricFamily("allclear_outbox_messages", "Messages waiting for Prefect.", len(self._outbox))
        yield GaugeMetricFamily(
            "allclear_oldest_outbox_message_age_seconds",
            "Time since a scrape first saw the oldest of these messages.",
            oldest,
        )
        acts = CounterMetricFamily("allclear_acts_total", "Acts that have ended, by status.", labels=["status"])
        for status in ActStatus:
            acts.add_metric([status.value], counts.acts.get(status.value, 0))
        yield acts

    def _incidents(self) -> Iterator[Metric]:
        rows = self._engine.journal.incidents(open_only=True)
        self._known = {row.id: found for row in rows if (found := self._state(row.id, row.length))}
        by_severity = {severity.name: 0 for severity in self._engine.company.plan.severities}
        for _, severity, _ in self._known.values():
            label = severity if severity in by_severity else _OTHER
            by_severity[label] = by_severity.get(label, 0) + 1
        yield _by("allclear_open_incidents", "Incidents that have not ended, by severity.", "severity", by_severity)
        asks = sum(asks for _, _, asks in self._known.values())
        yield GaugeMetricFamily("allclear_open_questions", "Questions that wait for people.", asks)

    def _state(self, incident: str, length: int) -> tuple[int, str, int] | None:
        """Return an incident's length, severity and open questions; None if its record cannot be read."""
        known = self._known.get(incident)
        if known is not None and known[0] == length:
            return known
        found = read_or_none(self._engine.journal, incident)
        return (found.length, found.severity, len(found.open_asks)) if found else None


def _by(name: str, text: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family

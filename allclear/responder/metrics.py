"""What Prometheus can see of the responder. Names follow its rules; no label ever holds a stranger's words.

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
from allclear.journal.ports import Counts
from allclear.responder.limits import Limits
from allclear.responder.routes.views import STATES
from allclear.responder.sources import SOURCES
from allclear.responder.workers.supervisor import Supervisor

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OTHER = "other"
"""The label of what has none of ours."""

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use here


class Metrics:
    """The figures of one responder."""

    def __init__(self, engine: Engine, loops: Supervisor, limits: Limits) -> None:
        self._registry = CollectorRegistry()
        self.received = Counter(
            "allclear_alerts_received_total", "Requests to take an alert in.", ["source"], registry=self._registry
        )
        self.answered = Counter(
            "allclear_alerts_answered_total",
            "Answers to them, by HTTP status; 499: the sender had hung up.",
            ["source", "status"],
            registry=self._registry,
        )
        self.answer_seconds = Histogram(
            "allclear_alert_answer_seconds",
            "From a request's head to its answer.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.append_seconds = Histogram(
            "allclear_journal_append_seconds",
            "One transaction that makes alerts durable, of one or many.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        build = Gauge(
            "allclear_build_info", "What runs here.", ["version", "company", "simulated"], registry=self._registry
        )
        simulated = "true" if engine.settings.simulated else "false"
        build.labels(__version__, engine.company.name, simulated).set(1)
        ProcessCollector(registry=self._registry)
        self._registry.register(_Running(loops, limits))
        self._registry.register(_Standing(engine))

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it. Blocks: it asks the journal."""
        return generate_latest(self._registry)


class Counted:
    """Counts the alerts that come in and what they are answered, whatever answers them."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, and watches how it is answered."""
        source = _source_of(scope)
        if source is None:
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), "500"
        self._metrics.received.labels(source).inc()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._metrics.answered.labels(source, status).inc()
            self._metrics.answer_seconds.observe(time.perf_counter() - began)


def _source_of(scope: Scope) -> str | None:
    """Return the source that an alert comes from, or None for another request."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    first, _, name = str(scope["path"]).lstrip("/").partition("/")
    if first != "alerts" or not name or "/" in name:
        return None
    return name if name in SOURCES else _OTHER


class _Running(Collector):
    """What goes on in this process."""

    def __init__(self, loops: Supervisor, limits: Limits) -> None:
        self._loops = loops
        self._limits = limits

    def collect(self) -> Iterable[Metric]:
        """Yield the loops and what is under way."""
        age = GaugeMetricFamily(
            "allclear_loop_last_round_age_seconds", "Since the loop last came round.", labels=["loop"]
        )
        for name, seconds in self._loops.ages().items():
            age.add_metric([name], seconds)
        yield age
        again = CounterMetricFamily(
            "allclear_loop_restarts_total", "How often the loop ended and was started again.", labels=["loop"]
        )
        for name, times in self._loops.restarts().items():
            again.add_metric([name], times)
        yield again
        yield GaugeMetricFamily("allclear_alerts_under_way", "Alerts being taken in.", self._limits.requests)
        yield GaugeMetricFamily("allclear_alerts_under_way_bytes", "Their bodies in memory.", self._limits.held)


class _Standing(Collector):
    """How everything stands, by the journal."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[int, str, int]] = {}
        """Open incident -> its length, severity and open asks: it is replayed only when it has grown."""
        self._outbox: dict[str, datetime] = {}
        """Waiting errand -> when it was first seen here."""

    def collect(self) -> Iterable[Metric]:
        """Yield what the journal says; of a journal that cannot be read, only that."""
        up = GaugeMetricFamily("allclear_journal_up", "1 while the journal can be read.")
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
            "allclear_deliveries", "Requests in the inbox.", "state", dict.fromkeys(STATES, 0) | counts.deliveries
        )
        unread = (now - counts.unread_since).total_seconds() if counts.unread_since else 0.0
        yield GaugeMetricFamily(
            "allclear_oldest_unread_delivery_age_seconds", "Since the oldest came in that nobody has read.", unread
        )
        self._outbox = {key: self._outbox.get(key, now) for key in counts.outbox}
        oldest = (now - min(self._outbox.values())).total_seconds() if self._outbox else 0.0
        yield GaugeMetricFamily("allclear_errands_waiting", "What Prefect is still to be told.", len(self._outbox))
        yield GaugeMetricFamily(
            "allclear_oldest_errand_age_seconds", "Since the oldest of them was first seen by a scrape.", oldest
        )
        acts = CounterMetricFamily("allclear_acts_total", "Acts that came to an end.", labels=["status"])
        for status in ActStatus:
            acts.add_metric([status.value], counts.acts.get(status.value, 0))
        yield acts

    def _incidents(self) -> Iterator[Metric]:
        rows = self._engine.journal.incidents(open_only=True)
        self._known = {row.id: found for row in rows if (found := self._check(row.id, row.length))}
        by_severity = {severity.name: 0 for severity in self._engine.company.plan.severities}
        for _, severity, _ in self._known.values():
            label = severity if severity in by_severity else _OTHER
            by_severity[label] = by_severity.get(label, 0) + 1
        yield _by("allclear_open_incidents", "Incidents that have not ended.", "severity", by_severity)
        asks = sum(asks for _, _, asks in self._known.values())
        yield GaugeMetricFamily("allclear_open_asks", "Questions that wait for people.", asks)

    def _check(self, incident: str, length: int) -> tuple[int, str, int] | None:
        """Return how an incident stands; None where its record cannot be read: the other figures are told still."""
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

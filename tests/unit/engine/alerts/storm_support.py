"""A company of many services, its intake, and a clock that a test moves: for tests with many alerts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.alert import Alert, AlertOrder
from allclear.domain.incident import Incident
from allclear.domain.plan import Route, Storm
from allclear.domain.records import Record
from allclear.engine.alerts.received import IntakeResult
from allclear.settings import Settings
from tests.scenario.response_support import installed, new_journal, vintstreet
from tests.scenario.scenes import Watch

SERVICES = 40

State = Literal["firing", "resolved"]


def many_services(**storm: Any) -> Company:  # noqa: ANN401 - fields of the storm policy
    """Return VintStreet with forty services, each with alerts of P0, P1 and P2, and with a changed storm policy."""
    company = vintstreet()
    (service,) = company.systems.services.values()
    routes = [
        Route(
            name=f"{name}-{number}",
            match={"alertname": name, "n": str(number)},
            service=f"shop-{number}",
            severity=severity,
            runbook="bad-deployment",
        )
        for number in range(SERVICES)
        for name, severity in (("Down", "P0"), ("Slow", "P1"), ("Odd", "P2"))
    ]
    plan = company.plan.model_copy(update={"routes": routes, "storm": Storm(**storm)})
    services = {f"shop-{number}": service for number in range(SERVICES)}
    return replace(company, plan=plan, systems=company.systems.model_copy(update={"services": services}))


class Room:
    """An engine, its clock, and a shorter way to send alerts."""

    def __init__(self, engine: Engine, watch: Watch) -> None:
        self.engine = engine
        self.watch = watch
        self._deliveries = count(1)

    def send(  # noqa: PLR0913 - what an alert can say, each with its default
        self,
        key: str = "k",
        state: State = "firing",
        *,
        name: str = "Down",
        service: int = 0,
        at: datetime | None = None,
        source: str = "alertmanager",
        authenticated: bool = True,
        delivery: str = "",
        order: AlertOrder | None = None,
        no_recovery: str = "",
    ) -> IntakeResult:
        """Send an alert to the intake, and return what was decided."""
        labels = {"alertname": name, "n": str(service), "severity": "any"}
        alert = Alert(source, key, state, f"{name} {service}", labels, authenticated, at, order, no_recovery)
        return self.engine.intake.take(alert, delivery or f"d{next(self._deliveries)}")

    def incident(self, incident_id: str | None) -> Incident:
        """Return an incident as it is now."""
        assert incident_id is not None
        return self.engine.conductor.incident(incident_id)

    def records(self, incident_id: str | None, kind: type[Record]) -> list[Any]:
        """Return the records of one kind."""
        assert incident_id is not None
        found = [entry.record for entry in self.engine.journal.entries(incident_id)]
        return [record for record in found if isinstance(record, kind)]

    def decisions(self, incident_id: str | None = None, delivery: str | None = None) -> list[str]:
        """Return what was decided about the received alerts, in order."""
        return [
            one.decision for one in self.engine.journal.decisions(incident=incident_id, delivery=delivery, limit=10_000)
        ]


@contextmanager
def storm_room(folder: Path, **storm: Any) -> Generator[Room]:  # noqa: ANN401 - fields of the storm policy
    """Yield an engine on a new journal, without any outside system."""
    watch = Watch()
    settings = Settings(company="vintstreet", journal_url=new_journal(folder))
    engine = make_engine(settings, environ={}, clock=watch, company=many_services(**storm), registry=installed())
    try:
        yield Room(engine, watch)
    finally:
        engine.journal.close()

"""From an alert to an incident: a new one, one that is open already, or none, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from allclear.company import Company
from allclear.domain.base import Clock
from allclear.domain.errors import NotFound
from allclear.domain.incident import Incident, replay
from allclear.domain.plan import Route
from allclear.domain.records import AlertJoined, Assessed, By, IncidentOpened, SeverityChanged
from allclear.domain.scribe import plain
from allclear.engine.conductor import start_errand, taken_up_again
from allclear.journal.port import Journal

JOINS_WITHIN = timedelta(minutes=10)
"""An alert joins an incident on the same service that was opened this recently."""


_LONGEST_KEY = 300


@dataclass(frozen=True)
class Alert:
    """One alert, whatever source it came from. Its texts are untrusted."""

    source: str
    key: str
    """What the source knows it by: the same for every firing and the resolve of one trouble."""
    state: Literal["firing", "resolved"]
    title: str
    labels: dict[str, str] = field(default_factory=dict[str, str])
    authenticated: bool = False
    """Whether the source proved who it is: only then may anything act by itself."""
    at: datetime | None = None
    """When the trouble began (firing) or ended (resolved), by the source's clock, in UTC."""


@dataclass(frozen=True)
class Taken:
    """What became of an alert."""

    state: Literal["opened", "joined", "repeat", "ignored"]
    why: str
    incident: str | None = None


class Intake:
    """Opens incidents for alerts, one for one trouble."""

    def __init__(self, journal: Journal, company: Company, clock: Clock, *, simulated: bool) -> None:
        self._journal = journal
        self._company = company
        self._clock = clock
        self._simulated = simulated

    def take(self, alert: Alert, delivery: str) -> Taken:
        """Returns what became of the alert; a new incident's flow is started through the outbox."""
        key = plain(f"{alert.source}:{alert.key}", _LONGEST_KEY)
        by = By(actor=f"alert from {alert.source}", via=alert.source)
        joined = AlertJoined(
            alert=delivery,
            source=alert.source,
            key=key,
            state=alert.state,
            title=plain(alert.title),
            at=alert.at,
            authenticated=alert.authenticated,
        )
        route = self._company.plan.route(alert.labels)
        known = self._open_with(key)
        if known is not None:
            return self._join(known, joined, by, route)
        if alert.state == "resolved":
            return Taken("ignored", "No open incident has this alert.")
        if route is None:
            return Taken("ignored", "No route of the plan fits its labels; add one under `routes` in plan.yaml.")
        for row in self._journal.incidents(open_only=True, service=route.service, company=self._company.name):
            if self._clock() - row.opened_at <= JOINS_WITHIN:
                return self._join(row.id, joined, by, route)
        runbook = self._company.runbook(route.runbook)
        opened = IncidentOpened(
            company=self._company.name, title=plain(alert.title), service=route.service,
            severity=self._company.plan.severity_of(route),
            runbook=route.runbook, incident_kind=route.kind or runbook.kind, impact=route.impact,
            feature=route.feature, facets=dict(route.facets),
            reported=f"alert from {alert.source}", began=alert.at, simulated=self._simulated,
        )  # fmt: skip
        errand = start_errand("{incident}", "respond")
        incident, new = self._journal.open_incident(
            self._company.plan.short, opened, by, key=key, records=[joined], errands=[errand]
        )
        return Taken("opened" if new else "joined", f"The route {route.name!r} fits.", incident)

    def _graver(self, incident: Incident | None, route: Route | None, joined: AlertJoined) -> list[Any]:
        if incident is None or route is None or joined.state == "resolved":
            return []
        plan, severity = self._company.plan, self._company.plan.severity_of(route)
        found: list[Any] = []
        news = {name: value for name, value in route.facets.items() if name not in incident.facets}
        if news:
            found.append(Assessed(facets=news, why=f"the route {route.name} says so"))
        if plan.rank(severity) < plan.rank(incident.severity):
            found.append(
                SeverityChanged(was=incident.severity, now=severity, why=f"an alert by the route {route.name}")
            )
        return found

    def _open_with(self, key: str) -> str | None:
        for row in self._journal.incidents(open_only=True, company=self._company.name):
            incident = replay(self._journal.entries(row.id))
            if incident and any(alert.key == key for alert in incident.alerts.values()):
                return row.id
        return None

    def _join(self, incident_id: str, joined: AlertJoined, by: By, route: Route | None) -> Taken:
        """An alert that weighs more than the incident raises it; one that weighs less changes nothing."""
        incident = replay(self._journal.entries(incident_id))
        same = [one for one in incident.alerts.values() if one.key == joined.key] if incident else []
        if same and same[-1].state == joined.state:
            return Taken("repeat", f"{incident_id} knows this alert.", incident_id)
        # One that was opened for an act by hand has no flow yet: now it needs one.
        begun = [start_errand(incident_id, "respond")] if incident and not incident.entered else []
        try:
            graver = self._graver(incident, route, joined)
            for change in graver:
                if incident and isinstance(change, SeverityChanged):
                    begun += taken_up_again(incident, self._company.plan, change.now)
            self._journal.append(incident_id, [joined, *graver], by, errands=begun)
        except NotFound:
            return Taken("ignored", "Its incident is gone.")
        return Taken("joined", f"{incident_id} is open for this trouble.", incident_id)

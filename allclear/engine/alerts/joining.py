"""Opening an incident for an alert, or recording the alert in an open one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from allclear.company import Company
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.plan import Route
from allclear.domain.privacy import has_same_readers
from allclear.domain.records import FIRES_AGAIN, Assessed, IncidentOpened, SeverityChanged, StormJoined, StormPassed
from allclear.domain.review.incident_ticket import ticket_call
from allclear.engine.alerts.received import IntakeResult, ReceivedAlert
from allclear.engine.alerts.storm import Buckets, Umbrella
from allclear.engine.incidents import open_under, read_incident, readable
from allclear.engine.response.flow_starts import restart_messages, start_message
from allclear.journal.ports import Journal

_MANUAL_JOINED_WITHIN = timedelta(minutes=10)
"""How long after a manual action opened an incident a new alert of its service joins it."""


class IncidentJoiner:
    """Gives alerts their incident, by the rules of the storm policy."""

    def __init__(self, journal: Journal, company: Company) -> None:
        self._journal = journal
        self._company = company
        self._plan = company.plan
        self._storm = company.plan.storm
        self._buckets = Buckets(company.plan)
        self._umbrella = Umbrella(journal, company.plan)

    def place(self, alert: ReceivedAlert, route: Route) -> IntakeResult:
        """Let a new alert join its service's open incident or the alert storm's incident, or open its own.

        It joins only an incident that the same people may read.
        """
        if not self._storm.enabled:
            return self._open(alert, route)
        found = self._open_incidents(alert, route)
        if incident := next((one for one in found if self._has_same_readers(one, route)), None):
            return self.join(alert, incident, f"{incident.id} is open for {route.service}.")
        apart = f" It does not join {found[0].id}, which other people may read." if found else ""
        umbrella = self._umbrella.active(alert.now)
        incident = read_incident(self._journal, umbrella) if umbrella else None
        if incident and self._has_same_readers(incident, route):
            return self.join(alert, incident, f"Alert storm: {umbrella} collects new alerts.")
        return self._open(alert, route, apart)

    def _has_same_readers(self, incident: Incident, route: Route) -> bool:
        kind, severity = self._kind(route), self._plan.severity_of(route)
        return has_same_readers(self._plan, incident, kind, severity)

    def _kind(self, route: Route) -> str:
        """Return the kind of an incident that the route opens."""
        return route.kind or self._company.runbook(route.runbook).kind

    def _open_incidents(self, alert: ReceivedAlert, route: Route) -> list[Incident]:
        """Return the service's open incidents that the alert may join, the one that fits best first.

        Their age does not matter unless the plan's `join_within` limits it. The newest comes first, one that follows
        the route's runbook before the others, and an alert storm's incident last. An incident that only holds a manual
        action is joined for a short time, because it has no response and may stay open for weeks.
        """
        limit = self._storm.join_within
        since = alert.now - limit if limit is not None else None
        rows = self._journal.incidents(open_only=True, service=route.service, since=since)
        fitting = [
            one
            for one in readable(self._journal, rows)
            if one.responds or alert.now - one.opened_at <= _MANUAL_JOINED_WITHIN
        ]
        return sorted(fitting, key=lambda one: (one.opened.umbrella, one.opened.runbook != route.runbook))

    def join(
        self, alert: ReceivedAlert, incident: Incident, reason: str, news: str = "a new alert", *, new: bool = True
    ) -> IntakeResult:
        """Record an alert in an open incident. A more severe alert raises the incident's severity.

        If one source sends too many alerts, only those that raise the severity are recorded one by one; the others are
        counted.
        """
        raised = self.raised(incident, alert.route)
        severity = self._plan.severity_of(alert.route) if alert.route else None
        room = not self._storm.enabled or self._buckets.take(alert.record.source, severity, alert.now)
        if new:
            self._journal.save_alert(alert.first_state(incident.id))
        if not room and not raised:
            limit = self._storm.per_source
            many = f"more than {limit.times} alerts of {alert.record.source} within {short_duration(limit.within)}"
            return IntakeResult("collapsed", f"{reason} It is only counted there: {many}.", incident.id)
        self.record(alert, incident, raised, news=news)
        return IntakeResult("joined", reason, incident.id)

    def record(self, alert: ReceivedAlert, incident: Incident, raised: list[Any], *, news: str) -> None:
        """Record an alert in an open incident with the changes that it causes; `news` goes into people's messages."""
        # An incident that a manual action opened has no flow yet, and needs one now.
        outbox = [] if incident.entered or incident.opened.ticket else [start_message(incident.id, "respond")]
        for change in raised:
            if isinstance(change, SeverityChanged):
                outbox += restart_messages(incident, self._plan, change.now)
        records = [alert.record.model_copy(update={"news": news}), *raised]
        if self._storm.enabled and not incident.opened.ticket:
            records += self._storm_change(alert, incident)
        self._journal.append(incident.id, records, alert.by, outbox=outbox)

    def raised(self, incident: Incident, route: Route | None) -> list[Any]:
        """Return the records of what the alert's route adds: new facets, and a higher severity."""
        if route is None or incident.opened.ticket:
            return []
        severity = self._plan.severity_of(route)
        records: list[Any] = []
        facets = {name: value for name, value in route.facets.items() if name not in incident.facets}
        if facets:
            records.append(Assessed(facets=facets, reason=f"set by the route {route.name}"))
        if self._plan.rank(severity) < self._plan.rank(incident.severity):
            reason = f"an alert by the route {route.name}"
            records.append(SeverityChanged(was=incident.severity, now=severity, reason=reason))
        return records

    def _open(self, alert: ReceivedAlert, route: Route, apart: str = "") -> IntakeResult:
        """Open an incident for the alert; `apart` says why it joins none of its service, or is empty."""
        record = alert.record
        severity = self._plan.severity_of(route)
        opened = IncidentOpened(
            company=self._journal.scope.company,
            title=record.title,
            service=route.service,
            severity=severity,
            runbook=route.runbook,
            incident_kind=self._kind(route),
            impact=route.impact,
            feature=route.feature,
            facets=dict(route.facets),
            reported=alert.by.actor,
            began_at=record.at,
            simulated=self._journal.scope.simulated,
        )
        if ticket_call(self._plan, severity, opened.incident_kind):
            return self._open_ticket(alert, opened.model_copy(update={"ticket": True}), route)
        _, key = open_under(self._journal, f"alert:{record.key}")
        incident, new = self._journal.open_incident(
            self._plan.short,
            opened,
            alert.by,
            key=key,
            records=[record],
            outbox=[start_message("{incident}", "respond")],
        )
        self._journal.save_alert(alert.first_state(incident))
        if new and self._storm.enabled:
            self._buckets.take(record.source, severity, alert.now)
            self._umbrella.open_if_due(alert.now)
        reason = f"The route {route.name!r} matches: {severity}, with the runbook {route.runbook}.{apart}"
        return IntakeResult("opened" if new else "joined", reason, incident)

    def makes_ticket(self, route: Route) -> bool:
        """Return whether an alert by the route opens only a ticket."""
        return ticket_call(self._plan, self._plan.severity_of(route), self._kind(route)) is not None

    def _open_ticket(self, alert: ReceivedAlert, opened: IncidentOpened, route: Route) -> IntakeResult:
        """Open a ticket in place of an incident, or record the alert in its ticket of before.

        If very many tickets are opened, further alerts are recorded in the newest one, as an alert storm is.
        """
        known, key = open_under(self._journal, f"ticket:{alert.record.key}")
        if known:
            reason = f"The ticket {known.id} was opened for it."
            return self.join(alert, known, reason, FIRES_AGAIN)
        limit = self._storm.umbrella
        recent = self._tickets_since(alert.now - limit.within) if self._storm.enabled else []
        if len(recent) >= limit.times:
            many = f"{limit.times} tickets were opened within {short_duration(limit.within)}"
            return self.join(alert, recent[0], f"{many}: it is recorded in {recent[0].id}, the newest.", "")
        ticket, _ = self._journal.open_incident(self._plan.short, opened, alert.by, key=key, records=[alert.record])
        self._journal.save_alert(alert.first_state(ticket))
        reason = f"The route {route.name!r} matches: {opened.severity}, which makes only a ticket."
        return IntakeResult("ticket", reason, ticket)

    def _tickets_since(self, since: datetime) -> list[Incident]:
        """Return the mere tickets that were opened since then, newest first."""
        rows = self._journal.incidents(since=since, with_tickets=True)
        return [one for one in readable(self._journal, rows) if one.opened.ticket and not one.over]

    def _storm_change(self, alert: ReceivedAlert, incident: Incident) -> list[Any]:
        """Return the record by which the incident becomes part of an alert storm, or leaves it.

        An alert during a storm makes its incident part of it; an alert after the storm ends that. The storm's own
        incident stays part of it, because no single action helps against many problems.
        """
        active, joined = self._umbrella.active(alert.now), incident.storm_umbrella
        if active and joined is None:
            return [StormJoined(umbrella=active)]
        if joined and not active and not incident.opened.umbrella:
            return [StormPassed(umbrella=joined)]
        return []

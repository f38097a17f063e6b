"""From an alert to an incident: a new one, one that is open already, or none, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from allclear.company import Company
from allclear.domain.alert import Alert, AlertDecision, AlertState, Decision, FiringState
from allclear.domain.base import Clock
from allclear.domain.durations import say_duration
from allclear.domain.incident import Incident
from allclear.domain.plan import Route
from allclear.domain.records import (
    FIRES_AGAIN,
    AlertJoined,
    Assessed,
    By,
    IncidentOpened,
    SeverityChanged,
    StormJoined,
    StormPassed,
)
from allclear.domain.text import plain
from allclear.engine.alerts.storm import Buckets, Umbrella, count_collapsed
from allclear.engine.incidents import find_open, open_under, read_incident, read_or_none
from allclear.engine.response.flow_starts import restart_messages, start_message
from allclear.journal.ports import INCIDENTS, Journal

_LONGEST_KEY, _LONGEST_WORD = 300, 60

_AHEAD = timedelta(minutes=5)
"""How far a source's clock may be ahead of ours."""


@dataclass(frozen=True)
class Taken:
    """What became of an alert."""

    state: Decision
    reason: str
    incident: str | None = None


@dataclass(frozen=True)
class _Said:
    """An alert as it came in just now."""

    record: AlertJoined
    by: By
    route: Route | None
    labels: dict[str, str]
    now: datetime
    numbered: bool

    @property
    def firing(self) -> bool:
        return self.record.state == "firing"


class Intake:
    """Opens incidents for alerts, one for one trouble."""

    def __init__(self, journal: Journal, company: Company, clock: Clock) -> None:
        self._journal = journal
        self._company = company
        self._plan = company.plan
        self._storm = company.plan.storm
        self._clock = clock
        self._buckets = Buckets(company.plan)
        self._umbrella = Umbrella(journal, company.plan)

    def take(self, alert: Alert, delivery: str, position: int = 0, *, numbered: bool = False) -> Taken:
        """Return what became of an alert, the one at `position` of its delivery; a new incident's flow is started.

        `numbered` says that the vendor gives each delivery a number of its own, so that the same one is no new word.
        """
        said = self._said(alert, delivery, numbered=numbered)
        with self._journal.together(INCIDENTS):
            taken = self._decide(said)
            self._journal.hear(_heard(said, alert, taken, position))
            if taken.state == "collapsed" and taken.incident:
                count_collapsed(self._journal, self._read(taken.incident), self._plan, said.now)
        return taken

    def quarantine(self, alert: Alert, delivery: str, position: int, reason: str) -> Taken:
        """Record that an alert could not be taken in, and why."""
        taken = Taken("quarantined", plain(reason))
        self._journal.hear(_heard(self._said(alert, delivery, numbered=False), alert, taken, position))
        return taken

    # --- what it is ----------------------------------------------------------------------------------

    def _said(self, alert: Alert, delivery: str, *, numbered: bool) -> _Said:
        record = AlertJoined(
            delivery=delivery,
            source=alert.source,
            key=plain(f"{alert.source}:{alert.key}", _LONGEST_KEY),
            state=alert.state,
            title=plain(alert.title),
            at=_no_later(alert.at, self._clock()),
            authenticated=alert.authenticated,
        )
        by = By(actor=f"alert from {alert.source}", via=alert.source)
        return _Said(record, by, self._plan.route(alert.labels), alert.labels, self._clock(), numbered)

    def _decide(self, said: _Said) -> Taken:
        known = self._journal.alert(said.record.key)
        if known is None:
            return self._first_of_it(said)
        incident = read_or_none(self._journal, known.incident)
        if incident and not incident.over:
            return self._again(said, known, incident)
        if not said.firing:
            self._journal.keep_alert(self._heard_again(said, known, said.record.state))
        elif incident and (old := self._old(said, known)):
            return Taken("old", old, known.incident)
        taken = self._first_of_it(said)
        if incident is None:  # nobody knows what it says, and people must hear of the trouble
            lost = f"The record of {known.incident}, where this alert belonged, cannot be read."
            return replace(taken, reason=f"{taken.reason} {lost}")
        return taken

    def _first_of_it(self, said: _Said) -> Taken:
        """An alert that no open incident has."""
        if not said.firing:
            return Taken("ignored", "No open incident has this alert.")
        if said.route is None:
            return Taken("ignored", "No route of the plan fits its labels; add one under `routes` in plan.yaml.")
        if few := self._plan.too_little(said.route, said.labels):
            return Taken("below", few)
        return self._new(said, said.route)

    def _old(self, said: _Said, known: AlertState) -> str | None:
        """Return why this is what was heard before the incident ended, and no new trouble; None where it is one.

        A genuine request can be captured and sent again, for most signatures cover no time.
        """
        at, last = said.record.at, known.source_time
        if at and last and (at < last or (at == last and known.said == "firing")):
            return f"It tells of {at.isoformat()}, as it did before {known.incident} ended: a new trouble begins later."
        if (
            at is None
            and said.numbered
            and any(one.incident for one in self._journal.heard(delivery=said.record.delivery))
        ):
            return f"The same delivery belonged to {known.incident}, which has ended."
        return None

    # --- an alert whose incident is open ---------------------------------------------------------------

    def _again(self, said: _Said, known: AlertState, incident: Incident) -> Taken:
        """An alert that is known: only what changes something is written into the record."""
        last_turn, at = said.record.state != known.said, said.record.at
        if last_turn and at and known.source_time and at < known.source_time:
            return Taken("late", f"It tells of a moment before the {known.said} that came last.", incident.id)
        turns = _recent((*known.turns, said.now) if last_turn else known.turns, said.now - self._storm.flapping.within)
        flaps = self._flaps(turns)
        state = "firing" if flaps else said.record.state
        kept = replace(self._heard_again(said, known, state), turns=turns)
        self._journal.keep_alert(kept)
        if flaps and last_turn:
            return self._hold(said, incident, len(turns))
        if state != known.state and said.firing:
            news = FIRES_AGAIN if incident.contained_at or incident.recovered_at else ""
            return self._join(said, incident, f"It fires again; {incident.id} is open for it.", news, new=False)
        if state != known.state:
            self._journal.append(incident.id, [said.record], said.by)
            return Taken("joined", f"{incident.id} is open for this trouble.", incident.id)
        return self._repeat(said, incident)

    def _repeat(self, said: _Said, incident: Incident) -> Taken:
        if said.firing and (graver := self._graver(incident, said.route)):
            self._write(said, incident, graver, news="it weighs more now")
            return Taken("joined", f"{incident.id} knows this alert, and it weighs more now.", incident.id)
        if said.firing and said.now - incident.news_at >= self._storm.renotify_after:
            news = f"it fires still, {say_duration(said.now - incident.news_at)} after people heard of it last"
            self._write(said, incident, [], news=news)
            return Taken("repeat", f"{incident.id} knows this alert; {news}.", incident.id)
        return Taken("repeat", f"{incident.id} knows this alert.", incident.id)

    def _hold(self, said: _Said, incident: Incident, turns: int) -> Taken:
        """A flapping alert counts as firing; the record says so now and again, and people hear of it once."""
        last, limit = incident.flapping.get(said.record.key), self._storm.flapping
        if last is None or said.now - last >= self._storm.flapping_noted_every:
            news = "it comes and goes" if last is None else ""
            held = said.record.model_copy(update={"state": "firing", "flapping": True, "news": news})
            self._journal.append(incident.id, [held], said.by)
        last_turn = f"It turned {turns} times within {say_duration(limit.within)}"
        return Taken("held", f"{last_turn}: it counts as firing, and nothing acts by itself.", incident.id)

    def _flaps(self, turns: tuple[datetime, ...]) -> bool:
        return self._storm.enabled and len(turns) >= self._storm.flapping.times

    # --- an alert that is new --------------------------------------------------------------------------

    def _new(self, said: _Said, route: Route) -> Taken:
        """A new alert joins what is open on its service, or the incident that gathers a storm, or opens its own."""
        if not self._storm.enabled:
            return self._open(said, route)
        since = said.now - self._storm.join_within
        if incident := find_open(self._journal, route.service, opened_since=since):
            limit = say_duration(self._storm.join_within)
            return self._join(said, incident, f"{incident.id} is open for {route.service}, opened within {limit}.")
        if umbrella := self._umbrella.raging(said.now):
            return self._join(said, self._read(umbrella), f"Alerts storm in: {umbrella} gathers new troubles.")
        return self._open(said, route)

    def _open(self, said: _Said, route: Route) -> Taken:
        runbook, record = self._company.runbook(route.runbook), said.record
        severity = self._plan.severity_of(route)
        opened = IncidentOpened(
            company=self._journal.scope.company,
            title=record.title,
            service=route.service,
            severity=severity,
            runbook=route.runbook,
            incident_kind=route.kind or runbook.kind,
            impact=route.impact,
            feature=route.feature,
            facets=dict(route.facets),
            reported=said.by.actor,
            began_at=record.at,
            simulated=self._journal.scope.simulated,
        )
        _, key = open_under(self._journal, f"alert:{record.key}")
        incident, new = self._journal.open_incident(
            self._plan.short,
            opened,
            said.by,
            key=key,
            records=[record],
            outbox=[start_message("{incident}", "respond")],
        )
        self._journal.keep_alert(self._first(said, incident))
        if new and self._storm.enabled:
            self._buckets.take(record.source, severity, said.now)
            self._umbrella.open_if_due(said.now)
        reason = f"The route {route.name!r} fits: {severity}, by the runbook {route.runbook}."
        return Taken("opened" if new else "joined", reason, incident)

    def _join(
        self, said: _Said, incident: Incident, reason: str, news: str = "a new alert", *, new: bool = True
    ) -> Taken:
        """An alert that weighs more than the incident raises it; one that weighs less changes nothing.

        Of what comes in masses only what weighs more is written down one by one; whatever is left out is counted.
        """
        graver = self._graver(incident, said.route)
        severity = self._plan.severity_of(said.route) if said.route else None
        room = not self._storm.enabled or self._buckets.take(said.record.source, severity, said.now)
        if new:
            self._journal.keep_alert(self._first(said, incident.id))
        if not room and not graver:
            limit = self._storm.per_source
            many = f"more than {limit.times} alerts of {said.record.source} within {say_duration(limit.within)}"
            return Taken("collapsed", f"{reason} It is counted there: {many}.", incident.id)
        self._write(said, incident, graver, news=news)
        return Taken("joined", reason, incident.id)

    def _write(self, said: _Said, incident: Incident, graver: list[Any], *, news: str) -> None:
        # One that was opened for an act by hand has no flow yet: now it needs one.
        outbox = [] if incident.entered else [start_message(incident.id, "respond")]
        for change in graver:
            if isinstance(change, SeverityChanged):
                outbox += restart_messages(incident, self._plan, change.now)
        records = [said.record.model_copy(update={"news": news}), *graver]
        if self._storm.enabled:
            records += self._cover(incident, said.now)
        self._journal.append(incident.id, records, said.by, outbox=outbox)

    def _cover(self, incident: Incident, now: datetime) -> list[Any]:
        """An alert in a storm covers its incident; one that comes after it makes it as any other again.

        The incident that gathered the storm stays covered: no single act helps many troubles.
        """
        raging, covered = self._umbrella.raging(now), incident.storm_umbrella
        if raging and covered is None:
            return [StormJoined(umbrella=raging)]
        if covered and not raging and not incident.opened.umbrella:
            return [StormPassed(umbrella=covered)]
        return []

    def _graver(self, incident: Incident, route: Route | None) -> list[Any]:
        if route is None:
            return []
        severity = self._plan.severity_of(route)
        found: list[Any] = []
        news = {name: value for name, value in route.facets.items() if name not in incident.facets}
        if news:
            found.append(Assessed(facets=news, reason=f"the route {route.name} says so"))
        if self._plan.rank(severity) < self._plan.rank(incident.severity):
            reason = f"an alert by the route {route.name}"
            found.append(SeverityChanged(was=incident.severity, now=severity, reason=reason))
        return found

    # --- how an alert stands ---------------------------------------------------------------------------

    def _first(self, said: _Said, incident: str) -> AlertState:
        record = said.record
        return AlertState(
            record.key,
            incident,
            record.source,
            record.title,
            record.state,
            record.state,
            record.at,
            said.now,
            said.now,
        )

    def _heard_again(self, said: _Said, known: AlertState, state: FiringState) -> AlertState:
        record, last_turn = said.record, said.record.state != known.said
        times = [at for at in (record.at, known.source_time) if at]
        return replace(
            known,
            title=record.title,
            state=state,
            said=record.state,
            source_time=max(times, default=None),
            changed_at=said.now if last_turn else known.changed_at,
            last_seen_at=said.now,
            times=known.times + 1,
        )

    def _read(self, incident: str) -> Incident:
        return read_incident(self._journal, incident)


def _no_later(at: datetime | None, now: datetime) -> datetime | None:
    """A source whose clock is wrong by years would else have said its last word for as long."""
    return now if at and at > now + _AHEAD else at


def _recent(turns: tuple[datetime, ...], since: datetime) -> tuple[datetime, ...]:
    return tuple(turn for turn in turns if turn > since)


def _heard(said: _Said, alert: Alert, taken: Taken, position: int) -> AlertDecision:
    record, labels = said.record, said.labels
    return AlertDecision(
        record.delivery,
        position,
        taken.state,
        taken.reason,
        said.now,
        record.source,
        record.key,
        record.state,
        record.title,
        plain(labels.get("severity", ""), _LONGEST_WORD),
        said.route.service if said.route else plain(labels.get("service", ""), _LONGEST_WORD),
        alert.at,
        taken.incident,
    )

"""Intake: decides for each alert whether it opens an incident, joins one, or changes nothing, and why."""

from __future__ import annotations

from dataclasses import replace

from allclear.company import Company
from allclear.domain.alert import Alert, AlertState
from allclear.domain.base import Clock
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.records import FIRES_AGAIN
from allclear.domain.text import plain
from allclear.engine.alerts.flapping import hold, is_flapping, recent_changes
from allclear.engine.alerts.joining import IncidentJoiner
from allclear.engine.alerts.received import ReceivedAlert, Taken, received
from allclear.engine.alerts.storm import count_collapsed
from allclear.engine.incidents import read_incident, read_or_none
from allclear.journal.ports import INCIDENTS, Journal


class Intake:
    """Takes alerts in: one problem gets one incident."""

    def __init__(self, journal: Journal, company: Company, clock: Clock) -> None:
        self._journal = journal
        self._plan = company.plan
        self._storm = company.plan.storm
        self._clock = clock
        self._joiner = IncidentJoiner(journal, company)

    def take(self, alert: Alert, delivery: str, position: int = 0, *, numbered: bool = False) -> Taken:
        """Take in the alert at `position` of its delivery, and return what was decided. A new incident's flow starts.

        `numbered` means that the vendor numbers its deliveries. Raises JournalError.
        """
        now = received(alert, delivery, self._plan, self._clock(), numbered=numbered)
        with self._journal.transaction(INCIDENTS):
            taken = self._decide(now)
            self._journal.add_decision(now.decision(taken, position))
            if taken.state == "collapsed" and taken.incident:
                count_collapsed(self._journal, read_incident(self._journal, taken.incident), self._plan, now.now)
        return taken

    def quarantine(self, alert: Alert, delivery: str, position: int, reason: str) -> Taken:
        """Record that an alert could not be taken in, and why. Raises JournalError."""
        taken = Taken("quarantined", plain(reason))
        now = received(alert, delivery, self._plan, self._clock(), numbered=False)
        self._journal.add_decision(now.decision(taken, position))
        return taken

    def _decide(self, alert: ReceivedAlert) -> Taken:
        known = self._journal.alert(alert.record.key)
        if known is None:
            return self._decide_new(alert)
        incident = read_or_none(self._journal, known.incident)
        if incident and not incident.over:
            return self._decide_known(alert, known, incident)
        if not alert.firing:
            self._journal.save_alert(alert.next_state(known, alert.record.state))
        elif incident and (reason := self._replayed(alert, known)):
            return Taken("old", reason, known.incident)
        taken = self._decide_new(alert)
        if incident is None:  # its incident's state is unknown, so the alert counts as new: people must be notified
            lost = f"The record of {known.incident}, where this alert belonged, cannot be read."
            return replace(taken, reason=f"{taken.reason} {lost}")
        return taken

    # --- an alert without an open incident -------------------------------------------------------------

    def _decide_new(self, alert: ReceivedAlert) -> Taken:
        if not alert.firing:
            return Taken("ignored", "No open incident has this alert.")
        if alert.route is None:
            return Taken("ignored", "No route of the plan matches its labels; add one under `routes` in plan.yaml.")
        if below := self._plan.below_threshold(alert.route, alert.labels):
            return Taken("below", below)
        return self._joiner.place(alert, alert.route)

    def _replayed(self, alert: ReceivedAlert, known: AlertState) -> str | None:
        """Return why this alert was received before its incident ended already; None if it reports a new problem.

        A genuine request can be captured and sent again, because most signatures cover no time.
        """
        at, last = alert.record.at, known.source_time
        if at and last and (at < last or (at == last and known.source_state == "firing")):
            return f"Its time, {at.isoformat()}, is before {known.incident} ended; a new problem has a later time."
        if at is None and alert.numbered:
            earlier = self._journal.decisions(delivery=alert.record.delivery)
            if any(decision.incident for decision in earlier):
                return f"The same delivery belonged to {known.incident}, which has ended."
        return None

    # --- an alert with an open incident ----------------------------------------------------------------

    def _decide_known(self, alert: ReceivedAlert, known: AlertState, incident: Incident) -> Taken:
        """Decide about an alert of an open incident. Only what changes something goes into the record."""
        changed, at = alert.record.state != known.source_state, alert.record.at
        if changed and at and known.source_time and at < known.source_time:
            return Taken("late", f"Its time is before the {known.source_state} that was received last.", incident.id)
        changes = recent_changes(self._storm, known, alert.now, changed=changed)
        flapping = self._storm.enabled and is_flapping(self._storm, changes)
        state = "firing" if flapping else alert.record.state
        self._journal.save_alert(replace(alert.next_state(known, state), transitions=changes))
        if flapping and changed:
            return hold(self._journal, self._storm, alert, incident, len(changes))
        if state != known.state and alert.firing:
            news = FIRES_AGAIN if incident.contained_at or incident.recovered_at else ""
            reason = f"It fires again, and {incident.id} is open for it."
            return self._joiner.join(alert, incident, reason, news, new=False)
        if state != known.state:
            self._journal.append(incident.id, [alert.record], alert.by)
            return Taken("joined", f"{incident.id} is open for this problem.", incident.id)
        return self._repeat(alert, incident)

    def _repeat(self, alert: ReceivedAlert, incident: Incident) -> Taken:
        if alert.firing and (raised := self._joiner.raised(incident, alert.route)):
            self._joiner.record(alert, incident, raised, news="more severe now")
            return Taken("joined", f"{incident.id} has this alert, which is more severe now.", incident.id)
        since = alert.now - incident.news_at
        if alert.firing and since >= self._storm.renotify_after:
            news = f"still firing, {short_duration(since)} after the last news"
            self._joiner.record(alert, incident, [], news=news)
            return Taken("repeat", f"{incident.id} has this alert; it is {news}.", incident.id)
        return Taken("repeat", f"{incident.id} has this alert.", incident.id)

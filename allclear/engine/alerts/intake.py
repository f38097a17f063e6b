"""Intake: decides for each alert whether it opens an incident, joins one, or changes nothing, and why."""

from __future__ import annotations

from dataclasses import replace

from allclear.company import Company
from allclear.domain.alert import Alert, AlertState
from allclear.domain.base import Clock
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.records import FIRES_AGAIN
from allclear.domain.review.incident_ticket import named_ticket
from allclear.domain.text import plain
from allclear.engine.alerts.flapping import hold, is_flapping, recent_changes
from allclear.engine.alerts.joining import IncidentJoiner
from allclear.engine.alerts.order import fired_before, late
from allclear.engine.alerts.received import IntakeResult, ReceivedAlert, received
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

    def take(self, alert: Alert, delivery: str, position: int = 0) -> IntakeResult:
        """Take in the alert at `position` of its delivery, and return what was decided. A new incident's flow starts.

        Raises JournalError.
        """
        now = received(alert, delivery, self._plan, self._clock())
        with self._journal.transaction(INCIDENTS):
            result = self._decide(now)
            self._journal.add_decision(now.decision(result, position))
            if result.state == "collapsed" and result.incident:
                count_collapsed(self._journal, read_incident(self._journal, result.incident), self._plan, now.now)
        return result

    def quarantine(self, alert: Alert, delivery: str, position: int, reason: str) -> IntakeResult:
        """Record that an alert could not be taken in, and why. Raises JournalError."""
        result = IntakeResult("quarantined", plain(reason))
        now = received(alert, delivery, self._plan, self._clock())
        self._journal.add_decision(now.decision(result, position))
        return result

    def _decide(self, alert: ReceivedAlert) -> IntakeResult:
        known = self._journal.alert(alert.record.key)
        if known is None or not known.incident:
            return self._decide_without_incident(alert, known)
        incident = read_or_none(self._journal, known.incident)
        if incident and not incident.over:
            return self._decide_known(alert, known, incident)
        if incident and (reason := late(alert, known)):
            return IntakeResult("old", reason, known.incident)
        if not alert.firing:
            self._journal.save_alert(alert.next_state(known, alert.record.state))
        elif incident and (reason := fired_before(alert, known, incident, self._storm.renotify_after)):
            return IntakeResult("old", reason, known.incident)
        result = self._decide_new(alert)
        if incident is None:  # its incident's state is unknown, so the alert counts as new: people must be notified
            lost = f"The record of {known.incident}, where this alert belonged, cannot be read."
            return replace(result, reason=f"{result.reason} {lost}")
        return result

    # --- an alert without an open incident -------------------------------------------------------------

    def _decide_without_incident(self, alert: ReceivedAlert, known: AlertState | None) -> IntakeResult:
        """Decide about an alert that never had an incident; `known` is its state if it was only resolved so far.

        The order of a resolution is kept, so that an earlier firing that comes later opens no incident. That needs a
        source that proved its identity: a forged resolution with a high order would silence the alert.
        """
        if known and (reason := late(alert, known)):
            return IntakeResult("old", reason)
        if not alert.firing and alert.order and alert.record.authenticated:
            self._journal.save_alert(alert.next_state(known, "resolved") if known else alert.first_state(""))
        return self._decide_new(alert)

    def _decide_new(self, alert: ReceivedAlert) -> IntakeResult:
        if not alert.firing:
            return IntakeResult("ignored", "No open incident has this alert.")
        if alert.route is None:
            return IntakeResult(
                "ignored", "No route of the plan matches its labels; add one under `routes` in plan.yaml."
            )
        if below := self._plan.below_threshold(alert.route, alert.labels):
            return IntakeResult("below", below)
        return self._joiner.place(alert, alert.route)

    # --- an alert that has only a ticket ---------------------------------------------------------------

    def _outgrows(self, alert: ReceivedAlert) -> bool:
        """Return whether the alert fires and would open an incident now: it is graver now."""
        return alert.firing and alert.route is not None and not self._joiner.makes_ticket(alert.route)

    def _decide_after_ticket(self, alert: ReceivedAlert, ticket: Incident) -> IntakeResult:
        """Decide about an alert that outgrows its ticket as about a new one; each record names the other.

        The ticket stays open in the tracker. If the alert is as mild as before later on, it belongs to it again.
        """
        named = alert.record.model_copy(update={"ticket": named_ticket(ticket)})
        result = self._decide_new(replace(alert, record=named))
        if result.incident:
            why = f"{result.incident} is open for it"
            moved = alert.record.model_copy(update={"state": "resolved", "no_recovery": why})
            self._journal.append(ticket.id, [moved], alert.by)
        return result

    # --- an alert with an open incident ----------------------------------------------------------------

    def _decide_known(self, alert: ReceivedAlert, known: AlertState, incident: Incident) -> IntakeResult:
        """Decide about an alert of an open incident. Only what changes something goes into the record."""
        if reason := late(alert, known):
            return IntakeResult("late", reason, incident.id)
        if incident.opened.ticket and self._outgrows(alert):
            return self._decide_after_ticket(alert, incident)
        changed = alert.record.state != known.source_state
        changes = recent_changes(self._storm, known, alert.now, changed=changed)
        flapping = self._storm.enabled and is_flapping(self._storm, changes)
        state = "firing" if flapping else alert.record.state
        self._journal.save_alert(replace(alert.next_state(known, state), transitions=changes))
        if flapping and changed:
            return hold(self._journal, self._storm, alert, incident, len(changes))
        if state != known.state and alert.firing:
            what = f"the ticket {incident.id} was opened" if incident.opened.ticket else f"{incident.id} is open"
            reason = f"It fires again, and {what} for it."
            return self._joiner.join(alert, incident, reason, FIRES_AGAIN, new=False)
        if state != known.state or self._ends_differently(alert, incident):
            self._journal.append(incident.id, [alert.record], alert.by)
            reason = "Its source reports it as resolved." if incident.opened.ticket else _end_reason(alert)
            return IntakeResult("joined", reason, incident.id)
        return self._repeat(alert, incident)

    def _ends_differently(self, alert: ReceivedAlert, incident: Incident) -> bool:
        """Return whether the alert is known as ended, but for another reason than its source gives now."""
        recorded = incident.alerts.get(alert.record.key)
        ended = recorded is not None and recorded.state == "resolved" and not alert.firing
        return ended and recorded is not None and recorded.no_recovery != alert.record.no_recovery

    def _repeat(self, alert: ReceivedAlert, incident: Incident) -> IntakeResult:
        if incident.opened.ticket:
            return IntakeResult("repeat", f"The ticket {incident.id} has this alert.", incident.id)
        if alert.firing and (raised := self._joiner.raised(incident, alert.route)):
            self._joiner.record(alert, incident, raised, news="more severe now")
            return IntakeResult("joined", f"{incident.id} has this alert, which is more severe now.", incident.id)
        since = alert.now - incident.news_at
        if alert.firing and since >= self._storm.renotify_after:
            news = f"still firing, {short_duration(since)} after the last news"
            self._joiner.record(alert, incident, [], news=news)
            return IntakeResult("repeat", f"{incident.id} has this alert; it is {news}.", incident.id)
        return IntakeResult("repeat", f"{incident.id} has this alert.", incident.id)


def _end_reason(alert: ReceivedAlert) -> str:
    """Return what the end of an alert means for its incident, in sentences."""
    if alert.record.no_recovery:
        return (
            f"Its source ended it because {alert.record.no_recovery}, which is no recovery. "
            "The incident does not end by itself: a probe and people decide."
        )
    return "Its source reports it as resolved. A probe decides whether the service is healthy."

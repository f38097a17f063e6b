"""Recovery: what follows when all alerts of an incident are resolved.

A resolved alert is only a report of the monitoring. A probe from outside decides whether the service is healthy, after
the alerts have been resolved for a while: several good probes in a row, over the time that the plan names. An alert
that fired and then fell silent still counts as firing. If only people can tell that an incident of its kind is over,
the probe informs them, and they are asked.
An incident ends automatically only if no person is engaged and no change is in place. Otherwise people are asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from allclear.company import Company
from allclear.domain.action import Finding, Verdict
from allclear.domain.alert import AlertState
from allclear.domain.approval import Ask, AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.base import Clock
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident, StepState
from allclear.domain.pseudo_phases import RECOVERY
from allclear.domain.records import AskOpened, By, Contained, IncidentEnded, StepDone
from allclear.domain.text import markdown_safe
from allclear.engine.actions import approval_requests
from allclear.engine.alerts.flapping import is_flapping, recent_changes
from allclear.engine.alerts.storm import count_collapsed
from allclear.engine.concurrency import Sweep
from allclear.engine.incidents import read_incident
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.ending import ending
from allclear.engine.response.flow_starts import loss_messages
from allclear.engine.response.recovery_moves import proven_recovery, recovery_rule
from allclear.journal.ports import INCIDENTS, Journal
from allclear.journal.rows import OutboxMessage

log = logging.getLogger("allclear.recovery")

BY = By(actor="allclear", via="recovery")

HEALTH_CHECK, CLOSE = "health-check", "close"
"""The steps of the stored phase `recovery`: the probe, and the question whether the incident is to be closed."""

_RECHECK_AFTER = timedelta(minutes=5)
"""How often an unhealthy service is probed again although all its alerts are clear."""

_AT_ONCE = 20
"""Incidents that are checked at the same time: they share each client's connections."""


class RecoveryWatcher:
    """Watches the open incidents of one company. Every process may run one; each change is written once."""

    def __init__(self, journal: Journal, conductor: Conductor, company: Company, clock: Clock) -> None:
        self._journal = journal
        self._conductor = conductor
        self._company = company
        self._storm = company.plan.storm
        self._clock = clock
        self._sweep = Sweep(log, "check the recovery of", _AT_ONCE)

    async def check(self, each: Callable[[], None] = lambda: None) -> list[str]:
        """Check every open incident, and return the ids of those whose record has grown.

        `each` is called after each incident. Raises JournalError.
        """
        incidents = await asyncio.to_thread(lambda: list(self._conductor.incidents()))

        async def visit(incident: Incident) -> None:
            await asyncio.to_thread(self._record_stable_alerts, incident)
            await self._recover(self._conductor.incident(incident.id))

        await self._sweep.visit_all(((incident.id, incident) for incident in incidents), visit, each)
        return [incident.id for incident in incidents if self._journal.head(incident.id)[0] != incident.length]

    # --- alerts ------------------------------------------------------------------------------------

    def _record_stable_alerts(self, incident: Incident) -> None:
        """Record the state of alerts that do not flap any more, and the number of alerts that were only counted."""
        if not incident.flapping and not self._journal.count_collapsed(incident.id, incident.collapsed_up_to)[0]:
            return  # nothing to write, so do not make the intake wait for this transaction
        with self._journal.transaction(INCIDENTS):
            count_collapsed(self._journal, incident, self._company.plan, self._clock())
            for known in self._journal.alerts_of(incident.id) if incident.flapping else []:
                if known.state != known.source_state and not self._flaps(known):
                    self._record_stable(incident, known)

    def _flaps(self, known: AlertState) -> bool:
        return is_flapping(self._storm, recent_changes(self._storm, known, self._clock(), changed=False))

    def _record_stable(self, incident: Incident, known: AlertState) -> None:
        """Let the last state that the source sent count, now that it has been stable."""
        held = incident.alerts.get(known.key)
        if held is None:
            return
        stable = held.model_copy(
            update={"state": known.source_state, "at": known.source_time, "flapping": False, "news": ""}
        )
        by = By(actor=f"alert from {known.source}", via=known.source)
        self._journal.append(incident.id, [stable], by)
        self._journal.save_alert(replace(known, state=known.source_state))

    # --- recovery ----------------------------------------------------------------------------------

    async def _recover(self, incident: Incident) -> None:
        known = [] if incident.over or incident.held else await asyncio.to_thread(self._journal.alerts_of, incident.id)
        changes = [alert.changed_at for alert in known]
        if incident.opened.umbrella and incident.joined_at:  # an alert storm's incident may have no alert of its own
            changes.append(incident.joined_at)
        if not changes or any("firing" in {alert.state, alert.source_state} for alert in known):
            return
        clear_since = max(changes)
        if self._clock() - clear_since < self._storm.clear_for:
            return
        probed, asked = incident.step(RECOVERY, HEALTH_CHECK), incident.ask_of(RECOVERY, CLOSE)
        current = asked if asked and asked.opened > clear_since and asked.number > incident.last_lost else None
        if current and self._needs_no_probe(incident, current):
            return
        if probed and probed.at > clear_since and self._clock() < self._next_check(incident, probed):
            return
        finding = await self._conductor.check_health(incident)
        # Other entries may have been written during the probe; only the alerts must still be clear.
        now = read_incident(self._journal, incident.id)
        if not (now.over or now.held) and all(
            "firing" not in {alert.state, alert.source_state} for alert in self._journal.alerts_of(incident.id)
        ):
            self._write(now, self._records(now, finding, incident.length))

    def _needs_no_probe(self, incident: Incident, asked: AskState) -> bool:
        """End the incident if people confirmed the end and nothing contradicts it; return whether no probe is needed.

        A probe is needed if production was changed since recovery was proven, for example by the undo that the end
        waited for. If only people can judge the incident, they are asked about such a change instead.
        """
        if not asked.granted or not _may_end(incident):
            return True
        people_verify = self._company.plan.people_verify(incident.kind)
        if incident.recovered or (people_verify and incident.recheck is None):
            self._write(incident, [_confirmed(asked)])
            return True
        return people_verify

    def _next_check(self, incident: Incident, probed: StepState) -> datetime:
        """Return when the service is probed again: at once after a change; soon if it was healthy, but not for long."""
        if probed.number < incident.service_changed:
            return probed.at
        rule = recovery_rule(self._company.plan, self._conductor.runbook(incident))
        soon = rule.next_check(incident.good_checks) if probed.finding.verdict is Verdict.SUCCESS else None
        return soon or probed.at + _RECHECK_AFTER

    def _records(self, incident: Incident, finding: Finding, begun: int) -> list[Any]:
        """Return what follows from a check that began when entry `begun` was the last one."""
        plan, title = self._company.plan, f"All alerts have been clear for {short_duration(self._storm.clear_for)}"
        done = StepDone(
            phase=RECOVERY, step=HEALTH_CHECK, title=title, finding=finding, health_check=True, after_entry=begun
        )
        records: list[Any] = [done]
        if finding.verdict is not Verdict.SUCCESS or incident.service_changed > begun:
            return records
        if plan.people_verify(incident.kind):
            return [*records, AskOpened(ask=self._ask(incident, title, finding))]
        if incident.containment.current is None:
            records.append(Contained(by="its alerts are clear and the service is healthy", finding=finding))
        runbook = self._conductor.runbook(incident)
        recovered = proven_recovery(incident, plan, runbook, finding, self._clock())
        if recovered is None and incident.recovered is None:
            return records
        records += [recovered] if recovered else []
        asked = incident.ask_of(RECOVERY, CLOSE)
        if asked and asked.granted and asked.number > incident.last_lost:
            return [*records, _confirmed(asked)] if _may_end(incident) else records
        if _no_one_engaged(incident) and _may_end(incident):
            return [
                *records,
                _ended(f"{title}, the service is healthy, no change is in place, and no one was engaged."),
            ]
        return [*records, AskOpened(ask=self._ask(incident, title, finding))]

    def _ask(self, incident: Incident, title: str, finding: Finding) -> Ask:
        left = "".join(f"\n- still in place: {markdown_safe(act.proposed.title)}" for act in incident.blocks_ending)
        reasons = incident.ends_without_recovery
        doubts = "".join(f"\n- an alert ended, but not because of a recovery: {markdown_safe(one)}" for one in reasons)
        people_verify = self._company.plan.people_verify(incident.kind)
        warning = " That proves nothing about an incident of this kind: only you can tell." if people_verify else ""
        return Ask(
            id=approval_requests.ask_id(incident, RECOVERY, CLOSE),
            kind=AskKind.STEP,
            phase=RECOVERY,
            step=CLOSE,
            title=f"Close the incident? {incident.title}",
            text=f"{title}, and the service looks healthy: {markdown_safe(finding.sentence)}{warning}{doubts}{left}",
            yes="The incident ends as soon as no change is in place any more and the service is still healthy.",
            no="The incident stays open, and the response goes on.",
            policy=approval_requests.response_policy(self._company.plan, reason=True),
            ends=True,
        )

    def _write(self, incident: Incident, records: list[Any]) -> None:
        outbox: list[OutboxMessage] = []
        if records and isinstance(records[-1], IncidentEnded):
            closed, outbox = ending(incident, records[-1])
            records = [*records[:-1], *closed]
        for record in records:
            if isinstance(record, StepDone):
                outbox += loss_messages(incident, record, self._clock())
        self._journal.append(incident.id, records, BY, expect=incident.length, outbox=outbox)


def _ended(reason: str) -> IncidentEnded:
    return IncidentEnded(ending="resolved", reason=reason)


def _confirmed(asked: AskState) -> IncidentEnded:
    return _ended(f"{asked.answers[-1].by.actor} confirmed the end, and all alerts are clear.")


def _may_end(incident: Incident) -> bool:
    return not incident.blocks_ending and not incident.unfinished


def _no_one_engaged(incident: Incident) -> bool:
    """Return whether the incident may end without people: none responds, and its alerts have recovered.

    Only people end the incident of an alert storm, or one whose alert ended for another reason than a recovery: a probe
    that succeeds is not enough.
    """
    if incident.opened.umbrella or incident.ends_without_recovery:
        return False
    return incident.acknowledged_at is None and not incident.opened_by.person and not incident.in_place

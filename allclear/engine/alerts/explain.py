"""Explains an incident: what was decided about each alert by which rule, and why actions are automatic or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allclear.company import Company
from allclear.domain.alert import AlertDecision
from allclear.domain.base import JsonDict
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.template_values import in_storm
from allclear.engine.actions.auto_approval import reasons_against
from allclear.engine.incidents import read_incident
from allclear.journal.ports import Journal

_SHOWN = 1000
"""Lines shown: the first and the newest."""


@dataclass(frozen=True)
class Explanation:
    """The reasons behind one incident, in sentences."""

    incident: str
    opened: list[str]
    """Why the incident was opened with its severity and runbook, and how the severity has changed."""
    automatic: list[str]
    """Which actions were automatic, or why no action may be."""
    stale: list[str]
    """Firing alerts that were not received again for long: they still count as firing."""
    decisions: list[AlertDecision]
    """What was decided about the incident's alerts, in order: the first decision and the newest ones."""
    left_out: int
    """How many decisions are left out after the first."""

    def as_json(self) -> JsonDict:
        """Return the explanation as JSON."""
        rows = [
            vars(one)
            | {"at": one.at.isoformat(), "source_time": one.source_time.isoformat() if one.source_time else None}
            for one in self.decisions
        ]
        return {
            "incident": self.incident,
            "opened": self.opened,
            "automatic": self.automatic,
            "stale": self.stale,
            "decisions": rows,
            "left_out": self.left_out,
        }


def explain(journal: Journal, company: Company, incident_id: str, now: datetime) -> Explanation:
    """Return the explanation of an incident. Raises NotFound, JournalError."""
    incident = read_incident(journal, incident_id)
    decisions = journal.decisions(incident=incident_id, limit=None)
    shown = decisions if len(decisions) <= _SHOWN else [decisions[0], *decisions[1 - _SHOWN :]]
    return Explanation(
        incident_id,
        _opened(incident, decisions),
        _automatic(journal, company, incident, now),
        _stale(journal, company, incident, now),
        shown,
        len(decisions) - len(shown),
    )


def alert_text(state: str, severity: str, title: str) -> str:
    """Return what an alert reports, as `firing, critical: Errors`."""
    return f"{state}{f', {severity}' if severity else ''}: {title}"


def decision_text(decision: str, state: str, incident: str | None, reason: str) -> str:
    """Return what was decided and why, as `joined VS-1: It fires again, and VS-1 is open for it.`."""
    if decision == "joined" and state == "resolved":
        return f"noted in {incident}: {reason.replace('Its ', 'its ', 1)}"
    return f"{decision}{f' {incident}' if incident else ''}: {reason}"


def _opened(incident: Incident, decisions: list[AlertDecision]) -> list[str]:
    opened = incident.opened
    reason = next((decision.reason for decision in decisions if decision.decision == "opened"), "")
    if opened.umbrella:
        reason = "Alert storm: many incidents were opened at once. The response is that of the most severe incident."
    first = f"{opened.severity}, with the runbook {opened.runbook}: {opened.reported}."
    changes = [f"Severity {change.was} became {change.now}: {change.reason}." for _, change in incident.severities]
    off = "" if incident.storm_umbrella is None else f"No action is automatic here: {in_storm(incident)}."
    return [line for line in (f"Opened as {first}", reason, *changes, off) if line]


def _automatic(journal: Journal, company: Company, incident: Incident, now: datetime) -> list[str]:
    acted = [act for act in incident.acts.values() if act.proposed.auto_approve and act.intended_at]
    if acted:
        return [f"{act.id} was automatic, because no one vetoed it: {act.proposed.title}." for act in acted]
    if incident.over:
        return ["No action was automatic."]
    book = company.runbooks.get(incident.opened.runbook)
    if book is None:
        return [f"No action is automatic: the runbook {incident.opened.runbook} no longer exists."]
    if not any(step.auto_approve for step in book.contain):
        return [f"No step of the runbook {incident.opened.runbook} is automatic."]
    against = reasons_against(incident, journal.entries(incident.id), company.plan.storm, now)
    reasons = [f"No action is automatic: {reason}." for reason in against] or [
        "The steps that the plan allows to be automatic are automatic."
    ]
    return [*reasons, *_unauthenticated(journal, incident)]


def _unauthenticated(journal: Journal, incident: Incident) -> list[str]:
    """Return why an authenticated repeat changes nothing: only an alert that is recorded can prove its source."""
    firing = {key: one for key, one in incident.alerts.items() if one.state == "firing"}
    if any(one.authenticated for one in firing.values()):
        return []
    again = [one.key for one in journal.alerts_of(incident.id) if one.key in firing and one.count > 1]
    return [
        f"The first alert with the key {key} was not authenticated."
        " A repeat of it cannot change that, so approvals stay required."
        for key in again
    ]


def _stale(journal: Journal, company: Company, incident: Incident, now: datetime) -> list[str]:
    """Return the firing alerts that were not received again for long."""
    known = [one for one in journal.alerts_of(incident.id) if one.state == "firing"] if not incident.over else []
    return [
        f"{one.key} is stale: not received again for {short_duration(now - one.last_seen_at)}. It counts as firing."
        for one in known
        if now - one.last_seen_at > company.plan.storm.stale_after
    ]

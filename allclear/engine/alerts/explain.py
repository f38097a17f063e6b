"""Why an incident is what it is: what became of each alert, by which rule, and what acts alone or why nothing does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allclear.company import Company
from allclear.domain.alert import AlertDecision
from allclear.domain.base import JsonDict
from allclear.domain.durations import say_duration
from allclear.domain.incident import Incident
from allclear.domain.template_values import in_storm
from allclear.engine.actions.auto_approval import reasons_against
from allclear.engine.incidents import read_incident
from allclear.journal.ports import Journal

_SHOWN = 1000
"""Of an incident with more lines than these, the first stays and the newest."""


@dataclass(frozen=True)
class Explanation:
    """The reasons behind one incident, in sentences."""

    incident: str
    opened: list[str]
    """Why it was opened with its severity and its runbook, and how the severity has changed."""
    alone: list[str]
    """What acted by itself, or why nothing may."""
    stale: list[str]
    """Which alerts nobody has heard of for long: they count as firing."""
    heard: list[AlertDecision]
    """What was heard, in order: how it began, and the newest."""
    left_out: int
    """How many more there are, between the first and the second of these."""

    def as_json(self) -> JsonDict:
        """Return it as JSON."""
        rows = [
            vars(one)
            | {"at": one.at.isoformat(), "source_time": one.source_time.isoformat() if one.source_time else None}
            for one in self.heard
        ]
        return {
            "incident": self.incident,
            "opened": self.opened,
            "alone": self.alone,
            "stale": self.stale,
            "heard": rows,
            "left_out": self.left_out,
        }


def explain(journal: Journal, company: Company, incident_id: str, now: datetime) -> Explanation:
    """Return why the incident is what it is. Raises NotFound, JournalError."""
    incident = read_incident(journal, incident_id)
    heard = journal.decisions(incident=incident_id, limit=None)
    shown = heard if len(heard) <= _SHOWN else [heard[0], *heard[1 - _SHOWN :]]
    return Explanation(
        incident_id,
        _opened(incident, heard),
        _alone(journal, company, incident, now),
        _stale(journal, company, incident, now),
        shown,
        len(heard) - len(shown),
    )


def heard_words(state: str, severity: str, title: str) -> str:
    """Return what an alert said, as `firing, critical: Errors`."""
    return f"{state}{f', {severity}' if severity else ''}: {title}"


def became_words(decision: str, state: str, incident: str | None, reason: str) -> str:
    """Return what became of an alert and by which rule, as `joined VS-1: It fires again; VS-1 is open for it.`."""
    if decision == "joined" and state == "resolved":
        return f"noted in {incident}: its source calls it over. A look decides whether the service is well."
    return f"{decision}{f' {incident}' if incident else ''}: {reason}"


def _opened(incident: Incident, heard: list[AlertDecision]) -> list[str]:
    opened = incident.opened
    by = next((one.reason for one in heard if one.decision == "opened"), "")
    if opened.umbrella:
        by = "Too many incidents were opened at once: it is responded to as the gravest of them."
    first = f"{opened.severity}, with the runbook {opened.runbook}: {opened.reported}."
    changes = [f"Severity {change.was} became {change.now}: {change.reason}." for _, change in incident.severities]
    off = "" if incident.storm_umbrella is None else f"Nothing acts by itself here: {in_storm(incident)}."
    return [line for line in (f"Opened as {first}", by, *changes, off) if line]


def _alone(journal: Journal, company: Company, incident: Incident, now: datetime) -> list[str]:
    acted = [act for act in incident.acts.values() if act.proposed.auto_approve and act.intended_at]
    if acted:
        return [f"{act.id} acted by itself, for nobody stopped it: {act.proposed.title}." for act in acted]
    if incident.over:
        return ["Nothing acted by itself."]
    book = company.runbook(incident.opened.runbook)
    if not any(step.auto_approve for step in book.contain):
        return [f"No step of the runbook {incident.opened.runbook} acts by itself."]
    against = reasons_against(incident, journal.entries(incident.id), company.plan.storm, now)
    told = [f"Nothing acts by itself: {one}." for one in against] or ["A step that the plan lets act alone may."]
    return [*told, *_weak(journal, incident)]


def _weak(journal: Journal, incident: Incident) -> list[str]:
    """Whoever sees the same alert with its proof later must not wonder: a repeat is not written down, nor trusted."""
    firing = {key: one for key, one in incident.alerts.items() if one.state == "firing"}
    if any(one.authenticated for one in firing.values()):
        return []
    again = [one.key for one in journal.alerts_of(incident.id) if one.key in firing and one.count > 1]
    return [
        f"It stays with approvals: {key} was weakly proven when it came, and a repeat is no proof." for key in again
    ]


def _stale(journal: Journal, company: Company, incident: Incident, now: datetime) -> list[str]:
    """Silence is told, and never taken for an end."""
    known = [one for one in journal.alerts_of(incident.id) if one.state == "firing"] if not incident.over else []
    return [
        f"{one.key} is stale: nothing was heard of it for {say_duration(now - one.last_seen_at)}. It counts as firing."
        for one in known
        if now - one.last_seen_at > company.plan.storm.stale_after
    ]

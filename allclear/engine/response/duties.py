"""The steps that a plan adds to every runbook: saving evidence before containment, and the duties."""

from __future__ import annotations

from dataclasses import dataclass

from allclear.domain.ask_state import AskState
from allclear.domain.incident import Incident
from allclear.domain.plan import Assignment, Duty, Evidence, Plan
from allclear.domain.pseudo_phases import DUTY
from allclear.domain.reminders.deadlines import duties
from allclear.domain.runbook import Step


def evidence_steps(plan: Plan, incident: Incident) -> list[Step]:
    """Return the evidence that people are asked to save before anything is changed, as steps."""
    applying = plan.applying(plan.evidence, incident.severity, incident.kind, incident.facets)
    return [_step(_evidence_name(evidence), evidence) for evidence in applying]


def evidence_names(plan: Plan, incident: Incident | None = None) -> set[str]:
    """Return the step names of the plan's evidence: of all of it, or of what applies to `incident`."""
    if incident is not None:
        return {step.id for step in evidence_steps(plan, incident)}
    return {_evidence_name(evidence) for evidence in plan.evidence}


def _evidence_name(evidence: Evidence) -> str:
    return f"evidence-{evidence.name}"


def duty_step(duty: Duty) -> Step:
    """Return a duty as a step; the other steps do not wait for it."""
    return _step(duty.name, duty).model_copy(update={"meanwhile": True})


def _step(name: str, source: Assignment) -> Step:
    return Step.model_validate({"id": name, "title": source.title, "person": source.role, "ask": source.ask})


@dataclass(frozen=True)
class DutyState:
    """A duty of the plan in one incident, with the ask for it."""

    step: Step
    ask: AskState | None
    """The latest ask for it; None if there is none, or if it was withdrawn."""
    applies: bool

    @property
    def to_be_asked(self) -> bool:
        """Return whether people are still to be asked for it."""
        return self.applies and self.ask is None

    @property
    def to_be_withdrawn(self) -> bool:
        """Return whether its open ask is to be withdrawn because the duty no longer applies."""
        return not self.applies and self.ask is not None and self.ask.open


def duty_states(plan: Plan, incident: Incident) -> list[DutyState]:
    """Return the state of each duty of the plan, in the plan's order."""
    applying = {duty.name for duty in duties(plan, incident)}
    states: list[DutyState] = []
    for duty in plan.duties:
        ask = incident.ask_of(DUTY, duty.name)
        states.append(DutyState(duty_step(duty), None if ask is None or ask.withdrawn else ask, duty.name in applying))
    return states

"""The steps that a plan asks for by itself, whatever the runbook says: evidence before containment, and duties."""

from __future__ import annotations

from dataclasses import dataclass

from allclear.domain.deadlines import DUTY, duties
from allclear.domain.incident import AskState, Incident
from allclear.domain.plan import Duty, Evidence, Plan
from allclear.domain.runbook import Step


def evidence_steps(plan: Plan, incident: Incident) -> list[Step]:
    """Return what people are asked to keep before anything is changed, as steps."""
    wanted = plan.applying(plan.evidence, incident.severity, incident.kind, incident.facets)
    return [_step(f"evidence-{line.name}", line) for line in wanted]


def duty_step(duty: Duty) -> Step:
    """Return a duty as a step; it stops no other."""
    return _step(duty.name, duty).model_copy(update={"meanwhile": True})


def _step(name: str, line: Duty | Evidence) -> Step:
    return Step.model_validate({"id": name, "title": line.title, "person": line.role, "ask": line.ask})


@dataclass(frozen=True)
class DutyState:
    """How a duty stands in an incident."""

    step: Step
    ask: AskState | None
    """The ask that stands for it now; None where it is still to be asked."""
    applies: bool

    @property
    def to_be_asked(self) -> bool:
        """Return whether somebody has to be asked."""
        return self.applies and self.ask is None

    @property
    def to_be_dropped(self) -> bool:
        """Return whether its question has lost its ground."""
        return not self.applies and self.ask is not None and self.ask.open


def duty_states(plan: Plan, incident: Incident) -> list[DutyState]:
    """Return how each duty of the plan stands."""
    applying = {duty.name for duty in duties(plan, incident)}
    found: list[DutyState] = []
    for duty in plan.duties:
        ask = incident.ask_of(DUTY, duty.name)
        standing = None if ask is None or ask.withdrawn else ask
        found.append(DutyState(duty_step(duty), standing, duty.name in applying))
    return found

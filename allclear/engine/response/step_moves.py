"""The next move of one step of the runbook, by its kind: a probe, a person's step, an action, a containment measure.

Each function returns None once the step is done. Undo steps are in `allclear.engine.response.undo_moves`.
"""

from __future__ import annotations

from allclear.domain.action import ActStatus, Verdict
from allclear.domain.approval import AskKind
from allclear.domain.clearance import Clearance, clearance, missing_approvals
from allclear.domain.incident import Act, Incident
from allclear.domain.runbook import Phase, ProbeCall, Runbook, Step
from allclear.engine.response.moves import AskPeople, CarryOut, FalseAlarm, Move, Propose, RunProbe, Wait
from allclear.engine.response.step_keys import MANUAL_CONTAINMENT, choice_key, proof_key

_MOST_PROPOSALS = 4
"""How often a step may be proposed: again if the target changed, a refusal passes, or another candidate was chosen."""

_MAY_HAVE_HELPED = {ActStatus.VERIFIED, ActStatus.APPLIED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE}
"""Outcomes after which a measure is proven. One that was already done counts: it may help this incident too."""


def probe_move(incident: Incident, phase: Phase, step: Step) -> Move | None:
    """Return the next move of a probe step; a result that the step did not expect is put to people."""
    call = ProbeCall.model_validate({"probe": step.probe, "with": step.with_, "within": step.within})
    result = incident.step(phase, step.id)
    if result is None:
        return RunProbe(phase, step, step.id, call)
    healthy = result.finding.verdict is Verdict.SUCCESS
    if step.expects == "trouble" and healthy:
        ask = incident.ask_of(phase, step.id)
        if ask is None:
            return AskPeople(phase, step, AskKind.FALSE_ALARM, result.finding.sentence)
        if ask.open:
            return Wait((ask.ask.id,))
        return FalseAlarm(phase, ask.ask.id) if ask.granted else None
    if step.expects == "health" and not healthy:
        return _repeat_check(incident, RunProbe(phase, step, step.id, call))
    return None


def _repeat_check(incident: Incident, check: RunProbe) -> Move | None:
    """Return the next move of a health check that failed: people decide whether to repeat it or to go on without it."""
    result, ask = incident.step(check.phase, check.key), incident.ask_of(check.phase, check.key)
    if result is None:
        return check
    if ask is None or (ask.number < result.number and not ask.open):
        return AskPeople(check.phase, check.step, AskKind.RETRY, result.finding.sentence)
    if ask.open:
        return Wait((ask.ask.id,))
    return check if ask.granted else None


def person_move(incident: Incident, phase: Phase, step: Step) -> Move | None:
    """Return the next move of a step that a person does."""
    if incident.step(phase, step.id):
        return None
    ask = incident.ask_of(phase, step.id)
    return Wait((ask.ask.id,)) if ask else AskPeople(phase, step, AskKind.STEP)


def action_move(incident: Incident, phase: Phase, step: Step) -> Move | None:
    """Return the next move of an action step; it is proposed again if the target has changed since."""
    act = incident.act_of(phase, step.id)
    if act is None or (act.outcome and _was_inapplicable(incident, act)):
        return Propose(phase, step)
    if act.outcome is None:
        return pending_move(incident, phase, act)
    if _proposals(incident, phase, step.id) >= _MOST_PROPOSALS:
        return None
    if act.outcome.drifted or act.outcome.passes:
        return Propose(phase, step, _chosen(incident, phase, step))
    if _unanswered(incident, act):
        return Propose(phase, step, fallback=True)
    return _choice_move(incident, phase, step, act)


def pending_move(incident: Incident, phase: Phase, act: Act) -> Move:
    """Return the next move of an act that has no outcome yet: wait for its approval, or carry it out."""
    if clearance(incident, act) is Clearance.WAITING:
        return Wait(missing_approvals(incident, act))
    return CarryOut(phase, act.id, act.proposed.title)


def _was_inapplicable(incident: Incident, act: Act) -> bool:
    """Return whether the question about this act was withdrawn because its step did not apply at that time."""
    return any(incident.asks[ask].inapplicable for ask in act.asks)


def _unanswered(incident: Incident, act: Act) -> bool:
    """Return whether the ask of this act timed out, so that the standard text is sent instead."""
    asks = [incident.asks[ask] for ask in act.asks]
    return any(ask.withdrawn and ask.ask.window and ask.ask.window.then == "fallback" for ask in asks)


def _choice_move(incident: Incident, phase: Phase, step: Step, act: Act) -> Move | None:
    """Return the next move of an act that was refused with candidates: people choose one, or go on without it."""
    if not any(refusal.candidates for refusal in act.refusals):
        return None
    ask = incident.ask_of(phase, choice_key(step.id))
    if ask is None or (ask.number < act.number and not ask.open):  # the chosen candidate was refused too
        return AskPeople(phase, step, AskKind.CHOICE, act.id)
    if ask.open:
        return Wait((ask.ask.id,))
    return Propose(phase, step, ask.chosen) if ask.granted else None


def _chosen(incident: Incident, phase: Phase, step: Step) -> str | None:
    ask = incident.ask_of(phase, choice_key(step.id))
    return ask.chosen if ask else None


def measure_move(incident: Incident, runbook: Runbook, phase: Phase, step: Step) -> Move | None:
    """Return the next move of a containment measure: its act, then the probe that shows whether it worked."""
    act = incident.act_of(phase, step.id)
    if incident.contained and (act is None or act.outcome):
        return None
    move = action_move(incident, phase, step)
    if move is not None:
        return move
    if act is None or act.outcome is None or act.outcome.status not in _MAY_HAVE_HELPED:
        return None
    key = proof_key(step.id)
    if incident.step(phase, key):
        return None
    return RunProbe(phase, step, key, step.proof or runbook.health, contained_by=act.proposed.title)


def manual_containment(incident: Incident, runbook: Runbook, phase: Phase) -> tuple[Step, Move] | None:
    """Return the next move if no measure worked: people contain, and the service is probed each time they ask for it.

    None if the incident is contained, or if people go on without containment.
    """
    if incident.contained:
        return None
    step = Step.model_validate(
        {
            "id": MANUAL_CONTAINMENT,
            "title": "Contained by hand?",
            "probe": runbook.health.probe,
            "with": runbook.health.with_,
            "expects": "health",
        }
    )
    check = RunProbe(phase, step, MANUAL_CONTAINMENT, runbook.health, contained_by="Found healthy again")
    move = _repeat_check(incident, check)
    return (step, move) if move else None


def _proposals(incident: Incident, phase: Phase, step: str) -> int:
    acts = (act for act in incident.acts.values() if (act.proposed.phase, act.proposed.step) == (phase.value, step))
    return sum(not _was_inapplicable(incident, act) for act in acts)

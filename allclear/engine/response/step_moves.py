"""The next move of one step of the runbook, by its kind: a probe, a person's step, an action.

Each function returns None once the step is done. Containment, recovery and undo steps have modules of their own.
"""

from __future__ import annotations

from allclear.domain.act import Act
from allclear.domain.action import Verdict
from allclear.domain.approval import AskKind
from allclear.domain.approved_change import Clearance, clearance, missing_approvals
from allclear.domain.incident import Incident
from allclear.domain.runbook import Phase, ProbeCall, Step
from allclear.engine.response.moves import AskPeople, CarryOut, FalseAlarm, Move, Propose, RunProbe, Wait
from allclear.engine.response.step_keys import choice_key

_MOST_PROPOSALS = 4
"""How often a step may be proposed: again if the target changed, a refusal passes, or another candidate was chosen."""


def probe_call(step: Step) -> ProbeCall:
    """Return the probe of a probe step."""
    return ProbeCall.model_validate({"probe": step.probe, "with": step.with_, "within": step.within})


def probe_move(incident: Incident, phase: Phase, step: Step, *, people_verify: bool = False) -> Move | None:
    """Return the next move of a probe step; a result that the step did not expect is put to people.

    `people_verify` is set for a kind of incident that no probe can judge: a healthy service is then no false alarm.
    """
    check = RunProbe(phase, step, step.id, probe_call(step))
    result = incident.step(phase, step.id)
    if result is None:
        return check
    healthy = result.finding.verdict is Verdict.SUCCESS
    if step.expects == "trouble" and healthy:
        return _false_alarm(incident, check, result.finding.sentence, people_verify=people_verify)
    if step.expects == "health" and not healthy:
        return repeat_check(incident, check)
    return None


def _false_alarm(incident: Incident, check: RunProbe, finding: str, *, people_verify: bool) -> Move | None:
    """Return the next move after detection found the service healthy: people say whether it is a false alarm."""
    ask = incident.ask_of(check.phase, check.key)
    if people_verify:
        return None
    if ask is None:
        return AskPeople(check.phase, check.step, AskKind.FALSE_ALARM, finding)
    if ask.open:
        return Wait((ask.ask.id,))
    return FalseAlarm(check.phase, ask.ask.id) if ask.granted else None


def repeat_check(incident: Incident, check: RunProbe) -> Move | None:
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


def action_move(incident: Incident, phase: Phase, step: Step, since: int = 0) -> Move | None:
    """Return the next move of an action step; it is proposed again if the target has changed since.

    `since` is the number of the entry from which on its proposals are counted.
    """
    act = incident.act_of(phase, step.id)
    if act is None or (act.outcome and _was_inapplicable(incident, act)):
        return Propose(phase, step)
    if act.outcome is None:
        return pending_move(incident, phase, act)
    if _proposals(incident, phase, step.id, since) >= _MOST_PROPOSALS:
        return None
    if act.outcome.drifted or act.outcome.passes:
        return Propose(phase, step, _chosen(incident, phase, step))
    if _unanswered(incident, act):
        return Propose(phase, step, fallback=True)
    return _choice_move(incident, phase, step, act)


def pending_move(incident: Incident, phase: Phase, act: Act) -> Move:
    """Return the next move of an act that has no outcome yet: wait for its approval, or carry it out."""
    cleared = clearance(incident, act)
    if cleared is Clearance.WAITING:
        return Wait(missing_approvals(incident, act))
    if cleared is Clearance.HELD:
        return Wait((), held=True)
    return CarryOut(phase, act.id, act.proposed.title)


def _was_inapplicable(incident: Incident, act: Act) -> bool:
    """Return whether the question about this act was withdrawn because its step did not apply at that time."""
    return any(incident.asks[ask].inapplicable for ask in act.asks)


def _unanswered(incident: Incident, act: Act) -> bool:
    """Return whether the ask of this act timed out, so that the standard text is sent instead."""
    asks = [incident.asks[ask] for ask in act.asks]
    return any(ask.withdrawn and ask.ask.window and ask.ask.window.then == "fallback" for ask in asks)


def _choice_move(incident: Incident, phase: Phase, step: Step, act: Act) -> Move | None:
    """Return the next move of an act that lacks a choice: people choose or type one, or go on without it."""
    if not any(refusal.candidates or refusal.typed for refusal in act.refusals):
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


def _proposals(incident: Incident, phase: Phase, step: str, since: int) -> int:
    acts = (act for act in incident.acts.values() if (act.proposed.phase, act.proposed.step) == (phase.value, step))
    return sum(act.number >= since and not _was_inapplicable(incident, act) for act in acts)

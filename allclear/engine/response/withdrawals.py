"""Which open questions are to be withdrawn: their step no longer applies, or another act has made their change.

Pure: it follows from the record, the plan and the runbook. A step applies again if the severity, the kind, the facts or
containment change back; it is then asked again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from allclear.domain.act import Act
from allclear.domain.action import ActStatus, Outcome, Verdict
from allclear.domain.approval import AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.fact_questions import why_not_asked
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.pseudo_phases import RECOVERY
from allclear.domain.records import ActFinished, AskWithdrawn
from allclear.domain.runbook import Phase, Runbook, Step
from allclear.domain.template_values import waiting
from allclear.domain.text import plain
from allclear.engine.response.duties import duty_states, evidence_names
from allclear.engine.response.moves import WithdrawAsk
from allclear.engine.response.step_keys import MANUAL_CONTAINMENT, STILL_CONTAINED, choice_key, is_undo_key, proof_key
from allclear.journal.rows import OutboxKind, OutboxMessage

_OTHER_FACTS = "it does not apply, according to the facts that are recorded now"


def reason_against(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase, step: Step) -> str:
    """Return why a step of the runbook does not apply to the incident as it is now; empty if it applies."""
    if reason := _reason_in_facts(incident, plan, step):
        return reason
    if incident.recovered and _announces_trouble(incident, phase, step):
        return "the service has recovered, so there is no trouble to announce any more"
    results = (incident.step(phase, needed) for needed in runbook.needs_done(phase, step))
    before = next((result for result in results if result), None)
    if before and before.finding.verdict is not Verdict.SUCCESS:
        return f'"{plain(before.title)}" was answered "not done"'
    return ""


def left_out_without(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase, step: str) -> list[Step]:
    """Return the steps that are left out if the step `step` is not done, and that apply to the incident otherwise."""
    depending = (one for one in runbook.steps(phase) if step in runbook.needs_done(phase, one))
    return [one for one in depending if not _reason_in_facts(incident, plan, one)]


def _reason_in_facts(incident: Incident, plan: Plan, step: Step) -> str:
    """Return why a step does not apply, by the severity and the kind of the incident; empty if it applies.

    For a severity that only makes a ticket, the steps that name it apply, and the undo steps.
    """
    severity = plan.severity(incident.severity)
    if step.severities is not None and incident.severity not in step.severities:
        return f"the severity is {incident.severity} now, and this step is for {', '.join(step.severities)}"
    if step.kinds is not None and incident.kind not in step.kinds:
        return f"the incident's kind is {incident.kind} now, and this step is for {', '.join(step.kinds)}"
    if severity and not severity.contains and step.measure:
        return f"the severity is {severity.name} now, for which the plan has no containment"
    if severity and severity.ticket_only and not (step.severities or step.undo):
        return f"the severity is {severity.name} now, which only makes a ticket"
    return ""


def _announces_trouble(incident: Incident, phase: Phase, step: Step) -> bool:
    """Return whether the step's act opens a public notice of the trouble, and was not begun."""
    act = incident.act_of(phase, step.id)
    if act is None or phase in {Phase.RESOLVE, Phase.REVIEW}:
        return False
    return act.proposed.tells and bool(act.proposed.leaves) and act.intended is None


def questions_to_withdraw(incident: Incident, plan: Plan, runbook: Runbook) -> Iterator[WithdrawAsk]:
    """Yield the moves that withdraw open questions, with the reason for each. After the end: only in the review."""
    if incident.over and Phase.REVIEW.value not in incident.entered:
        return
    for duty in duty_states(plan, incident):
        if duty.to_be_withdrawn and duty.ask:
            yield WithdrawAsk(duty.ask.ask.id, _OTHER_FACTS, inapplicable=True)
    for state in waiting(incident):
        other = _made_by(incident, state)
        if other is not None:
            reason = f"{plain(other.by.actor, 60)} had the same change made meanwhile ({other.id})"
            yield WithdrawAsk(state.ask.id, reason)
        elif reason := _no_false_alarm(incident, plan, state) or _inapplicable(incident, plan, runbook, state):
            yield WithdrawAsk(state.ask.id, reason, inapplicable=True)


def withdrawal(incident: Incident, move: WithdrawAsk) -> tuple[list[Any], list[OutboxMessage]]:
    """Return the records of a withdrawn question, and the outbox message that resumes the flow run that waits for it.

    The act that it asked about ends with it: as done if another act has made the change, or else as refused.
    """
    records: list[Any] = [AskWithdrawn(ask=move.ask, reason=move.reason, inapplicable=move.inapplicable)]
    state = incident.asks[move.ask]
    act = incident.acts.get(state.ask.act or "")
    if act is not None and act.outcome is None and not act.begun:
        if move.inapplicable:
            status, sentence = ActStatus.REFUSED, f"Its question was withdrawn, because {move.reason}."
        else:
            status, sentence = ActStatus.VERIFIED, f"It was already done: {move.reason}."
        records.append(ActFinished(act=act.id, outcome=Outcome(status=status, changed=False, sentence=sentence)))
    resume = OutboxMessage(OutboxKind.RESUME, incident.id, f"withdrawn:{move.ask}", {"ask": move.ask})
    return records, [resume]


def _made_by(incident: Incident, state: AskState) -> Act | None:
    """Return an act that was carried out since the question was asked and made the same change, or None."""
    act = incident.acts.get(state.ask.act or "")
    if act is None or state.ask.kind is not AskKind.APPROVAL:
        return None
    for other in incident.acts.values():
        same = other.proposed.resource == act.proposed.resource and other.proposed.digest == act.proposed.digest
        if same and other.id != act.id and other.issued > state.number and other.status is ActStatus.VERIFIED:
            return other
    return None


def _no_false_alarm(incident: Incident, plan: Plan, state: AskState) -> str:
    """Return the reason against asking about a false alarm if no probe can judge the incident's kind; else nothing."""
    asked = state.ask.kind is AskKind.FALSE_ALARM and plan.people_verify(incident.kind)
    return "a healthy service proves nothing about an incident of this kind" if asked else ""


def _inapplicable(incident: Incident, plan: Plan, runbook: Runbook, state: AskState) -> str:
    """Return why a question is not to be asked now; empty if it is, or if it is no question of the runbook."""
    ask = state.ask
    if ask.asks_fact:
        return why_not_asked(plan, incident, ask.step)
    if ask.phase not in set(Phase):
        return _fails_again(incident, state) if ask.phase == RECOVERY else ""
    if ask.step in evidence_names(plan):
        return "" if ask.step in evidence_names(plan, incident) else _OTHER_FACTS
    if ask.step == STILL_CONTAINED:
        return "" if incident.recheck else "it was checked meanwhile whether the incident is still contained"
    phase = Phase(ask.phase)
    steps = _steps_of(runbook.steps(phase), ask.step)
    reasons = [reason_against(incident, plan, runbook, phase, step) for step in steps]
    if reasons and all(reasons):
        return reasons[0]
    contains = ask.step == MANUAL_CONTAINMENT or any(step.measure for step in steps)
    return "the incident is contained now" if contains and incident.containment.current else ""


def _fails_again(incident: Incident, state: AskState) -> str:
    """Return the reason against closing the incident: an alert fires, or the service failed again; empty if neither."""
    if incident.last_lost > state.number:
        return "the service has failed again since"
    firing = [alert.title for alert in incident.alerts.values() if alert.state == "firing"]
    return f'the alert "{plain(firing[0])}" fires again' if firing else ""


def _steps_of(steps: list[Step], key: str) -> list[Step]:
    """Return the steps of a phase that the question with the step name `key` is about."""
    if key == MANUAL_CONTAINMENT:
        return [step for step in steps if step.measure]
    about = [step for step in steps if key in {step.id, choice_key(step.id), proof_key(step.id)}]
    return about or [step for step in steps if step.undo and is_undo_key(key)]

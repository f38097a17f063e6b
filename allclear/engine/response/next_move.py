"""Which move comes next in an incident: a pure function of its journal, its runbook and its plan.

Because the next move follows from the journal alone, a response can be killed at any line and started again: a new
process computes the same move. `allclear.engine.response.conductor` makes the moves.
"""

from __future__ import annotations

from collections.abc import Iterator

from allclear.domain.approval import AskKind
from allclear.domain.deadlines import DUTY
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.runbook import Phase, Runbook, Step
from allclear.engine.response.duties import duty_states, evidence_steps
from allclear.engine.response.moves import AskPeople, Enter, Leave, Move, Over, Wait
from allclear.engine.response.step_moves import (
    action_move,
    manual_containment,
    measure_move,
    person_move,
    probe_move,
)
from allclear.engine.response.undo_moves import undo_move
from allclear.engine.response.withdrawals import questions_to_withdraw, reason_against

REOPENED = (Phase.DETECT, Phase.CONTAIN)
"""The phases that are entered again when the severity of an incident is raised before it has recovered."""


def next_move(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> Move:
    """Return the next move in `phase`; Over once the phase has been left or the incident has ended before it.

    Questions that are no longer to be answered are withdrawn first, whatever their phase.
    """
    if gone := next(questions_to_withdraw(incident, plan, runbook), None):
        return gone
    if has_left(incident, plan, phase) or (incident.over and phase is not Phase.REVIEW):
        return Over()
    if phase.value not in incident.entered:
        return Enter(phase)
    waits: list[str] = []
    blocked = False
    for step, move in _moves(incident, plan, runbook, phase):
        if isinstance(move, Wait):
            # Asks that block the other steps come first.
            waits = [*waits, *move.asks] if step.meanwhile else [*move.asks, *waits]
            blocked = blocked or not step.meanwhile
        elif not blocked or step.meanwhile:
            return move
    return Wait(tuple(waits)) if waits else Leave(phase)


def has_left(incident: Incident, plan: Plan, phase: Phase) -> bool:
    """Return whether `phase` is done.

    Detection and containment are done again if the severity was raised since they were left and the incident has not
    recovered: the higher severity may page people and contain.
    """
    if phase.value not in incident.left:
        return False
    raised = plan.rank(incident.severity) < plan.rank(incident.left_at[phase.value])
    recovered = incident.over or incident.recovered_at is not None
    return recovered or not raised or phase not in REOPENED


def applicable(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> list[Step]:
    """Return the steps of `phase` that apply to the incident's severity and kind."""
    return [step for step in runbook.steps(phase) if not reason_against(incident, plan, step)]


def _moves(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> Iterator[tuple[Step, Move]]:
    """Yield the move of each unfinished step, in the order of the runbook."""
    yield from _duties(incident, plan, phase)
    steps = applicable(incident, plan, runbook, phase)
    first_measure = next((step for step in steps if step.measure), None)
    last_measure = next((step for step in reversed(steps) if step.measure), None)
    for step in steps:
        if step is first_measure and not incident.contained and not _measure_begun(incident, phase, steps):
            yield from _evidence(incident, plan, phase)
        move = _move_of(incident, runbook, phase, step)
        if move is not None:
            yield step, move
        if step is last_measure and move is None and (manual := manual_containment(incident, runbook, phase)):
            yield manual


def _measure_begun(incident: Incident, phase: Phase, steps: list[Step]) -> bool:
    """Return whether a measure has begun and has no outcome yet: it does not wait for evidence."""
    acts = [incident.act_of(phase, step.id) for step in steps if step.measure]
    return any(act.begun for act in acts if act)


def _evidence(incident: Incident, plan: Plan, phase: Phase) -> Iterator[tuple[Step, Move]]:
    """Yield the questions for the evidence that people must save before containment changes it."""
    for step in evidence_steps(plan, incident):
        if move := person_move(incident, phase, step):
            yield step, move


def _duties(incident: Incident, plan: Plan, phase: Phase) -> Iterator[tuple[Step, Move]]:
    """Yield the moves of the plan's duties: asked once the trouble is verified, and waited for in the review."""
    if phase is Phase.DETECT:
        return
    for duty in duty_states(plan, incident):
        if duty.to_be_asked:
            yield duty.step, AskPeople(DUTY, duty.step, AskKind.STEP)
        elif phase is Phase.REVIEW and duty.ask and duty.ask.open:
            yield duty.step, Wait((duty.ask.ask.id,))


def _move_of(incident: Incident, runbook: Runbook, phase: Phase, step: Step) -> Move | None:
    """Return the next move of one step; None if the step is done."""
    if step.probe:
        return probe_move(incident, phase, step)
    if step.person:
        return person_move(incident, phase, step)
    if step.undo:
        return undo_move(incident, phase, step)
    if step.measure:
        return measure_move(incident, runbook, phase, step)
    return action_move(incident, phase, step)

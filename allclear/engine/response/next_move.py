"""Which move comes next in an incident: a pure function of its journal, its runbook and its plan.

Because the next move follows from the journal alone, a response can be killed at any line and started again: a new
process computes the same move. `allclear.engine.response.conductor` makes the moves.
"""

from __future__ import annotations

from collections.abc import Iterator

from allclear.domain.approval import AskKind
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.pseudo_phases import DUTY
from allclear.domain.runbook import Phase, Runbook, Step
from allclear.engine.response.containment_moves import Containment
from allclear.engine.response.duties import duty_states, evidence_steps
from allclear.engine.response.moves import AskPeople, Enter, Leave, Move, Over, Propose, Wait
from allclear.engine.response.recovery_moves import recovery_move
from allclear.engine.response.step_keys import STILL_CONTAINED
from allclear.engine.response.step_moves import action_move, person_move, probe_move
from allclear.engine.response.undo_moves import undo_move
from allclear.engine.response.withdrawals import questions_to_withdraw, reason_against

REOPENED = (Phase.DETECT, Phase.CONTAIN)
"""The phases that are entered again when the severity of an incident is raised before it has recovered."""


LEFT_WITH_QUESTIONS = (Phase.DETECT, Phase.CONTAIN)
"""The phases that do not wait for their `meanwhile` steps: a question about the status page must not hold up the search
for the cause. The question stays open, and what follows from its answer is still done."""


def next_move(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> Move:
    """Return the next move in `phase`; Over once the phase has been left or the incident has ended before it.

    A mere ticket has no response.

    Questions that are no longer to be answered are withdrawn first, whatever their phase.
    """
    if gone := next(questions_to_withdraw(incident, plan, runbook), None):
        return gone
    if incident.opened.ticket or (incident.over and phase is not Phase.REVIEW):
        return Over()
    if has_left(incident, plan, phase):
        return _after_leaving(incident, plan, runbook, phase)
    if phase.value not in incident.entered:
        return Enter(phase)
    waits: list[str] = []
    blocked, stays, held = False, phase not in LEFT_WITH_QUESTIONS, False
    for step, move in _moves(incident, plan, runbook, phase):
        if isinstance(move, Wait):
            # Asks that block the other steps come first.
            waits = [*waits, *move.asks] if step.meanwhile else [*move.asks, *waits]
            blocked = blocked or not step.meanwhile
            stays = stays or blocked or step.id == STILL_CONTAINED
            held = held or move.held
        elif not blocked or step.meanwhile:
            return move
    # The resolution ends the incident, which is automatic, too.
    held = held or (phase is Phase.RESOLVE and incident.held is not None)
    return Wait(tuple(waits), held) if (waits or held) and stays else Leave(phase)


def _after_leaving(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> Move:
    """Return the next move of a `meanwhile` step that the phase was left without; Over if people must answer first.

    Its question was answered since, or no one answered in time, or the change is to be worked out again.
    """
    if phase in LEFT_WITH_QUESTIONS:
        for step in applicable(incident, plan, runbook, phase):
            begun = incident.act_of(phase, step.id) or incident.ask_of(phase, step.id)
            move = _move_of(incident, plan, runbook, phase, step) if step.meanwhile and begun else None
            if move and not isinstance(move, Wait):
                return move
    return Over()


def has_left(incident: Incident, plan: Plan, phase: Phase) -> bool:
    """Return whether `phase` is done.

    Detection and containment are done again if the severity was raised since they were left and the incident has not
    recovered: the higher severity may page people and contain. Containment is also done again while a contained
    incident has to be checked, and after it failed again.
    """
    if phase.value not in incident.left:
        return False
    if phase is Phase.CONTAIN and not incident.over:
        lost = incident.loss and incident.loss.number > incident.left_entries[phase.value]
        if incident.recheck or lost:
            return False
    raised = plan.rank(incident.severity) < plan.rank(incident.left_at[phase.value])
    recovered = incident.over or incident.recovery.current is not None
    return recovered or not raised or phase not in REOPENED


def applicable(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> list[Step]:
    """Return the steps of `phase` that apply to the incident as it is now."""
    return [step for step in runbook.steps(phase) if not reason_against(incident, plan, runbook, phase, step)]


def _moves(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> Iterator[tuple[Step, Move]]:
    """Yield the move of each unfinished step, in the order of the runbook."""
    containment = Containment(incident, plan, runbook, phase)
    if phase in REOPENED and (still := containment.still_contained()):
        yield still
    yield from _duties(incident, plan, phase)
    steps = applicable(incident, plan, runbook, phase)
    if phase is Phase.DETECT and plan.people_verify(incident.kind):
        steps = sorted(steps, key=lambda step: step.probe is not None)  # a probe that only informs delays no page
    first_change = next((step for step in steps if _may_change(phase, step)), None)
    last_measure = next((step for step in reversed(steps) if step.measure), None)
    for step in steps:
        if step is first_change and _needs_evidence(incident, phase, steps):
            yield from _evidence(incident, plan)
        move = _move_of(incident, plan, runbook, phase, step)
        if move is not None:
            yield step, move
        if step is last_measure and move is None and (by_people := containment.by_people()):
            yield by_people
    if phase is Phase.CONTAIN and last_measure is None and incident.loss and (by_people := containment.by_people()):
        yield by_people


def _may_change(phase: Phase, step: Step) -> bool:
    """Return whether the step may change what evidence shows, whether a person does it or an action.

    These are measures, acts that leave something in place, undos, and what people do while the response waits for them.
    """
    if phase not in {Phase.CONTAIN, Phase.RESOLVE}:
        return False
    leaves = step.action is not None and (step.owner is not None or step.expires is not None)
    return step.measure or leaves or step.undo is not None or (step.person is not None and not step.meanwhile)


def _needs_evidence(incident: Incident, phase: Phase, steps: list[Step]) -> bool:
    """Return whether evidence is asked for before the first change.

    It is not if the incident was contained without one, or if an act has begun and has no outcome yet: such an act does
    not wait for evidence.
    """
    acts = [incident.act_of(phase, step.id) for step in steps if _may_change(phase, step)]
    contained = phase is Phase.CONTAIN and incident.containment.current is not None
    return not contained and not any(act.begun for act in acts if act)


def _evidence(incident: Incident, plan: Plan) -> Iterator[tuple[Step, Move]]:
    """Yield the questions of `contain` for the evidence that people must save before a change destroys it."""
    for step in evidence_steps(plan, incident):
        if move := person_move(incident, Phase.CONTAIN, step):
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


def _move_of(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase, step: Step) -> Move | None:
    """Return the next move of one step; None if the step is done."""
    if step.measure:
        return Containment(incident, plan, runbook, phase).measure(step)
    if step.probe and step.expects == "health" and phase is Phase.RESOLVE:
        return recovery_move(incident, plan, runbook, phase, step)
    if step.probe:
        return probe_move(incident, phase, step, people_verify=plan.people_verify(incident.kind))
    if step.person:
        return person_move(incident, phase, step)
    if step.undo:
        return undo_move(incident, phase, step)
    return _told_again(incident, phase, step) or action_move(incident, phase, step)


def _told_again(incident: Incident, phase: Phase, step: Step) -> Move | None:
    """Return the proposal of a message that was true before the service failed again, and has to be sent anew.

    These are the messages of the resolution, and the announcement whose end was published: the public read that the
    trouble is over. Each is proposed once for each failure.
    """
    act = incident.act_of(phase, step.id)
    if act is None or act.outcome is None:
        return None
    if phase is Phase.RESOLVE:
        return Propose(phase, step) if act.number < incident.recovery.last_lost else None
    ended = incident.acts.get(act.undone_by or "")
    back = phase in LEFT_WITH_QUESTIONS and ended is not None and ended.number < incident.last_lost
    public = act.proposed.tells and not act.proposed.pages  # a page rings again by itself
    return Propose(phase, step, again=True) if back and public else None

"""What comes next in an incident: a pure function of its journal, its runbook and its plan.

Because the next move follows from what is written down alone, a response can be killed at any line and
started again: whoever asks next is told the same. `allclear.engine.response.conductor` makes the moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from allclear.domain.action import ActStatus, Verdict
from allclear.domain.approval import AskKind
from allclear.domain.deadlines import DUTY
from allclear.domain.incident import Act, Incident
from allclear.domain.plan import Plan
from allclear.domain.runbook import Phase, ProbeCall, Runbook, Step
from allclear.engine.response.duties import duty_states, evidence_steps


@dataclass(frozen=True)
class Enter:
    """Begin the phase."""

    phase: Phase


@dataclass(frozen=True)
class RunProbe:
    """Run a probe and write down what it shows. `key` is the step's name in the journal."""

    phase: Phase
    step: Step
    key: str
    call: ProbeCall
    contains: str | None = None
    """What is said to have contained the incident if the look shows health; None for other looks."""


@dataclass(frozen=True)
class Propose:
    """Work out a step's change and ask for it, if somebody has to be asked."""

    phase: Phase
    step: Step
    chosen: str | None = None
    """What a person chose among the candidates."""
    generic: bool = False
    """Whether the words go out that the plan holds for when nobody answers."""


@dataclass(frozen=True)
class ProposeUndo:
    """Work out how to undo an act that is still in place."""

    phase: Phase
    step: Step
    act: str
    title: str


@dataclass(frozen=True)
class CarryOut:
    """Do the act: it is allowed."""

    phase: Phase
    act: str
    title: str


@dataclass(frozen=True)
class AskPeople:
    """Put a question to people. A duty of the plan has DUTY in place of its phase."""

    phase: Phase | str
    step: Step
    kind: AskKind
    about: str = ""


@dataclass(frozen=True)
class WithdrawAsk:
    """Take a question back: it has lost its ground."""

    ask: str
    reason: str


@dataclass(frozen=True)
class HandOver:
    """What could not be undone gets a named person and a date."""

    phase: Phase
    act: str
    ask: str


@dataclass(frozen=True)
class FalseAlarm:
    """A person agreed that there was nothing."""

    phase: Phase
    ask: str


@dataclass(frozen=True)
class Wait:
    """Nothing can be done before somebody answers one of these asks."""

    asks: tuple[str, ...]


@dataclass(frozen=True)
class Leave:
    """The phase is done."""

    phase: Phase


@dataclass(frozen=True)
class Over:
    """There is nothing more to do in this phase."""


Move = (
    Enter
    | RunProbe
    | Propose
    | ProposeUndo
    | CarryOut
    | AskPeople
    | WithdrawAsk
    | HandOver
    | FalseAlarm
    | Wait
    | Leave
    | Over
)

MANUAL = "contained-manually"
"""The step in which people contain when no measure of the runbook did."""

_MOST_PROPOSALS = 4
"""How often a change is worked out anew because the world moved, before the step is given up."""


def next_move(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> Move:
    """Return what comes next in `phase`; Over once the phase is left or the incident has ended before it."""
    if has_left(incident, plan, phase) or (incident.over and phase is not Phase.REVIEW):
        return Over()
    if phase.value not in incident.entered:
        return Enter(phase)
    waits: list[str] = []
    blocked = False
    for step, move in _moves(incident, plan, runbook, phase):
        if isinstance(move, Wait):
            # What blocks the way stands first: it is what the run waits for.
            waits = [*waits, *move.asks] if step.meanwhile else [*move.asks, *waits]
            blocked = blocked or not step.meanwhile
        elif not blocked or step.meanwhile:
            return move
    return Wait(tuple(waits)) if waits else Leave(phase)


def has_left(incident: Incident, plan: Plan, phase: Phase) -> bool:
    """Return whether `phase` is done.

    Detection and containment are taken up again when an incident that is not well yet becomes graver than it was then:
    a graver one may page people, and contain.
    """
    if phase.value not in incident.left:
        return False
    graver = plan.rank(incident.severity) < plan.rank(incident.left_at[phase.value])
    well = incident.over or incident.recovered_at is not None
    return well or not graver or phase not in REOPENED


REOPENED = (Phase.DETECT, Phase.CONTAIN)


def applicable(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> list[Step]:
    """Return the steps of `phase` that this incident's severity and kind call for.

    Of a severity that only makes a ticket, those are the steps that name it, and the undoing of what is in place.
    """
    severity = plan.severity(incident.severity)
    contain = severity is None or severity.contains
    return [
        step
        for step in runbook.steps(phase)
        if (step.severities is None or incident.severity in step.severities)
        and (step.kinds is None or incident.kind in step.kinds)
        and (contain or not step.measure)
        and (step.severities or step.undo or severity is None or not severity.ticket_only)
    ]


def _moves(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> Iterator[tuple[Step, Move]]:
    """Yield what each unfinished step wants, in the order of the runbook."""
    yield from _duties(incident, plan, phase)
    steps = applicable(incident, plan, runbook, phase)
    first_measure = next((step for step in steps if step.measure), None)
    last_measure = next((step for step in reversed(steps) if step.measure), None)
    for step in steps:
        if step is first_measure and not incident.contained and not _changing(incident, phase, steps):
            yield from _evidence(incident, plan, phase)
        move = _of_step(incident, runbook, phase, step)
        if move is not None:
            yield step, move
        if step is last_measure and move is None and (manual := _by_hand(incident, runbook, phase)):
            yield manual


def _changing(incident: Incident, phase: Phase, steps: list[Step]) -> bool:
    """Return whether a measure was begun and nobody knows yet what became of it: that waits for no evidence."""
    acts = [incident.act_of(phase, step.id) for step in steps if step.measure]
    return any(act.begun for act in acts if act)


def _evidence(incident: Incident, plan: Plan, phase: Phase) -> Iterator[tuple[Step, Move]]:
    """Yield what people must keep before containment changes it."""
    for step in evidence_steps(plan, incident):
        if move := _of_person(incident, phase, step):
            yield step, move


def _duties(incident: Incident, plan: Plan, phase: Phase) -> Iterator[tuple[Step, Move]]:
    """Yield the plan's duties: asked of people as soon as the trouble is verified, and waited for in the review."""
    if phase is Phase.DETECT:
        return
    for duty in duty_states(plan, incident):
        if duty.to_be_asked:
            yield duty.step, AskPeople(DUTY, duty.step, AskKind.STEP)
        elif duty.to_be_dropped and duty.ask:
            yield duty.step, WithdrawAsk(duty.ask.ask.id, "By what is known now, it does not apply.")
        elif phase is Phase.REVIEW and duty.ask and duty.ask.open:
            yield duty.step, Wait((duty.ask.ask.id,))


def _of_step(incident: Incident, runbook: Runbook, phase: Phase, step: Step) -> Move | None:
    if step.probe:
        return _of_probe(incident, phase, step)
    if step.person:
        return _of_person(incident, phase, step)
    if step.undo:
        return _of_undo(incident, phase, step)
    if step.measure:
        return _of_measure(incident, runbook, phase, step)
    return _of_action(incident, phase, step)


def _of_probe(incident: Incident, phase: Phase, step: Step) -> Move | None:
    call = ProbeCall.model_validate({"probe": step.probe, "with": step.with_, "within": step.within})
    seen = incident.step(phase, step.id)
    if seen is None:
        return RunProbe(phase, step, step.id, call)
    healthy = seen.finding.verdict is Verdict.SUCCESS
    if step.expects == "trouble" and healthy:
        ask = incident.ask_of(phase, step.id)
        if ask is None:
            return AskPeople(phase, step, AskKind.FALSE_ALARM, seen.finding.sentence)
        if ask.open:
            return Wait((ask.ask.id,))
        return FalseAlarm(phase, ask.ask.id) if ask.granted else None
    if step.expects == "health" and not healthy:
        return _check_again(incident, RunProbe(phase, step, step.id, call))
    return None


def _check_again(incident: Incident, check: RunProbe) -> Move | None:
    """A look that should have shown health did not: people say whether to look again or to go on without."""
    seen, ask = incident.step(check.phase, check.key), incident.ask_of(check.phase, check.key)
    if seen is None:
        return check
    if ask is None or (ask.number < seen.number and not ask.open):
        return AskPeople(check.phase, check.step, AskKind.AGAIN, seen.finding.sentence)
    if ask.open:
        return Wait((ask.ask.id,))
    return check if ask.granted else None


def _of_person(incident: Incident, phase: Phase, step: Step) -> Move | None:
    if incident.step(phase, step.id):
        return None
    ask = incident.ask_of(phase, step.id)
    return Wait((ask.ask.id,)) if ask else AskPeople(phase, step, AskKind.STEP)


def _of_action(incident: Incident, phase: Phase, step: Step) -> Move | None:
    act = incident.act_of(phase, step.id)
    if act is None:
        return Propose(phase, step)
    if act.outcome is None:
        return _of_pending(incident, phase, act)
    if _tries(incident, phase, step.id) >= _MOST_PROPOSALS:
        return None
    if act.outcome.drifted:
        return Propose(phase, step, _chosen(incident, phase, step))
    if _goes_out_unanswered(incident, act):
        return Propose(phase, step, generic=True)
    return _of_choice(incident, phase, step, act)


def _goes_out_unanswered(incident: Incident, act: Act) -> bool:
    """Return whether nobody answered in time, so that the generic words go out in place of the act's own."""
    asks = [incident.asks[ask] for ask in act.asks]
    return any(ask.withdrawn and ask.ask.window and ask.ask.window.then == "fallback" for ask in asks)


def _of_choice(incident: Incident, phase: Phase, step: Step, act: Act) -> Move | None:
    """Nothing decided what is meant: people choose among the candidates, or go on without."""
    if not any(refusal.candidates for refusal in act.refusals):
        return None
    ask = incident.ask_of(phase, choice_key(step.id))
    if ask is None or (ask.number < act.number and not ask.open):  # what was chosen could not be done either
        return AskPeople(phase, step, AskKind.CHOICE, act.id)
    if ask.open:
        return Wait((ask.ask.id,))
    return Propose(phase, step, ask.chosen) if ask.granted else None


def choice_key(step: str) -> str:
    """Return the name under which the choice for a step stands in the journal: `roll-back-choice`."""
    return f"{step}-choice"


def _chosen(incident: Incident, phase: Phase, step: Step) -> str | None:
    ask = incident.ask_of(phase, choice_key(step.id))
    return ask.chosen if ask else None


def _of_pending(incident: Incident, phase: Phase, act: Act) -> Move:
    waiting = tuple(ask for ask in act.asks if incident.asks[ask].open)
    if waiting and not act.intended:
        return Wait(waiting)
    return CarryOut(phase, act.id, act.proposed.title)


def _of_measure(incident: Incident, runbook: Runbook, phase: Phase, step: Step) -> Move | None:
    act = incident.act_of(phase, step.id)
    if incident.contained and (act is None or act.outcome):
        return None
    move = _of_action(incident, phase, step)
    if move is not None:
        return move
    if act is None or act.outcome is None or not _may_have_helped(act):
        return None
    key = f"{step.id}-proof"
    if incident.step(phase, key):
        return None
    return RunProbe(phase, step, key, step.proof or runbook.health, contains=act.proposed.title)


def _may_have_helped(act: Act) -> bool:
    """Found done counts: the same rollback, made for another incident, may be what helps this one too."""
    outcome = act.outcome
    return outcome is not None and outcome.status in {
        ActStatus.VERIFIED,
        ActStatus.APPLIED,
        ActStatus.UNVERIFIED,
        ActStatus.INDETERMINATE,
    }


def _by_hand(incident: Incident, runbook: Runbook, phase: Phase) -> tuple[Step, Move] | None:
    """No measure helped: people contain by hand, and the service is looked at again whenever they say so."""
    if incident.contained:
        return None
    step = Step.model_validate(
        {
            "id": MANUAL,
            "title": "Contained by hand?",
            "probe": runbook.health.probe,
            "with": runbook.health.with_,
            "expects": "health",
        }
    )
    check = RunProbe(phase, step, MANUAL, runbook.health, contains="Found well again")
    move = _check_again(incident, check)
    return (step, move) if move else None


def _of_undo(incident: Incident, phase: Phase, step: Step) -> Move | None:
    if step.undo == "everything" and incident.unfinished:  # one by hand, interrupted: first find out what became of it
        act = incident.unfinished[0]
        return CarryOut(phase, act.id, act.proposed.title)
    wanted = [
        act for act in incident.not_handed_over if step.undo == "everything" or act.proposed.action in (step.undo or ())
    ]
    for act in wanted:
        if act.begun:
            return CarryOut(phase, act.id, act.proposed.title)
        key = undo_key(act.id)
        undo = incident.act_of(phase, key)
        if undo is None:
            return ProposeUndo(phase, step, act.id, f"Undo: {act.proposed.title}")
        if undo.outcome is None:
            return _of_pending(incident, phase, undo)
        return _after_undo(incident, phase, step, act, undo)
    return None


def _after_undo(incident: Incident, phase: Phase, step: Step, act: Act, undo: Act) -> Move:
    """The undo came to nothing: people say whether it is tried again, or somebody takes over what is in place."""
    ask = incident.ask_of(phase, f"{undo_key(act.id)}-left")
    if ask is None or (ask.number < undo.number and not ask.open):
        return AskPeople(phase, step, AskKind.AGAIN, act.id)
    if ask.open:
        return Wait((ask.ask.id,))
    if ask.granted:
        return ProposeUndo(phase, step, act.id, f"Undo: {act.proposed.title}")
    return HandOver(phase, act.id, ask.ask.id)


def undo_key(act: str) -> str:
    """Return the step name under which an act's undo stands in the journal: `undo-contain-roll-back`."""
    return "undo-" + act.replace("/", "-")


def _tries(incident: Incident, phase: Phase, step: str) -> int:
    return sum((a.proposed.phase, a.proposed.step) == (phase.value, step) for a in incident.acts.values())

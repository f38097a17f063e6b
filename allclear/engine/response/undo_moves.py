"""The next move of an undo step: each act that is still in place is undone, or a named person takes it over."""

from __future__ import annotations

from allclear.domain.act import Act
from allclear.domain.approval import AskKind
from allclear.domain.incident import Incident
from allclear.domain.runbook import Phase, Step
from allclear.engine.response.moves import AskPeople, CarryOut, HandOver, Move, ProposeUndo, Wait
from allclear.engine.response.step_keys import undo_failed_key, undo_key
from allclear.engine.response.step_moves import pending_move


def undo_move(incident: Incident, phase: Phase, step: Step) -> Move | None:
    """Return the next move of an undo step; None once nothing that it names is in place."""
    if step.undo == "everything" and incident.unfinished:
        # A manual act may have been interrupted: its outcome decides whether there is anything to undo.
        act = incident.unfinished[0]
        return CarryOut(phase, act.id, act.proposed.title)
    for act in incident.not_handed_over:
        if step.undo == "everything" or act.proposed.action in (step.undo or ()):
            return _undo_of(incident, phase, step, act)
    return None


def _undo_of(incident: Incident, phase: Phase, step: Step, act: Act) -> Move:
    if act.begun:
        return CarryOut(phase, act.id, act.proposed.title)
    undo = incident.act_of(phase, undo_key(act.id))
    if undo is None:
        return _propose(phase, step, act)
    if undo.outcome is None:
        return pending_move(incident, phase, undo)
    return _after_failed_undo(incident, phase, step, act, undo)


def _after_failed_undo(incident: Incident, phase: Phase, step: Step, act: Act, undo: Act) -> Move:
    """Return the next move after an undo that failed: people have it tried again, or take over what is in place."""
    ask = incident.ask_of(phase, undo_failed_key(act.id))
    if ask is None or (ask.number < undo.number and not ask.open):
        return AskPeople(phase, step, AskKind.RETRY, act.id)
    if ask.open:
        return Wait((ask.ask.id,))
    if ask.granted:
        return _propose(phase, step, act)
    return HandOver(phase, act.id, ask.ask.id)


def _propose(phase: Phase, step: Step, act: Act) -> ProposeUndo:
    return ProposeUndo(phase, step, act.id, f"Undo: {act.proposed.title}")

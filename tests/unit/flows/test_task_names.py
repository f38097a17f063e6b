"""The names of a response's tasks in Prefect."""

from __future__ import annotations

import pytest

from allclear.domain.runbook import Phase, Step
from allclear.engine.response.moves import CarryOut, Enter, FalseAlarm, HandOver, Leave, Move, Propose, ProposeUndo
from flows.phase_loop import title_of

STEP = Step(id="roll-back", title="Roll back traffic", action="cloud_run.rollback_traffic")


@pytest.mark.parametrize(
    ("move", "title"),
    [
        (Enter(Phase.CONTAIN), "Begin the contain phase"),
        (Propose(Phase.CONTAIN, STEP), "Prepare: Roll back traffic"),
        (CarryOut(Phase.CONTAIN, "contain/roll-back", "Roll back traffic"), "Roll back traffic"),
        (ProposeUndo(Phase.RESOLVE, STEP, "contain/roll-back", "Undo: Roll back"), "Prepare: Undo: Roll back"),
        (HandOver(Phase.RESOLVE, "contain/roll-back", "VS-1/resolve/undo"), "Hand over contain/roll-back"),
        (FalseAlarm(Phase.DETECT, "VS-1/detect/verify"), "End the incident as a false alarm"),
        (Leave(Phase.CONTAIN), "End the contain phase"),
    ],
)
def test_a_task_is_named_by_what_it_does(move: Move, title: str) -> None:
    """The name has the title of the move's step, if it has one."""
    assert title_of(move) == title

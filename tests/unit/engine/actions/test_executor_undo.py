"""Undoing an act, on dials in memory."""

from __future__ import annotations

from allclear.domain.action import ActStatus
from tests.unit.domain.stories import MACHINE
from tests.unit.fakes_actions import (
    CallDial,
    Desk,
    TurnDial,
)

# --- undo ------------------------------------------------------------------------------------------------


async def test_undo_restores(desk: Desk) -> None:
    """The dial points where it pointed before, and nothing is in place any more."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    await desk.executor.carry_out(incident, act, MACHINE)
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]
    undo = await desk.undo_approved(incident, act)
    assert (await desk.executor.carry_out(incident, undo, MACHINE)).good
    assert desk.dials.points["main"] == 1
    assert desk.act(incident, act).status is ActStatus.UNDONE
    assert desk.incident(incident).not_handed_over == []


async def test_undo_is_refused_after_a_drift(desk: Desk) -> None:
    """If the dial was turned elsewhere since, that change stays, and the act stays in place."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    await desk.executor.carry_out(incident, act, MACHINE)
    desk.dials.turn("main", 9)
    undo = await desk.undo_approved(incident, act)
    assert desk.act(incident, undo).status is ActStatus.REFUSED
    assert desk.dials.points["main"] == 9
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


async def test_an_undo_stops_if_the_target_changed_after_its_approval(desk: Desk) -> None:
    """An undo is an act like any other: the approved change must still be possible."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    await desk.executor.carry_out(incident, act, MACHINE)
    undo = await desk.undo_approved(incident, act)
    desk.dials.turn("main", 9)
    outcome = await desk.executor.carry_out(incident, undo, MACHINE)
    assert (outcome.changed, outcome.drifted) == (False, True)
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


async def test_an_undo_of_an_act_that_was_undone_elsewhere_writes_nothing(desk: Desk) -> None:
    """The dial points where it pointed before, so the act counts as undone."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    await desk.executor.carry_out(incident, act, MACHINE)
    desk.dials.turn("main", 1)
    await desk.undo_approved(incident, act)
    assert desk.act(incident, act).status is ActStatus.UNDONE
    assert len(desk.dials.sent) == 1


async def test_an_undo_of_an_act_that_cannot_be_read_back_is_sent(desk: Desk) -> None:
    """A dial that reads the same before and after is not taken for undone: its undo is applied."""
    incident = desk.opened()
    act = await desk.approved(incident, CallDial, 5)
    await desk.executor.carry_out(incident, act, MACHINE)
    undo = await desk.undo_approved(incident, act)
    outcome = await desk.executor.carry_out(incident, undo, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert desk.dials.last_turn == [("main", 5), ("main", 0)]
    assert desk.incident(incident).not_handed_over == []

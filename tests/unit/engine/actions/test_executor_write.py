"""The write of an act: after a conflict, a refusal or a lost answer, the outcome is true of the dial."""

from __future__ import annotations

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.errors import AllclearError, Denied, Refused, VendorRefused
from tests.unit.domain.stories import MACHINE
from tests.unit.engine.actions.executor_support import hide
from tests.unit.fakes_actions import (
    LOST,
    CallDial,
    Desk,
    PatientDial,
    PlainDial,
    SetDial,
    TurnDial,
    nothing,
    raising,
    touched,
    turned_to,
)

# --- the write -------------------------------------------------------------------------------------------


async def test_an_unrelated_conflict_does_not_stop_the_act(desk: Desk) -> None:
    """If something else was written between our read and our write, the target is read again, and written."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.before_write = [touched, touched]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert desk.dials.last_turn == [("main", 5)]


async def test_a_conflict_that_changed_the_target_stops_the_act(desk: Desk) -> None:
    """If the dial was turned elsewhere between our read and our write, nothing is done."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.before_write = [turned_to(3)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed, outcome.drifted) == (ActStatus.FAILED, False, True)
    assert desk.dials.points["main"] == 3


async def test_after_a_conflict_by_the_same_change_the_act_is_already_done(desk: Desk) -> None:
    """If the same change was made between our read and our write, nothing is left to do, or to undo."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.before_write = [turned_to(5)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, False)


async def test_endless_conflicts_end(desk: Desk) -> None:
    """If every write conflicts, the act fails after a few attempts, and nothing was done."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.before_write = [touched] * 20
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.FAILED, False)
    assert len(desk.dials.sent) < 10
    assert desk.dials.last_turn == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Denied("No right.", "Give it."), ActStatus.FAILED),
        (VendorRefused("No.", "Ask otherwise."), ActStatus.FAILED),
        (Refused("Not now.", "Later."), ActStatus.REFUSED),
    ],
)
async def test_a_write_that_is_refused_changed_nothing(desk: Desk, error: AllclearError, status: ActStatus) -> None:
    """The vendor's refusal is the outcome, with its next step; nothing is left in place."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.before_write = [raising(error)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed, outcome.next_step) == (status, False, error.next_step)
    assert desk.incident(incident).in_place == []


@pytest.mark.parametrize("kind", [TurnDial, SetDial, CallDial])
async def test_a_lost_answer_to_a_write_that_took_effect(desk: Desk, kind: type[TurnDial]) -> None:
    """With every kind of fence, the change is made once, and verified."""
    incident = desk.opened()
    act = await desk.approved(incident, kind, 5)
    desk.dials.after_write = [LOST]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert desk.dials.last_turn == [("main", 5)]


@pytest.mark.parametrize("kind", [TurnDial, CallDial])
async def test_a_lost_write_is_sent_again_if_the_vendor_fences(desk: Desk, kind: type[TurnDial]) -> None:
    """If it did not take effect, a version or a key makes it safe to send it once more."""
    incident = desk.opened()
    act = await desk.approved(incident, kind, 5)
    desk.dials.before_write = [LOST]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert desk.dials.last_turn == [("main", 5)]


async def test_a_lost_write_without_a_fence_is_indeterminate(desk: Desk) -> None:
    """It may still arrive, so it is not sent again, and counts as in place until a person has checked it."""
    incident = desk.opened()
    act = await desk.approved(incident, SetDial, 5)
    desk.dials.before_write = [LOST]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.INDETERMINATE, True)
    assert desk.dials.sent == []
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


@pytest.mark.parametrize("kind", [TurnDial, SetDial, CallDial])
async def test_an_action_with_a_fault_of_its_own_is_indeterminate_and_not_tried_again(
    desk: Desk, kind: type[TurnDial]
) -> None:
    """An exception that no one has foreseen may come after the write was sent; the claim is not left behind."""
    incident = desk.opened()
    act = await desk.approved(incident, kind, 5)
    desk.dials.before_write = [raising(KeyError("sk-live-123"))]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.INDETERMINATE, True)
    assert outcome.sentence == (
        "The action stopped because of a fault in its own code (KeyError). Whether it was sent is not known, and it has"
        " not been seen to take effect."
    )
    assert desk.dials.sent == []
    assert await desk.executor.carry_out(incident, act, MACHINE) == outcome


async def test_a_fault_in_the_reading_after_a_write_leaves_it_unverified(desk: Desk) -> None:
    """The write was made, so the outcome says so; the fault is named without what it quotes."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.at_check = [nothing, *[raising(KeyError("sk-live-123"))] * 50]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
    assert outcome.sentence == "Whether it took effect could not be read: its own code has a fault (KeyError)."


async def test_two_lost_answers_are_indeterminate(desk: Desk) -> None:
    """If the second answer is lost too, a person has to check."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.before_write = [LOST, LOST]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.INDETERMINATE, True)
    assert outcome.next_step


async def test_a_change_that_takes_effect_late_is_waited_for(desk: Desk) -> None:
    """Reads of the former state are no failure before the deadline."""
    incident = desk.opened()
    act = await desk.approved(incident, PatientDial, 5)
    desk.dials.at_check = [nothing, hide(2)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert outcome.good


async def test_a_change_that_is_not_seen_by_its_deadline_is_unverified(desk: Desk) -> None:
    """It was sent and is not seen, so it is unverified, and counts as in place."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.at_check = [nothing, hide(10_000)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


async def test_a_change_that_had_no_effect_by_its_deadline_has_failed(desk: Desk) -> None:
    """If a read proves that nothing changed, the act has failed at its deadline and left nothing behind."""
    incident = desk.opened()
    act = await desk.approved(incident, PlainDial, 5)
    desk.dials.at_check = [nothing, hide(10_000)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.FAILED, False)

"""What passes by itself is waited for, a lost answer is looked for, and no sentence claims more than is known."""

from __future__ import annotations

import asyncio

import pytest

from allclear.domain.action import ActStatus, Refusal
from allclear.domain.errors import Conflict, Unreachable, VendorRefused
from tests.unit.domain.stories import MACHINE
from tests.unit.engine.actions.executor_support import hide
from tests.unit.fakes_actions import LOST, Desk, Dials, PatientDial, TurnDial, nothing, raising, touched, turned_to

DOWN = raising(Unreachable("The dial could not be reached to read it (no answer).", "Check the dial."))
TAKEN = raising(Conflict("The dial was changed meanwhile.", "Decide again.", "a dial of that name exists"))


def limited(seconds: float | None) -> VendorRefused:
    """Return the refusal of a vendor that limits our requests."""
    return VendorRefused("The dial is limiting our requests.", "Try again later.", passes=True, seconds=seconds)


def waited() -> float:
    """Return the seconds of all pauses that this test's tasks have asked for."""
    return round(asyncio.get_running_loop().time(), 6)


async def allow(dials: Dials, _: str) -> None:
    """Let the reason for the refusals pass at that moment."""
    dials.refusals = []


# --- refusals that pass (D8) --------------------------------------------------------------------------------------


async def test_a_rate_limited_write_is_waited_for_with_the_same_version(desk: Desk) -> None:
    """The vendor did nothing, so the same write is sent again within the deadline."""
    incident = desk.opened()
    act = await desk.approved(incident, PatientDial, 5)
    desk.dials.before_write = [raising(limited(12)), raising(limited(None)), raising(limited(None))]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert waited() == 12 + 2 + 4  # what the vendor named, then our own back-off, whose first pause was shorter
    assert desk.dials.last_turn == [("main", 5)]


@pytest.mark.parametrize("seconds", [0.0, None])
async def test_a_rate_limit_without_a_duration_does_not_repeat_the_write_without_pause(
    desk: Desk, seconds: float | None
) -> None:
    """`Retry-After: 0` asks for no pause, and ours of a second is longer than this deadline: one write is sent."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.before_write = [raising(limited(seconds))] * 1000
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.FAILED, False)
    assert len(desk.dials.before_write) == 999


async def test_a_rate_limit_beyond_the_deadline_is_reported(desk: Desk) -> None:
    """Nothing was done, and the vendor's own words say why."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.before_write = [raising(limited(3600))]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.FAILED, False)
    assert outcome.sentence == "The dial is limiting our requests."
    assert waited() == 0


async def test_a_proposal_waits_until_a_refusal_has_passed(desk: Desk) -> None:
    """People are asked about the state after the rollout, not before it."""
    incident = desk.opened()
    desk.dials.refusals = [Refusal(sentence="Another rollout is under way.", next_step="Wait.", passes=True)]
    desk.dials.at_check = [nothing, allow]
    act = await desk.proposed(incident, PatientDial, 5)
    assert desk.act(incident, act).status is ActStatus.PLANNED
    assert desk.act(incident, act).asks
    assert waited() == 0.2


async def test_an_approved_act_waits_until_a_refusal_has_passed(desk: Desk) -> None:
    """The rollout began after the approval, which still counts."""
    incident = desk.opened()
    act = await desk.approved(incident, PatientDial, 5)
    desk.dials.refusals = [Refusal(sentence="Another rollout is under way.", next_step="Wait.", passes=True)]
    desk.dials.at_check = [nothing, nothing, nothing, allow]
    assert (await desk.executor.carry_out(incident, act, MACHINE)).good
    assert waited() == 0.95  # 0.2 + 0.3 + 0.45


async def test_a_refusal_that_has_not_passed_by_the_deadline_may_be_proposed_again(desk: Desk) -> None:
    """The outcome says so, and the runbook proposes it again."""
    incident = desk.opened()
    desk.dials.refusals = [Refusal(sentence="Another rollout is under way.", next_step="Wait.", passes=True)]
    act = await desk.proposed(incident, TurnDial, 5)
    outcome = desk.act(incident, act).outcome
    assert outcome is not None
    assert (outcome.status, outcome.passes) == (ActStatus.REFUSED, True)


# --- checks that cannot be made (D12) -----------------------------------------------------------------------------


async def test_a_check_that_cannot_be_made_is_a_warning_and_stops_nothing(desk: Desk) -> None:
    """The person who approves reads it with the risk."""
    incident = desk.opened()
    desk.dials.refusals = [Refusal(sentence="Not checked: our permission.", next_step="", warning=True)]
    act = await desk.approved(incident, TurnDial, 5)
    assert (desk.act(incident, act).change or {})["risk"] == "It squeaks. Not checked: our permission."
    assert (await desk.executor.carry_out(incident, act, MACHINE)).good


# --- conflicts (D9) -----------------------------------------------------------------------------------------------


async def test_a_conflict_without_another_write_is_no_race(desk: Desk) -> None:
    """The version is the one that was read: the vendor's own words are reported, and nothing is sent again."""
    incident = desk.opened()
    act = await desk.approved(incident, PatientDial, 5)
    desk.dials.before_write = [TAKEN, TAKEN]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed, outcome.drifted) == (ActStatus.FAILED, False, False)
    assert "a dial of that name exists" in outcome.sentence
    assert len(desk.dials.before_write) == 1


async def test_a_version_that_moves_before_each_write_ends_after_three_tries_and_names_the_writer(desk: Desk) -> None:
    """It is not proposed again by itself: sixteen writes would not win the race either."""
    incident = desk.opened()
    act = await desk.approved(incident, PatientDial, 5)
    desk.dials.before_write = [touched] * 20
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed, outcome.drifted) == (ActStatus.FAILED, False, False)
    assert len(desk.dials.sent) == 3
    assert waited() == 3.9  # 0.3 + 0.9 + 2.7
    assert "another client keeps writing" in outcome.sentence
    assert "by Eve" in outcome.sentence


# --- lost answers (D6, D7) ----------------------------------------------------------------------------------------


async def test_a_lost_answer_is_looked_for_while_reads_are_down(desk: Desk) -> None:
    """Reads come back within the deadline, and prove the write."""
    incident = desk.opened()
    act = await desk.approved(incident, PatientDial, 5)
    desk.dials.after_write = [LOST]
    desk.dials.at_check = [nothing, *[DOWN] * 8]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert desk.dials.last_turn == [("main", 5)]


async def test_a_lost_answer_that_no_read_can_tell_is_indeterminate_and_claims_nothing(desk: Desk) -> None:
    """Nothing says that nothing was changed; the act counts as in place."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.after_write = [LOST]
    desk.dials.at_check = [nothing, *[DOWN] * 1000]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.INDETERMINATE, True)
    assert "nothing was" not in outcome.sentence.lower()
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


async def test_reads_that_are_down_after_the_write_claim_nothing(desk: Desk) -> None:
    """The write was accepted; whether it took effect could not be read."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.at_check = [nothing, *[DOWN] * 1000]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
    assert outcome.sentence.startswith("Whether it took effect could not be read: ")
    assert "nothing was" not in outcome.sentence.lower()


async def test_a_second_write_that_cannot_be_sent_does_not_claim_that_nothing_was_changed(desk: Desk) -> None:
    """The first one may have taken effect."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    unsent = raising(
        Unreachable("The dial could not be reached to turn it (no connection); nothing was changed.", "X.")
    )
    desk.dials.before_write = [LOST, unsent]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert outcome.status is ActStatus.INDETERMINATE
    assert "nothing was" not in outcome.sentence.lower()


async def test_a_first_write_that_lands_late_is_found_after_the_second_one_conflicts(desk: Desk) -> None:
    """The conflict is with our own write: the target is read again, and the change is ours to undo."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.before_write = [LOST, turned_to(5)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


async def test_stale_reads_after_a_lost_answer_are_waited_out(desk: Desk) -> None:
    """They show the state from before, so the write is sent again and refused; a later read shows the first one."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.after_write = [LOST]
    desk.dials.at_check = [nothing, hide(4)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert desk.dials.last_turn == [("main", 5)]


@pytest.mark.parametrize("kind", [TurnDial, PatientDial])
async def test_drift_says_who_changed_it_last(desk: Desk, kind: type[TurnDial]) -> None:
    """The record names what people must ask about."""
    incident = desk.opened()
    act = await desk.approved(incident, kind, 5)
    desk.dials.turn("main", 3)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert outcome.drifted
    assert "last changed by Eve" in outcome.sentence

"""Acts of processes that died or paused, and several processes that carry out acts at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from allclear.domain.action import ActStatus, AnyAction, Fence
from allclear.domain.scope import Scope
from allclear.engine.actions.executor import LEASE, RETRY_CLAIM
from tasks.github.revert import OpenRevert
from tasks.github.workflow import RunWorkflow
from tasks.jira import CreateTicket
from tasks.supabase.restore import RestoreToPoint
from tests.patience import HUNG, until
from tests.unit.domain.stories import MACHINE
from tests.unit.engine.actions.executor_support import Office, kinds
from tests.unit.fakes_actions import (
    CallDial,
    Dials,
    SetDial,
    TurnDial,
    nothing,
    turned_to,
)

# --- interrupted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [True, False], ids=["dead", "stopped"])
@pytest.mark.parametrize("kind", [TurnDial, SetDial])
async def test_an_interrupted_act_that_took_effect_is_only_verified(
    office: Office, kind: type[TurnDial], *, dead: bool
) -> None:
    """Killed between the write and the outcome: the dial is read, nothing is written, and the act is ours to undo."""
    desk, incident, act = await office.interrupted(kind, dead=dead)
    office.dials.turn("main", 5)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert office.dials.sent == []
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


@pytest.mark.parametrize(
    ("kind", "dead"), [(TurnDial, True), (TurnDial, False), (SetDial, True), (CallDial, True), (CallDial, False)]
)
async def test_an_interrupted_act_that_was_not_issued_is_carried_out(
    office: Office, kind: type[TurnDial], *, dead: bool
) -> None:
    """Killed between the intent and the write: it is done now; after a paused holder only if the vendor fences."""
    desk, incident, act = await office.interrupted(kind, dead=dead)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert office.dials.last_turn == [("main", 5)]


async def test_without_a_fence_a_paused_holder_may_still_write(office: Office) -> None:
    """Its lease has expired and it may resume, so nothing is written, and a person has to check."""
    desk, incident, act = await office.interrupted(SetDial, dead=False)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.INDETERMINATE, True)
    assert office.dials.sent == []
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


async def test_what_shows_late_is_not_written_again_by_the_next_process(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that shows no ticket yet proves nothing: the write may have arrived before the process was killed."""
    monkeypatch.setattr(SetDial, "shows_late", True)
    desk, incident, act = await office.interrupted(SetDial, dead=True)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.INDETERMINATE, True)
    assert outcome.sentence == (
        "It was interrupted, and a read may not show yet that it took effect. Its target is unchanged so far."
    )
    assert office.dials.sent == []


@pytest.mark.parametrize("kind", [CreateTicket, RunWorkflow, OpenRevert, RestoreToPoint])
def test_what_a_vendor_carries_out_or_lists_later_is_declared(kind: type[AnyAction]) -> None:
    """A second ticket, run, pull request or restore would be made, because the first is not listed yet."""
    assert kind.shows_late
    assert kind.fence is Fence.NONE


@pytest.mark.parametrize("kind", [TurnDial, SetDial])
async def test_an_interrupted_act_whose_target_has_a_third_state_is_indeterminate(
    office: Office, kind: type[TurnDial]
) -> None:
    """The target is neither as it was before nor as intended: nothing is written."""
    desk, incident, act = await office.interrupted(kind, dead=True)
    office.dials.turn("main", 3)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.INDETERMINATE, True)
    assert office.dials.sent == []


async def test_an_unfinished_act_of_a_dead_process_does_not_block_the_next(office: Office) -> None:
    """A process that changes the same resource finishes that act first, then carries out its own."""
    desk, first, act = await office.interrupted(TurnDial, dead=True)
    second = desk.opened()
    mine = await desk.approved(second, TurnDial, 7)
    async with asyncio.timeout(HUNG):
        outcome = await desk.executor.carry_out(second, mine, MACHINE)
    assert desk.act(first, act).status is ActStatus.VERIFIED
    assert (outcome.status, outcome.drifted) == (ActStatus.FAILED, True)
    assert office.dials.last_turn == [("main", 5)]


async def test_a_paused_holder_that_resumes_adopts_the_outcome_of_another(office: Office) -> None:
    """Its lease expired right before its write: the vendor refuses the write, and both return one outcome."""
    asleep, awake = office.desk(), office.desk()
    incident = asleep.opened()
    act = await asleep.approved(incident, TurnDial, 5)
    before_write, wake = asyncio.Event(), asyncio.Event()

    async def stop(_: Dials, __: str) -> None:
        before_write.set()
        await wake.wait()

    office.dials.before_write = [stop]
    first = asyncio.create_task(asleep.executor.carry_out(incident, act, MACHINE))
    await before_write.wait()
    office.time.now += LEASE + timedelta(seconds=1)
    outcome = await awake.executor.carry_out(incident, act, MACHINE)
    wake.set()
    assert await first == outcome
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert office.dials.last_turn == [("main", 5)]


@pytest.mark.parametrize("dead", [True, False], ids=["dead", "stopped"])
async def test_an_act_whose_former_holder_wrote_first_is_in_place(office: Office, *, dead: bool) -> None:
    """If the former holder's write lands before the other's, the change is the act's own, so the act is in place."""
    desk, incident, act = await office.interrupted(TurnDial, dead=dead)
    office.dials.before_write = [turned_to(5)]  # the very write that the former holder had under way
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert outcome.good
    assert outcome.changed
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


async def test_a_process_does_not_finish_an_act_that_another_is_verifying(office: Office) -> None:
    """The dial is as intended and the outcome is not written yet: the holder writes it, and the act is in place."""
    holder, other = office.desk(), office.desk()
    incident = holder.opened()
    act = await holder.approved(incident, TurnDial, 5)
    proving, seen = asyncio.Event(), asyncio.Event()

    async def prove(_: Dials, __: str) -> None:
        proving.set()
        await seen.wait()

    async def wait_for_write(_: Dials, __: str) -> None:
        await proving.wait()

    # The other has read the journal and is about to read the dial; before it can, the holder has written.
    office.dials.at_check = [wait_for_write, nothing, prove]
    second = asyncio.create_task(other.executor.carry_out(incident, act, MACHINE))
    await asyncio.sleep(0)
    first = asyncio.create_task(holder.executor.carry_out(incident, act, MACHINE))
    async with asyncio.timeout(HUNG):
        await proving.wait()
        await asyncio.wait([second], timeout=0.3)
        seen.set()
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
    assert outcomes[0] == outcomes[1]
    assert [one.id for one in holder.incident(incident).not_handed_over] == [act]
    assert office.dials.last_turn == [("main", 5)]


async def test_two_processes_carry_out_one_act_once(office: Office) -> None:
    """One carries it out, the other adopts the outcome."""
    one, two = office.desk(), office.desk()
    incident = one.opened()
    act = await one.approved(incident, TurnDial, 5)
    outcomes = await asyncio.gather(
        *(desk.executor.carry_out(incident, act, MACHINE) for desk in (one, two, one, two)), return_exceptions=True
    )
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert office.dials.last_turn == [("main", 5)]
    assert kinds(one, incident).count("act.finished") == 1


async def test_a_process_that_waits_for_another_polls_the_journal_and_not_the_target(office: Office) -> None:
    """While the holder verifies its act, two processes that wait read the dial once per attempt to claim it."""
    loop = asyncio.get_running_loop()
    holder, others = office.desk(), [office.desk(), office.desk()]
    incident = holder.opened()
    act = await holder.approved(incident, TurnDial, 5)
    proving, waited = asyncio.Event(), asyncio.Event()

    async def prove(_: Dials, __: str) -> None:
        proving.set()
        await waited.wait()

    office.dials.at_check = [nothing, prove, *[nothing] * 40]
    first = asyncio.create_task(holder.executor.carry_out(incident, act, MACHINE))
    async with asyncio.timeout(HUNG):
        await proving.wait()
        began = loop.time()
        waiting = [asyncio.create_task(desk.executor.carry_out(incident, act, MACHINE)) for desk in others]
        await until(lambda: len(office.dials.at_check) <= 40 - len(others))
        await asyncio.wait(waiting, timeout=0.3)
        reads, each = 40 - len(office.dials.at_check), 1 + int((loop.time() - began) / RETRY_CLAIM)
        waited.set()
        outcomes = await asyncio.gather(first, *waiting)
    assert len(others) <= reads <= len(others) * each
    assert all(outcome == outcomes[0] for outcome in outcomes)


async def test_another_scope_has_claims_of_its_own(office: Office) -> None:
    """A dial of the same name in another company is another dial: its unfinished act is not waited for."""
    ours, theirs = office.desk(), office.desk(Scope("other", simulated=False))
    incident = ours.opened()
    act = await ours.approved(incident, TurnDial, 5)
    proving, seen = asyncio.Event(), asyncio.Event()

    async def prove(_: Dials, __: str) -> None:
        proving.set()
        await seen.wait()

    office.dials.at_check = [nothing, prove]
    first = asyncio.create_task(ours.executor.carry_out(incident, act, MACHINE))
    async with asyncio.timeout(HUNG):
        await proving.wait()
        other = theirs.opened()
        second = await theirs.approved(other, TurnDial, 7)
        assert (await theirs.executor.carry_out(other, second, MACHINE)).good
        seen.set()
        await first
    assert office.dials.last_turn == [("main", 5), ("main", 7)]

"""The executor, on dials in memory: after every failure the outcome says what is true of the dial."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from allclear.domain.action import ActStatus, Outcome, Refusal
from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, ConfigError, Denied, NotAllowed, NotFound, Refused, VendorRefused
from allclear.domain.records import ActFinished, ActIntended, AskAnswered, AskOpened
from allclear.domain.scope import Scope
from allclear.engine.actions.executor import LEASE
from allclear.journal.ports import Acquired
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal
from tests.scopes import REAL
from tests.unit.domain.stories import MACHINE
from tests.unit.fakes_actions import (
    ANA,
    LOST,
    CallDial,
    Desk,
    Dials,
    PlainDial,
    SetDial,
    TurnDial,
    UnaskedDial,
    nothing,
    raising,
    touched,
    turned_to,
)


class Time:
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        """Return the present."""
        return self.now


class Office:
    """Several processes, each with a `Desk`, that share a journal."""

    def __init__(self, folder: Path) -> None:
        self.url, self.time, self.dials = new_journal(folder), Time(), Dials()
        self.journals: list[SqlJournal] = []

    def desk(self, scope: Scope = REAL) -> Desk:
        """Return the desk of another process."""
        journal = SqlJournal(self.url, scope, self.time)
        self.journals.append(journal)
        return Desk(journal, self.dials, self.time)

    async def interrupted(self, kind: type[TurnDial], *, dead: bool) -> tuple[Desk, str, str]:
        """Leave an act with an intent and no outcome; its holder is dead, or only paused."""
        gone, desk = self.desk(), self.desk()
        incident = desk.opened()
        act = await desk.approved(incident, kind, 5)
        change = desk.act(incident, act).change or {}
        intent = ActIntended(act=act, digest="d", change=change, holder=gone.journal.holder)
        claim = gone.journal.claim(str(change["resource"]), incident, act, LEASE, intent, MACHINE)
        assert isinstance(claim, Acquired)
        if dead:
            gone.journal.close()
        else:
            self.time.now += LEASE + timedelta(seconds=1)
        return desk, incident, act


@pytest.fixture
def office(tmp_path: Path) -> Generator[Office]:
    """An office on a new journal."""
    office = Office(tmp_path)
    yield office
    for journal in office.journals:
        journal.close()


@pytest.fixture
def desk(office: Office) -> Desk:
    """The desk of a single process."""
    return office.desk()


def _kinds(desk: Desk, incident: str) -> list[str]:
    return [entry.record.kind for entry in desk.journal.entries(incident)]


# --- proposing -------------------------------------------------------------------------------------------


async def test_a_dry_run_writes_nothing(desk: Desk) -> None:
    """A preview writes neither to the dial nor to the journal."""
    incident = desk.opened()
    preview = await desk.executor.preview("dial.turn", {"to": 5})
    assert (preview.change.before.points, preview.change.after.points, preview.done) == (1, 5, False)
    assert desk.dials.sent == []
    assert _kinds(desk, incident) == ["incident.opened"]


async def test_a_dry_run_has_the_reasons_for_a_refusal(desk: Desk) -> None:
    """A preview has the refusals; an action that is already done is not refused."""
    desk.dials.refusals = [Refusal(sentence="It is glued.", next_step="Call somebody.")]
    assert [one.sentence for one in (await desk.executor.preview("dial.turn", {"to": 5})).refusals] == ["It is glued."]
    done = await desk.executor.preview("dial.turn", {"to": 1})
    assert (done.done, done.refusals) == (True, [])


async def test_an_act_that_cannot_be_done_is_refused_before_people_are_asked(desk: Desk) -> None:
    """An act without a target, or with a refusal, ends with its proposal, and nobody is asked."""
    incident = desk.opened()
    hopeless = await desk.proposed(incident, TurnDial, -1, "one")
    desk.dials.refusals = [Refusal(sentence="It is glued.", next_step="Call somebody.")]
    refused = await desk.proposed(incident, TurnDial, 5, "two")
    for act in (hopeless, refused):
        assert desk.act(incident, act).status is ActStatus.REFUSED
    assert desk.incident(incident).asks == {}
    assert (await desk.executor.carry_out(incident, refused, MACHINE)).sentence == "It is glued."
    assert desk.dials.sent == []


async def test_a_vendor_that_does_not_answer_fails_the_proposal(desk: Desk) -> None:
    """If the target cannot be read, the act fails and says what to do."""
    incident = desk.opened()
    desk.dials.at_check = [raising(Denied("The key lacks the right.", "Give it."))]
    act = await desk.proposed(incident, TurnDial, 5)
    outcome = desk.act(incident, act).outcome
    assert outcome is not None
    assert (outcome.status, outcome.changed, outcome.next_step) == (ActStatus.FAILED, False, "Give it.")


async def test_unknown_names_are_refused(desk: Desk) -> None:
    """An unknown action, parameter or act is an error with a next step, not a traceback."""
    incident = desk.opened()
    with pytest.raises(NotFound):
        await desk.executor.preview("dial.trun", {"to": 5})
    with pytest.raises(ConfigError):
        await desk.executor.preview("dial.turn", {"two": 5})
    with pytest.raises(NotFound):
        await desk.executor.carry_out(incident, "contain/nothing", MACHINE)


# --- approvals -------------------------------------------------------------------------------------------


async def test_an_approved_act_is_carried_out_and_verified(desk: Desk) -> None:
    """Proposal, approval, intent, write, read, outcome: in this order, and once."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
    assert desk.dials.sent == [("main", 5, f"{incident}/{act}")]
    assert _kinds(desk, incident)[1:] == ["act.proposed", "ask.opened", "ask.answered", "act.intended", "act.finished"]
    assert await desk.executor.carry_out(incident, act, MACHINE) == outcome
    assert len(desk.dials.sent) == 1


async def test_without_an_approval_nothing_is_done(desk: Desk) -> None:
    """An act is not carried out while its ask is open, nor after a no."""
    incident = desk.opened()
    act = await desk.proposed(incident, TurnDial, 5)
    for _ in range(2):
        with pytest.raises(NotAllowed):
            await desk.executor.carry_out(incident, act, MACHINE)
        desk.answered(incident, act, yes=False)
    assert desk.dials.sent == []


async def test_an_act_that_needs_no_approval_is_carried_out_at_once(desk: Desk) -> None:
    """If the action needs no approval, nobody is asked."""
    incident = desk.opened()
    act = await desk.proposed(incident, UnaskedDial, 5)
    assert (await desk.executor.carry_out(incident, act, MACHINE)).good
    assert desk.incident(incident).asks == {}


async def test_an_approval_of_another_change_does_not_count(desk: Desk) -> None:
    """An approval is for the change that was shown: it does not count for a change with another digest."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    other = Ask(
        id=f"{incident}/contain/other",
        kind=AskKind.APPROVAL,
        phase="contain",
        step="turn",
        title="?",
        text="?",
        yes="",
        no="",
        policy=ONE_PERSON,
        act=act,
        digest="f" * 64,
    )
    desk.journal.append(incident, [AskOpened(ask=other), AskAnswered(ask=other.id, yes=True)], ANA)
    with pytest.raises(NotAllowed):
        await desk.executor.carry_out(incident, act, MACHINE)
    assert desk.dials.sent == []


async def test_a_rejected_act_is_not_carried_out(desk: Desk) -> None:
    """A rejected act returns its outcome, and nothing is written."""
    incident = desk.opened()
    act = await desk.proposed(incident, TurnDial, 5)
    rejected = Outcome(status=ActStatus.REJECTED, changed=False, sentence="Ana said no.")
    desk.journal.append(incident, [ActFinished(act=act, outcome=rejected)], ANA)
    assert await desk.executor.carry_out(incident, act, MACHINE) == rejected
    assert desk.dials.sent == []


# --- between the approval and the write ------------------------------------------------------------------


async def test_a_target_that_changed_after_the_approval_stops_the_act(desk: Desk) -> None:
    """Nothing is done, and the act may be proposed again."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.turn("main", 3)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed, outcome.drifted) == (ActStatus.FAILED, False, True)
    assert desk.dials.sent == []
    again = await desk.proposed(incident, TurnDial, 5)
    assert again == f"{act}~2"
    assert desk.incident(incident).asks[f"{incident}/{again}"].open
    desk.answered(incident, again)
    assert (await desk.executor.carry_out(incident, again, MACHINE)).good


async def test_an_incidental_change_does_not_stop_the_act(desk: Desk) -> None:
    """An etag that changed for another reason is read again, and the intent has the new one."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.touch("main")
    assert (await desk.executor.carry_out(incident, act, MACHINE)).good
    assert (desk.act(incident, act).change or {})["before"]["version"] == 2


async def test_an_act_that_was_done_meanwhile_is_already_done(desk: Desk) -> None:
    """If the same change was made meanwhile, the act is verified, and not ours to undo."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.turn("main", 5)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, False)
    assert desk.incident(incident).in_place == []
    assert desk.dials.sent == []


async def test_a_refusal_after_the_approval_stops_the_act(desk: Desk) -> None:
    """The precheck runs again right before the write."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.refusals = [Refusal(sentence="It is glued.", next_step="Call somebody.")]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.next_step) == (ActStatus.REFUSED, "Call somebody.")
    assert desk.dials.sent == []


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
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.at_check = [nothing, _hide(2)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert outcome.good


async def test_a_change_that_is_not_seen_by_its_deadline_is_unverified(desk: Desk) -> None:
    """It was sent and is not seen, so it is unverified, and counts as in place."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    desk.dials.at_check = [nothing, _hide(10_000)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
    assert [one.id for one in desk.incident(incident).not_handed_over] == [act]


async def test_a_change_that_had_no_effect_by_its_deadline_has_failed(desk: Desk) -> None:
    """If a read proves that nothing changed, the act has failed at its deadline and left nothing behind."""
    incident = desk.opened()
    act = await desk.approved(incident, PlainDial, 5)
    desk.dials.at_check = [nothing, _hide(10_000)]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.changed) == (ActStatus.FAILED, False)


def _hide(checks: int):  # noqa: ANN202 - a Misfortune
    async def happen(dials: Dials, _: str) -> None:
        dials.hidden = checks

    return happen


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
    async with asyncio.timeout(10):
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

    async def stare(_: Dials, __: str) -> None:
        await proving.wait()

    # The other has read the journal and is about to look; by the time it sees anything, the holder has written.
    office.dials.at_check = [stare, nothing, prove]
    second = asyncio.create_task(other.executor.carry_out(incident, act, MACHINE))
    await asyncio.sleep(0)
    first = asyncio.create_task(holder.executor.carry_out(incident, act, MACHINE))
    async with asyncio.timeout(10):
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
    assert _kinds(one, incident).count("act.finished") == 1


async def test_a_process_that_waits_for_another_polls_the_journal_and_not_the_target(office: Office) -> None:
    """While the holder verifies its act for half a second, two processes that wait for it read the dial once each."""
    holder, others = office.desk(), [office.desk(), office.desk()]
    incident = holder.opened()
    act = await holder.approved(incident, TurnDial, 5)
    proving, waited = asyncio.Event(), asyncio.Event()

    async def prove(_: Dials, __: str) -> None:
        proving.set()
        await waited.wait()

    office.dials.at_check = [nothing, prove, *[nothing] * 40]
    first = asyncio.create_task(holder.executor.carry_out(incident, act, MACHINE))
    async with asyncio.timeout(10):
        await proving.wait()
        waiting = [asyncio.create_task(desk.executor.carry_out(incident, act, MACHINE)) for desk in others]
        await asyncio.wait(waiting, timeout=0.6)
        looked = 40 - len(office.dials.at_check)
        waited.set()
        outcomes = await asyncio.gather(first, *waiting)
    assert looked == len(others)
    assert all(outcome == outcomes[0] for outcome in outcomes)


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
    async with asyncio.timeout(10):
        await proving.wait()
        other = theirs.opened()
        second = await theirs.approved(other, TurnDial, 7)
        assert (await theirs.executor.carry_out(other, second, MACHINE)).good
        seen.set()
        await first
    assert office.dials.last_turn == [("main", 5), ("main", 7)]

"""The executor, on dials in memory: what is proposed, approved, and checked again before the write."""

from __future__ import annotations

import pytest

from allclear.domain.action import ActStatus, Outcome, Refusal
from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.errors import ConfigError, Denied, NotAllowed, NotFound
from allclear.domain.records import ActFinished, AskAnswered, AskOpened
from tests.unit.domain.stories import MACHINE
from tests.unit.engine.actions.executor_support import kinds
from tests.unit.fakes_actions import (
    ANA,
    Desk,
    TurnDial,
    UnaskedDial,
    raising,
)

# --- proposing -------------------------------------------------------------------------------------------


async def test_a_dry_run_writes_nothing(desk: Desk) -> None:
    """A preview writes neither to the dial nor to the journal."""
    incident = desk.opened()
    preview = await desk.executor.preview("dial.turn", {"to": 5})
    assert (preview.change.before.points, preview.change.after.points, preview.done) == (1, 5, False)
    assert desk.dials.sent == []
    assert kinds(desk, incident) == ["incident.opened"]


async def test_a_dry_run_has_the_reasons_for_a_refusal(desk: Desk) -> None:
    """A preview has the refusals; an action that is already done is not refused."""
    desk.dials.refusals = [Refusal(sentence="It is glued.", next_step="Call the caretaker.")]
    assert [one.sentence for one in (await desk.executor.preview("dial.turn", {"to": 5})).refusals] == ["It is glued."]
    done = await desk.executor.preview("dial.turn", {"to": 1})
    assert (done.done, done.refusals) == (True, [])


async def test_an_act_that_cannot_be_done_is_refused_before_people_are_asked(desk: Desk) -> None:
    """An act without a target, or with a refusal, ends with its proposal, and no one is asked."""
    incident = desk.opened()
    hopeless = await desk.proposed(incident, TurnDial, -1, "one")
    desk.dials.refusals = [Refusal(sentence="It is glued.", next_step="Call the caretaker.")]
    refused = await desk.proposed(incident, TurnDial, 5, "two")
    for act in (hopeless, refused):
        assert desk.act(incident, act).status is ActStatus.REFUSED
    assert desk.incident(incident).asks == {}
    assert (await desk.executor.carry_out(incident, refused, MACHINE)).sentence == "It is glued."
    assert desk.dials.sent == []


async def test_a_vendor_that_does_not_answer_fails_the_proposal(desk: Desk) -> None:
    """If the target cannot be read, the act fails, with a next step for a person."""
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
    assert kinds(desk, incident)[1:] == ["act.proposed", "ask.opened", "ask.answered", "act.intended", "act.finished"]
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
    """If the action needs no approval, no one is asked."""
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
    desk.dials.refusals = [Refusal(sentence="It is glued.", next_step="Call the caretaker.")]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.next_step) == (ActStatus.REFUSED, "Call the caretaker.")
    assert desk.dials.sent == []

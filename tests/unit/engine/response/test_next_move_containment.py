"""The next move in containment: measures, their checks, and containment by people."""

# ruff: noqa: ANN401 - steps as a runbook's YAML has them
from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.action import ActStatus, Finding
from allclear.domain.approval import AskKind
from allclear.domain.records import Contained, PhaseLeft
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import (
    AskPeople,
    CarryOut,
    Leave,
    Over,
    RunProbe,
    Wait,
)
from allclear.engine.response.step_keys import MANUAL_CONTAINMENT
from tests.unit.domain.stories import HEALTH, TROUBLE
from tests.unit.engine.response.next_move_support import UNKNOWN, PhaseStory, step_of

# --- measures --------------------------------------------------------------------------------------------

ROLL_BACK = {"id": "roll-back", "action": "run.rollback", "measure": True}
CLOSE = {
    "id": "close",
    "action": "maintenance.enable",
    "measure": True,
    "proof": {"probe": "http.health"},
}
EVIDENCE = {"id": "evidence", "probe": "run.revisions", "meanwhile": True}
NUDGE = {"id": "nudge", "action": "chat.post", "meanwhile": True}
LEADERS = {"id": "leaders", "person": "on_call", "ask": "Tell them.", "meanwhile": True}
STATUS = {"id": "status", "action": "page.open"}


def _contain(*steps: dict[str, Any], **more: Any) -> PhaseStory:
    return PhaseStory(Phase.CONTAIN, *steps, **more)


def test_while_a_measure_waits_for_people_the_meanwhile_steps_go_on() -> None:
    """Evidence, messages and people's steps go on; the next measure and the steps after it wait."""
    story = _contain(ROLL_BACK, CLOSE, EVIDENCE, NUDGE, LEADERS, STATUS).propose("roll-back")
    assert step_of(story.next) == "evidence"
    assert step_of(story.found("evidence", HEALTH).next) == "nudge"
    assert isinstance(story.propose("nudge", ask=False).next, CarryOut)
    assert step_of(story.finish("nudge", ActStatus.VERIFIED).next) == "leaders"
    story.asked("leaders", AskKind.STEP)
    assert story.next == Wait((story.ask_id("roll-back"), story.ask_id("leaders")))


def test_a_meanwhile_step_blocks_no_other_step() -> None:
    """Nor does it hold up the phase: its question stays open when the phase is left."""
    story = _contain(LEADERS, STATUS).asked("leaders", AskKind.STEP)
    assert step_of(story.next) == "status"
    story.propose("status", ask=False).finish("status", ActStatus.VERIFIED)
    assert story.next == Leave(Phase.CONTAIN)
    assert story.incident.asks[story.ask_id("leaders")].open


def test_what_follows_from_a_late_answer_is_done_after_the_phase_was_left() -> None:
    """The status page is approved while people search for the cause: it is published all the same."""
    story = _contain({**STATUS, "meanwhile": True}).propose("status")
    assert story.next == Leave(Phase.CONTAIN)
    story.record(PhaseLeft(phase="contain"))
    assert story.next == Over()
    story.answer("status", yes=True)
    assert isinstance(story.next, CarryOut)
    assert story.finish("status", ActStatus.VERIFIED).next == Over()


def test_a_step_that_was_never_begun_is_not_begun_after_its_phase() -> None:
    """Only what was asked or proposed in the phase goes on after it."""
    story = _contain(LEADERS).record(PhaseLeft(phase="contain"))
    assert story.next == Over()


def test_other_phases_wait_for_their_meanwhile_steps() -> None:
    """The resolution ends the incident, so it does not leave a question behind."""
    story = PhaseStory(Phase.RESOLVE, LEADERS).asked("leaders", AskKind.STEP)
    assert story.next == Wait((story.ask_id("leaders"),))


def test_a_measure_that_is_proven_contains() -> None:
    """It is carried out, the service is checked, and if that succeeds no other measure is proposed."""
    story = _contain(ROLL_BACK, CLOSE, STATUS)
    assert step_of(story.next) == "roll-back"
    story.propose("roll-back").answer("roll-back", yes=True)
    assert isinstance(story.next, CarryOut)
    check = story.finish("roll-back", ActStatus.VERIFIED).next
    assert isinstance(check, RunProbe)
    assert (check.key, check.call, check.contained_by) == ("roll-back-proof", story.book.health, "roll-back")
    story.found("roll-back-proof", HEALTH).record(Contained(by="roll-back", finding=HEALTH))
    assert step_of(story.next) == "status"


@pytest.mark.parametrize("finding", [TROUBLE, UNKNOWN])
def test_after_a_measure_that_is_not_proven_the_next_is_proposed(finding: Finding) -> None:
    """If the check after it fails, the next measure is proposed, with its own check."""
    story = _contain(ROLL_BACK, CLOSE, STATUS).propose("roll-back", ask=False)
    story.finish("roll-back", ActStatus.VERIFIED).found("roll-back-proof", finding)
    assert step_of(story.next) == "close"
    check = story.propose("close", ask=False).finish("close", ActStatus.VERIFIED).next
    assert isinstance(check, RunProbe)
    assert (check.key, check.call.probe) == ("close-proof", "http.health")


@pytest.mark.parametrize("status", [ActStatus.REJECTED, ActStatus.REFUSED, ActStatus.FAILED])
def test_a_measure_that_was_not_carried_out_needs_no_check(status: ActStatus) -> None:
    """The next one is proposed at once."""
    story = _contain(ROLL_BACK, CLOSE).propose("roll-back", ask=False)
    assert step_of(story.finish("roll-back", status, changed=False).next) == "close"


@pytest.mark.parametrize("status", [ActStatus.VERIFIED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE])
@pytest.mark.parametrize("changed", [True, False])
def test_a_measure_that_may_have_helped_is_checked(status: ActStatus, *, changed: bool) -> None:
    """If it was already done, unverified or indeterminate, the health check decides."""
    story = _contain(ROLL_BACK, CLOSE).propose("roll-back", ask=False).finish("roll-back", status, changed=changed)
    check = story.next
    assert isinstance(check, RunProbe)
    assert check.key == "roll-back-proof"


def test_a_drifted_measure_is_proposed_again_before_the_next() -> None:
    """The same measure is proposed for the present state."""
    story = _contain(ROLL_BACK, CLOSE).propose("roll-back", ask=False)
    story.finish("roll-back", ActStatus.FAILED, changed=False, drifted=True)
    assert step_of(story.next) == "roll-back"


def test_a_measure_that_was_refused_for_a_reason_that_passes_is_proposed_again_before_the_next() -> None:
    """A rollout outlasted the deadline: the measure is not given up because of it."""
    story = _contain(ROLL_BACK, CLOSE).propose("roll-back", ask=False)
    story.finish("roll-back", ActStatus.REFUSED, changed=False, passes=True)
    assert step_of(story.next) == "roll-back"


def test_when_no_measure_helps_people_contain_manually() -> None:
    """The service is checked, people are asked, and it is checked again after each yes."""
    story = _contain(ROLL_BACK, STATUS).propose("roll-back", ask=False)
    story.finish("roll-back", ActStatus.REFUSED, changed=False)
    for number in (1, 2):
        check = story.next
        assert isinstance(check, RunProbe)
        assert (check.key, check.call, check.contained_by is None) == (MANUAL_CONTAINMENT, story.book.health, False)
        ask = story.found(MANUAL_CONTAINMENT, TROUBLE).next
        assert isinstance(ask, AskPeople)
        assert (ask.kind, ask.step.id) == (AskKind.RETRY, MANUAL_CONTAINMENT)
        assert story.asked(MANUAL_CONTAINMENT, AskKind.RETRY, number).next == Wait(
            (story.ask_id(MANUAL_CONTAINMENT, number),)
        )
        story.answer(MANUAL_CONTAINMENT, yes=True, number=number)
    story.found(MANUAL_CONTAINMENT, HEALTH).record(Contained(by="Found healthy again", finding=HEALTH))
    assert step_of(story.next) == "status"


def test_people_may_go_on_without_containment() -> None:
    """After a no the response goes on, and the record shows no containment."""
    story = _contain(ROLL_BACK, STATUS).propose("roll-back", ask=False)
    story.finish("roll-back", ActStatus.REFUSED, changed=False).found(MANUAL_CONTAINMENT, TROUBLE).asked(
        MANUAL_CONTAINMENT, AskKind.RETRY
    )
    assert step_of(story.answer(MANUAL_CONTAINMENT, yes=False).next) == "status"


def test_a_runbook_without_measures_asks_no_one_to_contain() -> None:
    """Without measures there is nothing to check."""
    assert step_of(_contain(STATUS).next) == "status"


def test_a_severity_that_is_not_contained_has_no_measures() -> None:
    """For a typo nothing is rolled back, and no one is asked to contain it."""
    assert step_of(_contain(ROLL_BACK, CLOSE, STATUS, severity="P3").next) == "status"
    assert step_of(_contain(ROLL_BACK, CLOSE, STATUS, severity="unknown").next) == "roll-back"

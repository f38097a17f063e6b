"""The next move of an incident: phases, probes, people's steps, acts, and the steps that apply."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.action import ActStatus, Finding
from allclear.domain.approval import AskKind
from allclear.domain.records import (
    ActIntended,
    IncidentEnded,
    PhaseLeft,
    Recovered,
)
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import (
    AskPeople,
    CarryOut,
    Enter,
    FalseAlarm,
    Leave,
    Over,
    Propose,
    RunProbe,
    Wait,
)
from allclear.engine.response.next_move import next_move
from tests.unit.domain.stories import HEALTH, TROUBLE
from tests.unit.engine.response.next_move_support import PLAN, UNKNOWN, PhaseStory, step_of

# --- phases ----------------------------------------------------------------------------------------------


def test_a_phase_is_entered_done_and_left() -> None:
    """A phase without steps is entered and left; after that it is over."""
    story = PhaseStory(Phase.DETECT)
    assert next_move(story.incident, PLAN, story.book, Phase.CONTAIN) == Enter(Phase.CONTAIN)
    assert story.next == Leave(Phase.DETECT)
    story.record(PhaseLeft(phase="detect"))
    assert story.next == Over()


def test_an_incident_that_has_ended_goes_on_in_its_review_only() -> None:
    """Every other phase is over; the review still follows."""
    story = PhaseStory(Phase.CONTAIN, {"id": "tell", "action": "chat.post"})
    story.record(IncidentEnded(ending="resolved", reason="so"))
    assert story.next == Over()
    assert next_move(story.incident, PLAN, story.book, Phase.RESOLVE) == Over()
    assert next_move(story.incident, PLAN, story.book, Phase.REVIEW) == Enter(Phase.REVIEW)


# --- probes ----------------------------------------------------------------------------------------------

VERIFY = {"id": "verify", "probe": "http.smoke", "expects": "trouble"}
PAGE = {"id": "page", "action": "pager.page"}
CONFIRM = {"id": "confirm", "probe": "http.smoke", "expects": "health", "within": "30s"}


@pytest.mark.parametrize("finding", [HEALTH, TROUBLE, UNKNOWN])
def test_a_probe_that_expects_nothing_is_run_once(finding: Finding) -> None:
    """The response goes on, whatever the finding is."""
    story = PhaseStory(Phase.INVESTIGATE, {"id": "revisions", "probe": "run.revisions", "with": {"service": "shop"}})
    check = story.next
    assert isinstance(check, RunProbe)
    assert (check.key, check.call.probe, check.call.with_, check.contained_by) == (
        "revisions",
        "run.revisions",
        {"service": "shop"},
        None,
    )
    assert story.found("revisions", finding).next == Leave(Phase.INVESTIGATE)


@pytest.mark.parametrize("finding", [TROUBLE, UNKNOWN])
def test_trouble_that_is_confirmed_or_unclear_goes_on_at_once(finding: Finding) -> None:
    """Only a healthy service stops a response; no one is asked about an inconclusive finding."""
    story = PhaseStory(Phase.DETECT, VERIFY, PAGE)
    assert step_of(story.next) == "verify"
    assert story.found("verify", finding).next == Propose(Phase.DETECT, story.book.detect[1])


def test_if_the_service_is_healthy_people_are_asked_about_a_false_alarm() -> None:
    """Nothing is done before a person answers whether it is a false alarm: yes ends the incident, no goes on."""
    story = PhaseStory(Phase.DETECT, VERIFY, PAGE).found("verify", HEALTH)
    assert story.next == AskPeople(Phase.DETECT, story.book.detect[0], AskKind.FALSE_ALARM, HEALTH.sentence)
    story.asked("verify", AskKind.FALSE_ALARM)
    assert story.next == Wait((story.ask_id("verify"),))
    granted = PhaseStory(Phase.DETECT, VERIFY, PAGE).found("verify", HEALTH).asked("verify", AskKind.FALSE_ALARM)
    assert granted.answer("verify", yes=True).next == FalseAlarm(Phase.DETECT, granted.ask_id("verify"))
    assert step_of(story.answer("verify", yes=False).next) == "page"


def test_a_failed_health_check_asks_people_whether_to_repeat_it() -> None:
    """People correct the trouble and answer "try again", and the service is checked again, as often as needed."""
    story = PhaseStory(Phase.RESOLVE, CONFIRM, PAGE)
    check = story.next
    assert isinstance(check, RunProbe)
    assert check.call.within == timedelta(seconds=30)
    for number in (1, 2, 3):
        story.found("confirm", TROUBLE)
        assert story.next == AskPeople(Phase.RESOLVE, story.book.resolve[0], AskKind.RETRY, TROUBLE.sentence)
        story.asked("confirm", AskKind.RETRY, number)
        assert story.next == Wait((story.ask_id("confirm", number),))
        assert story.answer("confirm", yes=True, number=number).next == check
    story.found("confirm", HEALTH).record(Recovered(finding=HEALTH))
    assert step_of(story.next) == "page"


def test_people_may_go_on_without_health() -> None:
    """After a no the response goes on without it."""
    story = PhaseStory(Phase.RESOLVE, CONFIRM, PAGE).found("confirm", UNKNOWN).asked("confirm", AskKind.RETRY)
    assert step_of(story.answer("confirm", yes=False).next) == "page"


# --- people's steps and acts -----------------------------------------------------------------------------


def test_a_persons_step_waits_for_its_result() -> None:
    """The person is asked once, and the step is done when it has a result."""
    story = PhaseStory(Phase.RESOLVE, {"id": "fix", "person": "tech_lead", "ask": "Fix it."}, PAGE)
    assert story.next == AskPeople(Phase.RESOLVE, story.book.resolve[0], AskKind.STEP)
    assert story.asked("fix", AskKind.STEP).next == Wait((story.ask_id("fix"),))
    assert step_of(story.answer("fix", yes=True).found("fix", HEALTH).next) == "page"


def test_an_act_is_proposed_approved_and_carried_out() -> None:
    """Propose, wait for the approval, carry out, go on."""
    story = PhaseStory(Phase.REVIEW, PAGE, {"id": "tell", "action": "chat.post"})
    assert story.next == Propose(Phase.REVIEW, story.book.review[0])
    assert story.propose("page").next == Wait((story.ask_id("page"),))
    assert story.answer("page", yes=True).next == CarryOut(Phase.REVIEW, "review/page", "page")
    assert step_of(story.finish("page", ActStatus.VERIFIED).next) == "tell"


def test_an_act_that_needs_no_approval_is_carried_out_at_once() -> None:
    """Without an ask there is nothing to wait for."""
    story = PhaseStory(Phase.DETECT, PAGE).propose("page", ask=False)
    assert story.next == CarryOut(Phase.DETECT, "detect/page", "page")


def test_an_act_that_has_begun_is_carried_out() -> None:
    """An intent without an outcome is never waited for, because it has to be reconciled."""
    story = PhaseStory(Phase.DETECT, PAGE).propose("page")
    story.record(ActIntended(act="detect/page", digest="1" * 64, change={"summary": "page"}, holder="gone"))
    assert story.next == CarryOut(Phase.DETECT, "detect/page", "page")


@pytest.mark.parametrize(
    "status",
    [ActStatus.REFUSED, ActStatus.REJECTED, ActStatus.FAILED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE],
)
def test_an_act_is_done_once_whatever_its_outcome_is(status: ActStatus) -> None:
    """A step that failed is not tried again automatically."""
    story = PhaseStory(Phase.DETECT, PAGE, {"id": "tell", "action": "chat.post"}).propose("page", ask=False)
    assert step_of(story.finish("page", status, changed=False).next) == "tell"


def test_a_drifted_act_is_proposed_again_a_few_times() -> None:
    """If its target changed after the approval, it is proposed again with another ask; the fourth is the last."""
    story = PhaseStory(Phase.DETECT, PAGE, {"id": "tell", "action": "chat.post"})
    for number in (1, 2, 3, 4):
        assert step_of(story.next) == "page"
        assert story.propose("page", number).next == Wait((story.ask_id("page", number),))
        story.answer("page", yes=True, number=number)
        story.finish("page", ActStatus.FAILED, number, changed=False, drifted=True)
    assert step_of(story.next) == "tell"


# --- filters ---------------------------------------------------------------------------------------------


def test_steps_apply_to_their_severities_and_kinds() -> None:
    """A step for other severities or kinds of incident is left out."""
    steps = (
        {"id": "one", "action": "chat.post", "severities": ["P1"]},
        {"id": "two", "action": "chat.post", "kinds": ["breach"]},
        {"id": "three", "action": "chat.post", "severities": ["P0", "P1"], "kinds": ["outage", "breach"]},
    )
    assert step_of(PhaseStory(Phase.DETECT, *steps).next) == "three"
    assert step_of(PhaseStory(Phase.DETECT, *steps, severity="P1").next) == "one"
    assert step_of(PhaseStory(Phase.DETECT, *steps, kind="breach").next) == "two"
    assert PhaseStory(Phase.DETECT, *steps, severity="P3").next == Leave(Phase.DETECT)

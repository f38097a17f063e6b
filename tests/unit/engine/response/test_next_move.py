"""The next move of an incident, for every kind of step and everything that may happen to it."""

# ruff: noqa: ANN401 - steps as a runbook's YAML has them
from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

import pytest

from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Ask, AskKind
from allclear.domain.plan import Severity
from allclear.domain.records import (
    ActFinished,
    ActIntended,
    ActProposed,
    AskAnswered,
    AskOpened,
    Contained,
    IncidentEnded,
    IncidentOpened,
    LedgerHandedOver,
    PhaseEntered,
    PhaseLeft,
    StepDone,
)
from allclear.domain.runbook import Phase, Runbook
from allclear.engine.response.moves import (
    AskPeople,
    CarryOut,
    Enter,
    FalseAlarm,
    HandOver,
    Leave,
    Move,
    Over,
    Propose,
    ProposeUndo,
    RunProbe,
    Wait,
)
from allclear.engine.response.next_move import next_move
from allclear.engine.response.step_keys import MANUAL_CONTAINMENT, undo_key
from tests.unit.domain.stories import ANA, HEALTH, START, TROUBLE, Story, plan

PLAN = plan().model_copy(
    update={
        "severities": [
            *plan().severities,
            Severity(name="P3", title="Low", definition="Typos", contain=False),
        ]
    }
)
UNKNOWN = Finding(verdict=Verdict.INCONCLUSIVE, sentence="It shows its maintenance page.")


def book(phase: Phase, *steps: dict[str, Any]) -> Runbook:
    """Return a runbook with these steps in one phase."""
    whole = {
        "name": "outage",
        "title": "Outage",
        "about": "All is down.",
        "service": "shop",
        "health": {"probe": "http.smoke", "with": {"service": "shop"}},
        phase.value: list(steps),
    }
    return Runbook.model_validate(whole)


class Course(Story):
    """An incident in one phase, built in few words, and its next move."""

    def __init__(self, phase: Phase, *steps: dict[str, Any], severity: str = "P0", kind: str = "outage") -> None:
        super().__init__()
        self.phase, self.book = phase, book(phase, *steps)
        self.record(
            IncidentOpened(
                company="VintStreet",
                title="Trouble",
                severity=severity,
                service="shop",
                runbook="outage",
                reported="by Ana",
                incident_kind=kind,
            ),
            PhaseEntered(phase=phase.value),
        )

    @property
    def next(self) -> Move:
        """Return the next move."""
        return next_move(self.incident, PLAN, self.book, self.phase)

    def found(self, step: str, finding: Finding) -> Self:
        """Add the finding of a probe."""
        self.after(1)
        return self.record(StepDone(phase=self.phase.value, step=step, title=step, finding=finding))

    def asked(self, step: str, kind: AskKind, number: int = 1, act: str | None = None) -> Self:
        """Add a question to people."""
        self.after(1)
        policy = ApprovalPolicy(roles=["on_call"]) if kind is not AskKind.APPROVAL else ONE_PERSON
        return self.record(
            AskOpened(
                ask=Ask(
                    id=self.ask_id(step, number),
                    kind=kind,
                    phase=self.phase.value,
                    step=step,
                    title=step,
                    text="?",
                    yes="",
                    no="",
                    policy=policy,
                    act=act,
                    digest="1" * 64 if act else None,
                )
            )
        )

    def ask_id(self, step: str, number: int = 1) -> str:
        """Return the id of a step's ask."""
        return f"{self.id}/{self.phase.value}/{step}" + (f"~{number}" if number > 1 else "")

    def answer(self, step: str, *, yes: bool, number: int = 1) -> Self:
        """Add Ana's answer."""
        self.after(1)
        return self.record(AskAnswered(ask=self.ask_id(step, number), yes=yes, reason="so"), by=ANA)

    def act_id(self, step: str, number: int = 1) -> str:
        """Return the id of a step's act."""
        return f"{self.phase.value}/{step}" + (f"~{number}" if number > 1 else "")

    def propose(
        self, step: str, number: int = 1, *, ask: bool = True, leaves: str | None = None, undoes: str | None = None
    ) -> Self:
        """Add a step's proposed act, and its approval."""
        self.after(1).record(
            ActProposed(
                act=self.act_id(step, number),
                phase=self.phase.value,
                step=step,
                action="dial.turn",
                title=step,
                params={},
                change={"summary": step},
                digest="1" * 64,
                resource="dial:main",
                leaves=leaves,
                undoes=undoes,
            )
        )
        return self.asked(step, AskKind.APPROVAL, number, self.act_id(step, number)) if ask else self

    def finish(
        self, step: str, status: ActStatus, number: int = 1, *, changed: bool = True, drifted: bool = False
    ) -> Self:
        """Add the outcome of a step's act."""
        outcome = Outcome(status=status, changed=changed, drifted=drifted, sentence="So it went.", next_step="See.")
        return self.after(1).record(ActFinished(act=self.act_id(step, number), outcome=outcome))


def _step(move: Move) -> str:
    assert isinstance(move, RunProbe | Propose | ProposeUndo | AskPeople)
    return move.step.id


# --- phases ----------------------------------------------------------------------------------------------


def test_a_phase_is_entered_done_and_left() -> None:
    """A phase without steps is entered and left; after that it is over."""
    course = Course(Phase.DETECT)
    assert next_move(course.incident, PLAN, course.book, Phase.CONTAIN) == Enter(Phase.CONTAIN)
    assert course.next == Leave(Phase.DETECT)
    course.record(PhaseLeft(phase="detect"))
    assert course.next == Over()


def test_an_incident_that_has_ended_goes_on_in_its_review_only() -> None:
    """Every other phase is over; the review still follows."""
    course = Course(Phase.CONTAIN, {"id": "tell", "action": "chat.post"})
    course.record(IncidentEnded(ending="resolved", reason="so"))
    assert course.next == Over()
    assert next_move(course.incident, PLAN, course.book, Phase.RESOLVE) == Over()
    assert next_move(course.incident, PLAN, course.book, Phase.REVIEW) == Enter(Phase.REVIEW)


# --- probes ----------------------------------------------------------------------------------------------

VERIFY = {"id": "verify", "probe": "http.smoke", "expects": "trouble"}
PAGE = {"id": "page", "action": "pager.page"}
CONFIRM = {"id": "confirm", "probe": "http.smoke", "expects": "health", "within": "30s"}


@pytest.mark.parametrize("finding", [HEALTH, TROUBLE, UNKNOWN])
def test_a_probe_that_expects_nothing_is_run_once(finding: Finding) -> None:
    """The response goes on, whatever the finding is."""
    course = Course(Phase.INVESTIGATE, {"id": "revisions", "probe": "run.revisions", "with": {"service": "shop"}})
    check = course.next
    assert isinstance(check, RunProbe)
    assert (check.key, check.call.probe, check.call.with_, check.contained_by) == (
        "revisions",
        "run.revisions",
        {"service": "shop"},
        None,
    )
    assert course.found("revisions", finding).next == Leave(Phase.INVESTIGATE)


@pytest.mark.parametrize("finding", [TROUBLE, UNKNOWN])
def test_trouble_that_is_confirmed_or_unclear_goes_on_at_once(finding: Finding) -> None:
    """Only a healthy service stops a response; nobody is asked about an inconclusive finding."""
    course = Course(Phase.DETECT, VERIFY, PAGE)
    assert _step(course.next) == "verify"
    assert course.found("verify", finding).next == Propose(Phase.DETECT, course.book.detect[1])


def test_a_healthy_service_is_put_to_people_as_a_false_alarm() -> None:
    """Nothing is done before a person answers whether it is a false alarm: yes ends the incident, no goes on."""
    course = Course(Phase.DETECT, VERIFY, PAGE).found("verify", HEALTH)
    assert course.next == AskPeople(Phase.DETECT, course.book.detect[0], AskKind.FALSE_ALARM, HEALTH.sentence)
    course.asked("verify", AskKind.FALSE_ALARM)
    assert course.next == Wait((course.ask_id("verify"),))
    granted = Course(Phase.DETECT, VERIFY, PAGE).found("verify", HEALTH).asked("verify", AskKind.FALSE_ALARM)
    assert granted.answer("verify", yes=True).next == FalseAlarm(Phase.DETECT, granted.ask_id("verify"))
    assert _step(course.answer("verify", yes=False).next) == "page"


def test_a_failed_health_check_asks_people_whether_to_repeat_it() -> None:
    """People correct the trouble and answer yes, and the service is checked again, as often as needed."""
    course = Course(Phase.RESOLVE, CONFIRM, PAGE)
    check = course.next
    assert isinstance(check, RunProbe)
    assert check.call.within == timedelta(seconds=30)
    for number in (1, 2, 3):
        course.found("confirm", TROUBLE)
        assert course.next == AskPeople(Phase.RESOLVE, course.book.resolve[0], AskKind.RETRY, TROUBLE.sentence)
        course.asked("confirm", AskKind.RETRY, number)
        assert course.next == Wait((course.ask_id("confirm", number),))
        assert course.answer("confirm", yes=True, number=number).next == check
    assert _step(course.found("confirm", HEALTH).next) == "page"


def test_people_may_go_on_without_health() -> None:
    """After a no the response goes on without it."""
    course = Course(Phase.RESOLVE, CONFIRM, PAGE).found("confirm", UNKNOWN).asked("confirm", AskKind.RETRY)
    assert _step(course.answer("confirm", yes=False).next) == "page"


# --- people's steps and acts -----------------------------------------------------------------------------


def test_a_persons_step_waits_for_its_result() -> None:
    """The person is asked once, and the step is done when it has a result."""
    course = Course(Phase.RESOLVE, {"id": "fix", "person": "tech_lead", "ask": "Fix it."}, PAGE)
    assert course.next == AskPeople(Phase.RESOLVE, course.book.resolve[0], AskKind.STEP)
    assert course.asked("fix", AskKind.STEP).next == Wait((course.ask_id("fix"),))
    assert _step(course.answer("fix", yes=True).found("fix", HEALTH).next) == "page"


def test_an_act_is_proposed_approved_and_carried_out() -> None:
    """Propose, wait for the approval, carry out, go on."""
    course = Course(Phase.REVIEW, PAGE, {"id": "tell", "action": "chat.post"})
    assert course.next == Propose(Phase.REVIEW, course.book.review[0])
    assert course.propose("page").next == Wait((course.ask_id("page"),))
    assert course.answer("page", yes=True).next == CarryOut(Phase.REVIEW, "review/page", "page")
    assert _step(course.finish("page", ActStatus.VERIFIED).next) == "tell"


def test_an_act_that_needs_no_approval_is_carried_out_at_once() -> None:
    """Without an ask there is nothing to wait for."""
    course = Course(Phase.DETECT, PAGE).propose("page", ask=False)
    assert course.next == CarryOut(Phase.DETECT, "detect/page", "page")


def test_an_act_that_has_begun_is_carried_out() -> None:
    """An intent without an outcome is never waited for, because it has to be reconciled."""
    course = Course(Phase.DETECT, PAGE).propose("page")
    course.record(ActIntended(act="detect/page", digest="1" * 64, change={"summary": "page"}, holder="gone"))
    assert course.next == CarryOut(Phase.DETECT, "detect/page", "page")


@pytest.mark.parametrize(
    "status",
    [ActStatus.REFUSED, ActStatus.REJECTED, ActStatus.FAILED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE],
)
def test_an_act_is_done_once_whatever_became_of_it(status: ActStatus) -> None:
    """A step that failed is not tried again automatically."""
    course = Course(Phase.DETECT, PAGE, {"id": "tell", "action": "chat.post"}).propose("page", ask=False)
    assert _step(course.finish("page", status, changed=False).next) == "tell"


def test_a_drifted_act_is_proposed_again_a_few_times() -> None:
    """If its target changed after the approval, it is proposed again with another ask; the fourth is the last."""
    course = Course(Phase.DETECT, PAGE, {"id": "tell", "action": "chat.post"})
    for number in (1, 2, 3, 4):
        assert _step(course.next) == "page"
        assert course.propose("page", number).next == Wait((course.ask_id("page", number),))
        course.answer("page", yes=True, number=number)
        course.finish("page", ActStatus.FAILED, number, changed=False, drifted=True)
    assert _step(course.next) == "tell"


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


def _contain(*steps: dict[str, Any], **more: Any) -> Course:
    return Course(Phase.CONTAIN, *steps, **more)


def test_while_a_measure_waits_for_people_the_meanwhile_steps_go_on() -> None:
    """Evidence, messages and people's steps go on; the next measure and the steps after it wait."""
    course = _contain(ROLL_BACK, CLOSE, EVIDENCE, NUDGE, LEADERS, STATUS).propose("roll-back")
    assert _step(course.next) == "evidence"
    assert _step(course.found("evidence", HEALTH).next) == "nudge"
    assert isinstance(course.propose("nudge", ask=False).next, CarryOut)
    assert _step(course.finish("nudge", ActStatus.VERIFIED).next) == "leaders"
    course.asked("leaders", AskKind.STEP)
    assert course.next == Wait((course.ask_id("roll-back"), course.ask_id("leaders")))


def test_a_meanwhile_step_blocks_no_other_step() -> None:
    """A meanwhile step of a person is waited for only at the end of the phase."""
    course = _contain(LEADERS, STATUS).asked("leaders", AskKind.STEP)
    assert _step(course.next) == "status"
    course.propose("status", ask=False).finish("status", ActStatus.VERIFIED)
    assert course.next == Wait((course.ask_id("leaders"),))


def test_a_measure_that_is_proven_contains() -> None:
    """It is carried out, the service is checked, and if that succeeds no other measure is proposed."""
    course = _contain(ROLL_BACK, CLOSE, STATUS)
    assert _step(course.next) == "roll-back"
    course.propose("roll-back").answer("roll-back", yes=True)
    assert isinstance(course.next, CarryOut)
    check = course.finish("roll-back", ActStatus.VERIFIED).next
    assert isinstance(check, RunProbe)
    assert (check.key, check.call, check.contained_by) == ("roll-back-proof", course.book.health, "roll-back")
    course.found("roll-back-proof", HEALTH).record(Contained(by="roll-back", finding=HEALTH))
    assert _step(course.next) == "status"


@pytest.mark.parametrize("finding", [TROUBLE, UNKNOWN])
def test_after_a_measure_that_is_not_proven_the_next_is_proposed(finding: Finding) -> None:
    """If the check after it fails, the next measure is proposed, with its own check."""
    course = _contain(ROLL_BACK, CLOSE, STATUS).propose("roll-back", ask=False)
    course.finish("roll-back", ActStatus.VERIFIED).found("roll-back-proof", finding)
    assert _step(course.next) == "close"
    check = course.propose("close", ask=False).finish("close", ActStatus.VERIFIED).next
    assert isinstance(check, RunProbe)
    assert (check.key, check.call.probe) == ("close-proof", "http.health")


@pytest.mark.parametrize("status", [ActStatus.REJECTED, ActStatus.REFUSED, ActStatus.FAILED])
def test_a_measure_that_was_not_carried_out_needs_no_check(status: ActStatus) -> None:
    """The next one is proposed at once."""
    course = _contain(ROLL_BACK, CLOSE).propose("roll-back", ask=False)
    assert _step(course.finish("roll-back", status, changed=False).next) == "close"


@pytest.mark.parametrize("status", [ActStatus.VERIFIED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE])
@pytest.mark.parametrize("changed", [True, False])
def test_a_measure_that_may_have_helped_is_checked(status: ActStatus, *, changed: bool) -> None:
    """If it was already done, unverified or indeterminate, the health check decides."""
    course = _contain(ROLL_BACK, CLOSE).propose("roll-back", ask=False).finish("roll-back", status, changed=changed)
    check = course.next
    assert isinstance(check, RunProbe)
    assert check.key == "roll-back-proof"


def test_a_drifted_measure_is_proposed_again_before_the_next() -> None:
    """The same measure is proposed for the present state."""
    course = _contain(ROLL_BACK, CLOSE).propose("roll-back", ask=False)
    course.finish("roll-back", ActStatus.FAILED, changed=False, drifted=True)
    assert _step(course.next) == "roll-back"


def test_when_no_measure_helps_people_contain_by_hand() -> None:
    """The service is checked, people are asked, and it is checked again after each yes."""
    course = _contain(ROLL_BACK, STATUS).propose("roll-back", ask=False)
    course.finish("roll-back", ActStatus.REFUSED, changed=False)
    for number in (1, 2):
        check = course.next
        assert isinstance(check, RunProbe)
        assert (check.key, check.call, check.contained_by is None) == (MANUAL_CONTAINMENT, course.book.health, False)
        ask = course.found(MANUAL_CONTAINMENT, TROUBLE).next
        assert isinstance(ask, AskPeople)
        assert (ask.kind, ask.step.id) == (AskKind.RETRY, MANUAL_CONTAINMENT)
        assert course.asked(MANUAL_CONTAINMENT, AskKind.RETRY, number).next == Wait(
            (course.ask_id(MANUAL_CONTAINMENT, number),)
        )
        course.answer(MANUAL_CONTAINMENT, yes=True, number=number)
    course.found(MANUAL_CONTAINMENT, HEALTH).record(Contained(by="Found healthy again", finding=HEALTH))
    assert _step(course.next) == "status"


def test_people_may_go_on_without_containment() -> None:
    """After a no the response goes on, and the record shows no containment."""
    course = _contain(ROLL_BACK, STATUS).propose("roll-back", ask=False)
    course.finish("roll-back", ActStatus.REFUSED, changed=False).found(MANUAL_CONTAINMENT, TROUBLE).asked(
        MANUAL_CONTAINMENT, AskKind.RETRY
    )
    assert _step(course.answer(MANUAL_CONTAINMENT, yes=False).next) == "status"


def test_a_runbook_without_measures_asks_nobody_to_contain() -> None:
    """Without measures there is nothing to check."""
    assert _step(_contain(STATUS).next) == "status"


# --- filters ---------------------------------------------------------------------------------------------


def test_steps_apply_to_their_severities_and_kinds() -> None:
    """A step for other severities or kinds of incident is left out."""
    steps = (
        {"id": "one", "action": "chat.post", "severities": ["P1"]},
        {"id": "two", "action": "chat.post", "kinds": ["breach"]},
        {"id": "three", "action": "chat.post", "severities": ["P0", "P1"], "kinds": ["outage", "breach"]},
    )
    assert _step(Course(Phase.DETECT, *steps).next) == "three"
    assert _step(Course(Phase.DETECT, *steps, severity="P1").next) == "one"
    assert _step(Course(Phase.DETECT, *steps, kind="breach").next) == "two"
    assert Course(Phase.DETECT, *steps, severity="P3").next == Leave(Phase.DETECT)


def test_a_severity_that_is_not_contained_has_no_measures() -> None:
    """For a typo nothing is rolled back, and nobody is asked to contain it."""
    assert _step(_contain(ROLL_BACK, CLOSE, STATUS, severity="P3").next) == "status"
    assert _step(_contain(ROLL_BACK, CLOSE, STATUS, severity="unheard-of").next) == "roll-back"


# --- undo ------------------------------------------------------------------------------------------------

UNDO = {"id": "undo", "undo": "everything"}
FIRST, SECOND = undo_key("resolve/one"), undo_key("resolve/two")


def _in_place() -> Course:
    """Return an incident with two acts in place, from different phases."""
    course = Course(Phase.RESOLVE, UNDO, {"id": "tell", "action": "chat.post"})
    for step in ("one", "two"):
        course.propose(step, ask=False, leaves="dial turned").finish(step, ActStatus.VERIFIED)
    return course


def test_what_is_in_place_is_undone_one_by_one() -> None:
    """Each undo is proposed, approved and carried out; then the next one, then the next step."""
    course = _in_place()
    move = course.next
    assert isinstance(move, ProposeUndo)
    assert move.act == "resolve/one"
    assert course.propose(FIRST, undoes="resolve/one").next == Wait((course.ask_id(FIRST),))
    assert isinstance(course.answer(FIRST, yes=True).next, CarryOut)
    second = course.finish(FIRST, ActStatus.VERIFIED).next
    assert isinstance(second, ProposeUndo)
    assert second.act == "resolve/two"
    course.propose(SECOND, ask=False, undoes="resolve/two").finish(SECOND, ActStatus.VERIFIED, changed=False)
    assert _step(course.next) == "tell"


@pytest.mark.parametrize("status", [ActStatus.REFUSED, ActStatus.REJECTED, ActStatus.FAILED, ActStatus.UNVERIFIED])
def test_an_undo_that_fails_is_put_to_people(status: ActStatus) -> None:
    """A yes proposes the undo again, as often as needed; a no hands the act over to the person who answered."""
    course = _in_place()
    for number in (1, 2):
        assert isinstance(course.next, ProposeUndo)
        course.propose(FIRST, number, ask=False, undoes="resolve/one").finish(FIRST, status, number, changed=False)
        ask = course.next
        assert isinstance(ask, AskPeople)
        assert (ask.kind, ask.about) == (AskKind.RETRY, "resolve/one")
        assert course.asked(f"{FIRST}-left", AskKind.RETRY, number).next == Wait(
            (course.ask_id(f"{FIRST}-left", number),)
        )
        course.answer(f"{FIRST}-left", yes=number == 1, number=number)
    assert course.next == HandOver(Phase.RESOLVE, "resolve/one", course.ask_id(f"{FIRST}-left", 2))
    course.record(LedgerHandedOver(act="resolve/one", to="Ana", due=START + timedelta(days=1)))
    following = course.next
    assert isinstance(following, ProposeUndo)
    assert following.act == "resolve/two"
    assert [act.id for act in course.incident.in_place] == ["resolve/one", "resolve/two"]


def test_nothing_in_place_leaves_nothing_to_undo() -> None:
    """The undo step is done at once."""
    assert _step(Course(Phase.RESOLVE, UNDO, {"id": "tell", "action": "chat.post"}).next) == "tell"

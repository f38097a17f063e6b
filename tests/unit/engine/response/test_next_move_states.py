"""The next move when a contained incident fails again, when only people can tell, and until recovery is proven."""

# ruff: noqa: ANN401 - steps as a runbook's YAML has them
from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

import pytest

from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.approval import AskKind
from allclear.domain.plan import Evidence, Kind, Plan
from allclear.domain.records import (
    ActFinished,
    ActProposed,
    AlertJoined,
    Assessed,
    Contained,
    PhaseEntered,
    PhaseLeft,
    Recovered,
    StepDone,
)
from allclear.domain.recovery import RecoveryRule
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import AskPeople, Leave, Move, Over, Propose, RunProbe, Wait, WithdrawAsk
from allclear.engine.response.next_move import next_move
from allclear.engine.response.step_keys import MANUAL_CONTAINMENT, STILL_CONTAINED
from tests.unit.domain.stories import ANA, HEALTH, MACHINE, TROUBLE
from tests.unit.engine.response.next_move_support import PLAN, PhaseStory, step_of

PEOPLE_TELL = {"outage": Kind(title="Outage"), "leak": Kind(title="Leak", verified_by="people")}
CLOSE = {
    "id": "close",
    "action": "maintenance.enable",
    "measure": True,
    "proof": {"probe": "http.health"},
    "owner": "on_call",
}
ROLL_BACK = {"id": "roll-back", "action": "run.rollback", "measure": True}
FLAG = {"id": "flag", "person": "tech_lead", "ask": "Disable the flag.", "measure": True}
BLOCK = {"id": "block", "person": "on_call", "ask": "Block the addresses."}
STOPPED = {"id": "stopped", "person": "cto", "ask": "Confirm that it has stopped.", "measure": True}
CONFIRM = {"id": "confirm", "probe": "http.smoke", "expects": "health", "within": "60s"}
PAGE = {"id": "page", "action": "pagerduty.page"}
VERIFY = {"id": "verify", "probe": "http.smoke", "expects": "trouble"}


class StatesStory(PhaseStory):
    """An incident in one phase, with a plan of its own."""

    def __init__(self, phase: Phase, *steps: dict[str, Any], kind: str = "outage", **plan: Any) -> None:
        super().__init__(phase, *steps, kind=kind)
        self.plan: Plan = PLAN.model_copy(update={"kinds": PEOPLE_TELL, **plan})

    @property
    def next(self) -> Move:
        """Return the next move."""
        return next_move(self.incident, self.plan, self.book, self.phase)

    @property
    def probe(self) -> RunProbe:
        """Return the next move, which must be a probe."""
        move = self.next
        assert isinstance(move, RunProbe)
        return move

    def done(self, act: str, sentence: str = "", status: ActStatus = ActStatus.VERIFIED) -> Self:
        """Add an act that changed production and is in place."""
        step = act.partition("/")[2].partition("~")[0]
        self.after(1).record(
            ActProposed(
                act=act,
                phase=self.phase.value,
                step=step,
                action="dial.turn",
                title=step,
                params={},
                change={"summary": step},
                digest="1" * 64,
                resource=f"dial:{step}",
                leaves="turned",
                changes_service=True,
            )
        )
        return self.record(ActFinished(act=act, outcome=Outcome(status=status, changed=True, sentence=sentence or "x")))

    def undone(self, act: str) -> Self:
        """Add that a person has undone the act by hand."""
        undo = f"manual/undo-{act.replace('/', '-')}"
        self.after(1).record(
            ActProposed(
                act=undo,
                phase="manual",
                step=undo,
                action="dial.turn",
                title="Undo",
                params={},
                change={"summary": "Undo"},
                digest="1" * 64,
                resource="dial:main",
                undoes=act,
            ),
            by=ANA,
        )
        outcome = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="x")
        return self.record(ActFinished(act=undo, outcome=outcome), by=ANA)

    def checked(self, move: RunProbe, finding: Finding) -> Self:
        """Add the finding of a probe, as the engine journals it."""
        begun = self.incident.length
        self.after(1)
        return self.record(
            StepDone(
                phase=move.phase.value,
                step=move.key,
                title=move.key,
                finding=finding,
                health_check=move.call.probe == self.book.health.probe,
                proves=move.proves,
                after_entry=begun,
            )
        )

    def said(self, step: str, *, yes: bool, contains: bool = False) -> Self:
        """Add a person's answer to a step, as the engine journals it."""
        verdict = Verdict.SUCCESS if yes else Verdict.INCONCLUSIVE
        finding = Finding(verdict=verdict, sentence="Done by Ana: so.")
        proves = "containment" if contains else None
        self.answer(step, yes=yes)
        self.record(StepDone(phase="contain", step=step, title=step, finding=finding, proves=proves), by=ANA)
        confirmed = contains and yes and self.incident.containment.current is None
        return self.record(Contained(by="Ana confirmed it", finding=finding), by=ANA) if confirmed else self


def contained_by_maintenance() -> StatesStory:
    """Return B1: maintenance mode contains the incident while the traffic is still on the bad revision."""
    story = StatesStory(Phase.CONTAIN, ROLL_BACK, CLOSE)
    story.propose("roll-back", ask=False).finish("roll-back", ActStatus.REJECTED, changed=False)
    assert step_of(story.next) == "close"
    story.done("contain/close")
    proof = story.probe
    assert (proof.key, proof.call.probe, proof.proves) == ("close-proof", "http.health", "containment")
    story.checked(proof, HEALTH).record(Contained(by="close", finding=HEALTH))
    assert story.next == Leave(Phase.CONTAIN)
    return story.record(PhaseLeft(phase="contain"))


def firing(key: str = "other") -> AlertJoined:
    """Return an alert that fires."""
    return AlertJoined(delivery="2", source="grafana", key=key, state="firing", title="Errors")


def test_after_the_last_measure_was_undone_the_health_check_decides_and_the_measures_are_tried_again() -> None:
    """The phase is entered again; the rollback that was denied once is asked for again, and so is maintenance."""
    story = contained_by_maintenance()
    assert story.next == Over()
    check = story.undone("contain/close").probe
    assert (check.key, check.call, check.proves) == (STILL_CONTAINED, story.book.health, "containment")
    story.checked(check, TROUBLE)
    assert story.incident.loss is not None
    assert story.next == Propose(Phase.CONTAIN, story.book.contain[0], again=True)
    story.propose("roll-back", 2, ask=False).finish("roll-back", ActStatus.REJECTED, 2, changed=False)
    assert story.next == Propose(Phase.CONTAIN, story.book.contain[1], again=True)
    story.done("contain/close~2")
    proof = story.probe
    assert proof.key == "close-proof"
    story.checked(proof, HEALTH).record(Contained(by="close", finding=HEALTH))
    assert story.next == Over()


def test_if_the_service_is_healthy_without_the_measure_it_stays_contained() -> None:
    """Nothing is proposed, and no one is asked."""
    story = contained_by_maintenance().undone("contain/close")
    assert story.checked(story.probe, HEALTH).next == Over()
    assert story.incident.contained is not None


def test_an_alert_on_a_contained_incident_repeats_the_proof_of_the_measure_in_place() -> None:
    """In maintenance mode the pages are closed on purpose, so the check behind them decides."""
    story = contained_by_maintenance().record(firing())
    check = story.probe
    assert (check.key, check.call.probe) == (STILL_CONTAINED, "http.health")
    assert story.checked(check, HEALTH).next == Over()
    story.record(firing("third"))
    story.checked(story.probe, TROUBLE)
    assert story.next == Propose(Phase.CONTAIN, story.book.contain[0], again=True), (
        "close is in place, and did not help"
    )


def test_after_the_last_measure_people_are_asked_with_the_finding_that_ended_containment() -> None:
    """The check need not be repeated to ask; a yes repeats it, a no goes on without containment."""
    story = StatesStory(Phase.CONTAIN, ROLL_BACK).done("contain/roll-back")
    story.checked(story.probe, HEALTH).record(Contained(by="roll-back", finding=HEALTH), PhaseLeft(phase="contain"))
    story.record(firing())
    move = story.checked(story.probe, TROUBLE).next
    assert isinstance(move, AskPeople)
    assert (move.step.id, move.kind, move.about) == (MANUAL_CONTAINMENT, AskKind.RETRY, TROUBLE.sentence)
    story.asked(MANUAL_CONTAINMENT, AskKind.RETRY)
    assert story.next == Wait((story.ask_id(MANUAL_CONTAINMENT),))
    yes = story.answer(MANUAL_CONTAINMENT, yes=True).probe
    assert (yes.key, yes.contained_by) == (MANUAL_CONTAINMENT, "Found healthy again")
    story.checked(yes, HEALTH).record(Contained(by="Found healthy again", finding=HEALTH))
    assert story.next == Over()


# --- people's measures -----------------------------------------------------------------------------------


def test_a_persons_measure_is_proven_like_any_other() -> None:
    """Done, it is checked; if the check is good, the next measure is not tried."""
    story = StatesStory(Phase.CONTAIN, FLAG, ROLL_BACK)
    assert story.next == AskPeople(Phase.CONTAIN, story.book.contain[0], AskKind.STEP)
    story.asked("flag", AskKind.STEP)
    assert story.next == Wait((story.ask_id("flag"),))
    proof = story.said("flag", yes=True).probe
    assert (proof.key, proof.contained_by, proof.proves) == ("flag-proof", "flag", "containment")
    assert step_of(story.checked(proof, TROUBLE).next) == "roll-back"


def test_a_persons_measure_that_was_not_done_leads_to_the_next() -> None:
    """There is no flag, so nothing is checked."""
    story = StatesStory(Phase.CONTAIN, FLAG, ROLL_BACK).asked("flag", AskKind.STEP)
    assert step_of(story.said("flag", yes=False).next) == "roll-back"


def test_evidence_comes_before_the_first_change_whoever_makes_it() -> None:
    """In a runbook of people's steps it is asked for before the first of them, and not before a message."""
    logs = Evidence.model_validate({"name": "logs", "title": "Logs", "ask": "Save them.", "role": "on_call"})
    tell = {"id": "tell", "action": "chat.post"}
    call = {"id": "call", "person": "on_call", "ask": "Call them.", "meanwhile": True}
    story = StatesStory(Phase.CONTAIN, tell, call, BLOCK, STOPPED, kind="leak", evidence=[logs])
    assert step_of(story.next) == "tell"
    story.propose("tell", ask=False).finish("tell", ActStatus.VERIFIED)
    assert step_of(story.next) == "call"
    assert step_of(story.asked("call", AskKind.STEP).next) == "evidence-logs"
    story.asked("evidence-logs", AskKind.STEP).said("evidence-logs", yes=True)
    assert step_of(story.next) == "block"
    fix = {"id": "fix", "person": "tech_lead", "ask": "Fix it."}
    late = StatesStory(Phase.RESOLVE, fix, evidence=[logs])
    assert step_of(late.next) == "evidence-logs", "a severity without containment changes something here first"


# --- incidents that only people can judge ----------------------------------------------------------------


def test_a_healthy_service_delays_no_page_and_is_no_false_alarm_if_only_people_can_tell() -> None:
    """The page goes first. The probe informs, and nothing waits for an answer."""
    story = StatesStory(Phase.DETECT, VERIFY, PAGE, kind="leak")
    assert step_of(story.next) == "page"
    story.propose("page", ask=False).finish("page", ActStatus.VERIFIED)
    assert step_of(story.next) == "verify"
    assert story.found("verify", HEALTH).next == Leave(Phase.DETECT)


def test_the_question_about_a_false_alarm_is_withdrawn_if_the_kind_turns_out_to_be_one_for_people() -> None:
    """A person finds out that it is a leak: the response goes on, and pages."""
    story = StatesStory(Phase.DETECT, VERIFY, PAGE).found("verify", HEALTH).asked("verify", AskKind.FALSE_ALARM)
    assert isinstance(story.next, Wait)
    move = story.record(Assessed(incident_kind="leak"), by=ANA).next
    assert isinstance(move, WithdrawAsk)
    assert move.ask == story.ask_id("verify")


def test_the_yes_to_a_persons_measure_contains_if_only_people_can_tell() -> None:
    """No probe is made. An alert that fires later asks people again, and a no ends containment."""
    story = StatesStory(Phase.CONTAIN, BLOCK, STOPPED, kind="leak")
    assert step_of(story.next) == "block"
    story.asked("block", AskKind.STEP).said("block", yes=True)
    assert step_of(story.next) == "stopped"
    story.asked("stopped", AskKind.STEP).said("stopped", yes=True, contains=True)
    assert story.next == Leave(Phase.CONTAIN)
    story.record(PhaseLeft(phase="contain"), firing())
    move = story.next
    assert isinstance(move, AskPeople)
    assert (move.step.id, move.step.person, move.kind) == (STILL_CONTAINED, "cto", AskKind.STEP)
    story.asked(STILL_CONTAINED, AskKind.STEP)
    assert story.next == Wait((story.ask_id(STILL_CONTAINED),))
    story.said(STILL_CONTAINED, yes=False, contains=True)
    assert story.incident.contained is None
    assert story.incident.loss is not None
    assert step_of(story.next) == "stopped"


def test_after_an_act_people_say_whether_it_has_contained_if_only_they_can_tell() -> None:
    """A no leads to the next measure, and after the last one they are asked once more."""
    story = StatesStory(Phase.CONTAIN, ROLL_BACK, kind="leak").done("contain/roll-back")
    move = story.next
    assert isinstance(move, AskPeople)
    assert (move.step.id, move.kind, move.step.measure) == ("roll-back-proof", AskKind.STEP, True)
    story.asked("roll-back-proof", AskKind.STEP).said("roll-back-proof", yes=False, contains=True)
    assert step_of(story.next) == MANUAL_CONTAINMENT
    story.asked(MANUAL_CONTAINMENT, AskKind.STEP).said(MANUAL_CONTAINMENT, yes=True, contains=True)
    assert story.next == Leave(Phase.CONTAIN)
    assert story.incident.contained is not None


# --- recovery --------------------------------------------------------------------------------------------

RULE = RecoveryRule(checks=3, over=timedelta(minutes=2))
TELL = {"id": "tell", "action": "status_page.resolve"}


def test_recovery_takes_several_good_checks_with_pauses_between_them() -> None:
    """Only the first one is repeated until it is good; then each must be good at once."""
    story = StatesStory(Phase.RESOLVE, CONFIRM, TELL, recovery=RULE)
    first = story.probe
    assert (first.proves, first.not_before, first.call.within) == ("recovery", None, timedelta(seconds=60))
    story.checked(first, HEALTH)
    second = story.probe
    assert (second.not_before, second.call.within) == (story.now + timedelta(minutes=1), None)
    third = story.checked(second, HEALTH).probe
    assert step_of(story.checked(third, HEALTH).record(Recovered(finding=HEALTH, checks=3)).next) == "tell"


def test_a_bad_check_asks_people_and_the_row_of_good_checks_begins_anew() -> None:
    """After a yes the service is checked again, and three checks are needed as at the beginning."""
    story = StatesStory(Phase.RESOLVE, CONFIRM, TELL, recovery=RULE)
    story.checked(story.probe, HEALTH)
    move = story.checked(story.probe, TROUBLE).next
    assert isinstance(move, AskPeople)
    assert move.kind is AskKind.RETRY
    again = story.asked("confirm", AskKind.RETRY).answer("confirm", yes=True).probe
    story.checked(again, HEALTH)
    assert len(story.incident.good_checks) == 1
    assert story.probe.not_before == story.now + timedelta(minutes=1)


def test_after_the_service_failed_again_recovery_is_proven_anew_and_told_again() -> None:
    """The message that it is resolved is sent once more, because it was not true any more."""
    story = StatesStory(Phase.RESOLVE, CONFIRM, TELL, recovery=RecoveryRule(checks=1, over=timedelta(0)))
    story.checked(story.probe, HEALTH).record(Recovered(finding=HEALTH))
    story.propose("tell", ask=False).finish("tell", ActStatus.VERIFIED)
    assert story.next == Leave(Phase.RESOLVE)
    story.record(StepDone(phase="recovery", step="x", title="x", finding=TROUBLE, health_check=True))
    assert story.incident.recovered is None
    story.checked(story.probe, HEALTH).record(Recovered(finding=HEALTH))
    assert story.next == Propose(Phase.RESOLVE, story.book.resolve[1])


@pytest.mark.parametrize("contained", [True, False])
def test_good_checks_prove_recovery_of_a_leak_only_once_people_have_contained_it(*, contained: bool) -> None:
    """Before that, a good check only informs, and the resolution goes on."""
    story = StatesStory(Phase.RESOLVE, CONFIRM, TELL, kind="leak", recovery=RULE)
    if contained:
        story.record(Contained(by="Ana confirmed it", finding=HEALTH), by=ANA)
    story.checked(story.probe, HEALTH)
    assert isinstance(story.next, RunProbe if contained else Propose)


def test_detection_checks_a_contained_incident_too() -> None:
    """An incident can be contained before its containment phase begins, while detection waits for people."""
    story = StatesStory(Phase.DETECT, {"id": "severity", "person": "cto", "ask": "Which?"})
    story.asked("severity", AskKind.STEP).record(StepDone(phase="x", step="y", title="z", finding=HEALTH))
    story.record(Contained(by="its alerts are clear", finding=HEALTH), by=MACHINE).record(firing())
    assert story.probe.key == STILL_CONTAINED
    story.record(PhaseEntered(phase="contain"))

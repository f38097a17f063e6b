"""Questions that are withdrawn: their step no longer applies, or another act has made their change."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.approval import AskKind
from allclear.domain.approved_change import Clearance, clearance
from allclear.domain.plan import Kind
from allclear.domain.pseudo_phases import RECOVERY
from allclear.domain.records import (
    ActFinished,
    ActIntended,
    AlertJoined,
    AskOpened,
    Assessed,
    Contained,
    PhaseEntered,
    PhaseLeft,
    Recovered,
    SeverityChanged,
)
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import AskPeople, Leave, Move, Propose, Wait, WithdrawAsk
from allclear.engine.response.next_move import next_move
from allclear.engine.response.step_keys import MANUAL_CONTAINMENT
from allclear.engine.response.withdrawals import questions_to_withdraw, withdrawal
from allclear.journal.rows import OutboxKind
from tests.unit.engine.response.next_move_support import PLAN, PhaseStory, step_of

ONLY_P1: dict[str, Any] = {"severities": ["P1"]}
TURN = {"id": "turn", "title": "Turn", "action": "dial.turn", "with": {"to": 5}}
LOOK = {"id": "look", "title": "Look", "person": "on_call", "ask": "Look."}
CHECK = {"id": "check", "title": "Check", "probe": "dial.check", "with": {"healthy": 1}}
FAILED = Finding(verdict=Verdict.FAILURE, sentence="It fails.")
HEALTHY = Finding(verdict=Verdict.SUCCESS, sentence="It works.")


class Raised(PhaseStory):
    """An incident whose severity people change."""

    def severity(self, now: str) -> Raised:
        """Change the severity."""
        self.after(1).record(SeverityChanged(was=self.incident.severity, now=now, reason="so"))
        return self

    def withdrawn(self) -> WithdrawAsk:
        """Make the next move, which must withdraw a question, and return it."""
        move = self.next
        assert isinstance(move, WithdrawAsk)
        records, outbox = withdrawal(self.incident, move)
        assert [(one.kind, one.detail) for one in outbox] == [(OutboxKind.RESUME, {"ask": move.ask})]
        self.after(1).record(*records)
        assert not self.incident.asks[move.ask].open
        return move


def asked(kind: AskKind) -> Raised:
    """Return an incident with severity P1 and an open question of that kind, of a step for P1 only."""
    match kind:
        case AskKind.APPROVAL:
            story = Raised(Phase.CONTAIN, {**TURN, **ONLY_P1}, severity="P1")
            story.propose("turn")
        case AskKind.STEP:
            story = Raised(Phase.CONTAIN, {**LOOK, **ONLY_P1}, severity="P1")
            story.asked("look", AskKind.STEP)
        case AskKind.CHOICE:
            story = Raised(Phase.CONTAIN, {**TURN, **ONLY_P1}, severity="P1")
            story.asked("turn-choice", AskKind.CHOICE)
        case AskKind.RETRY:
            story = Raised(Phase.CONTAIN, {**CHECK, **ONLY_P1, "expects": "health"}, severity="P1")
            story.found("check", FAILED).asked("check", AskKind.RETRY)
        case AskKind.FALSE_ALARM:
            story = Raised(Phase.CONTAIN, {**CHECK, **ONLY_P1, "expects": "trouble"}, severity="P1")
            story.found("check", HEALTHY).asked("check", AskKind.FALSE_ALARM)
    return story


@pytest.mark.parametrize("kind", AskKind)
def test_a_question_whose_step_no_longer_applies_is_withdrawn_with_the_reason(kind: AskKind) -> None:
    """After a raise from P1 to P0 a step for P1 only is not asked any more, and the phase goes on."""
    story = asked(kind)
    (ask,) = (state.ask.id for state in story.incident.open_asks)
    move = story.severity("P0").withdrawn()
    assert (move.ask, move.reason) == (ask, "the severity is P0 now, and this step is for P1")
    assert story.next == Leave(Phase.CONTAIN)


@pytest.mark.parametrize("kind", [AskKind.APPROVAL, AskKind.STEP, AskKind.RETRY, AskKind.FALSE_ALARM])
def test_a_step_that_applies_again_is_asked_again(kind: AskKind) -> None:
    """Severities change back; a withdrawn question is no answer."""
    story = asked(kind)
    story.severity("P0").withdrawn()
    move = story.severity("P1").next
    assert isinstance(move, Propose if kind is AskKind.APPROVAL else AskPeople)
    assert step_of(move) in {"turn", "look", "check"}


def test_the_act_of_a_withdrawn_approval_is_never_carried_out() -> None:
    """It has its outcome with the withdrawal: refused, nothing changed, and why."""
    story = asked(AskKind.APPROVAL)
    story.severity("P0").withdrawn()
    act = story.incident.acts["contain/turn"]
    assert act.outcome is not None
    assert (act.status, act.outcome.changed) == (ActStatus.REFUSED, False)
    assert "the severity is P0 now" in act.outcome.sentence
    assert clearance(story.incident, act) is Clearance.FINISHED


def test_a_step_may_be_withdrawn_more_often_than_it_may_be_proposed() -> None:
    """Proposals that ended with a withdrawal do not use up the attempts that drift may cost."""
    story = asked(AskKind.APPROVAL)
    for number in range(2, 8):
        story.severity("P0").withdrawn()
        assert isinstance(story.severity("P1").next, Propose)
        story.propose("turn", number)
        assert story.next == Wait((story.ask_id("turn", number),))


def test_the_kind_counts_as_the_severity_does() -> None:
    """A step for outages is withdrawn when the incident turns out to be a security incident."""
    story = Raised(Phase.CONTAIN, {**LOOK, "kinds": ["outage"]})
    story.asked("look", AskKind.STEP).after(1).record(Assessed(incident_kind="security"))
    assert story.withdrawn().reason == "the incident's kind is security now, and this step is for outage"


def test_a_measure_is_withdrawn_for_a_severity_that_is_not_contained() -> None:
    """The plan has no containment for P3."""
    story = Raised(Phase.CONTAIN, {**TURN, "measure": True})
    story.propose("turn").severity("P3")  # type: ignore[attr-defined] - a Raised
    assert "P3 now, for which the plan has no containment" in story.withdrawn().reason


def test_a_question_of_another_phase_is_withdrawn_too() -> None:
    """Its flow run sleeps in Prefect; whichever phase is carried on withdraws it."""
    story = asked(AskKind.STEP)
    story.severity("P0").record(PhaseLeft(phase="contain"), PhaseEntered(phase="resolve"))
    moves: list[Move] = [next_move(story.incident, PLAN, story.book, phase) for phase in Phase]
    assert {move.ask for move in moves if isinstance(move, WithdrawAsk)} == {story.ask_id("look")}
    assert len(moves) == sum(isinstance(move, WithdrawAsk) for move in moves)


def test_a_question_that_still_applies_stays_open() -> None:
    """A raise of the severity alone withdraws nothing."""
    story = Raised(Phase.CONTAIN, {**LOOK, "severities": ["P0", "P1"]}, severity="P1")
    story.asked("look", AskKind.STEP)
    assert story.severity("P0").next == Wait((story.ask_id("look"),))


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("turn", AskKind.APPROVAL),
        ("turn-choice", AskKind.CHOICE),
        ("turn-proof", AskKind.STEP),
        (MANUAL_CONTAINMENT, AskKind.RETRY),
    ],
)
def test_a_measure_is_not_asked_for_while_the_incident_is_contained(step: str, kind: AskKind) -> None:
    """It recovered by itself, or was contained by hand; after it failed again the measure is proposed again."""
    story = Raised(Phase.CONTAIN, {**TURN, "measure": True})
    if kind is AskKind.APPROVAL:
        story.propose(step)
    else:
        story.asked(step, kind)
    story.after(1).record(Contained(by="its alerts are clear and the service is healthy", finding=HEALTHY))
    assert story.withdrawn().reason == "the incident is contained now"
    assert story.next == Leave(Phase.CONTAIN)


def test_a_false_alarm_is_not_asked_about_when_only_people_can_tell() -> None:
    """The incident turned out to be of a kind about which a health probe proves nothing."""
    story = Raised(Phase.DETECT, {**CHECK, "expects": "trouble"}, kind="breach")
    story.found("check", HEALTHY).asked("check", AskKind.FALSE_ALARM)
    kind = Kind(title="Breach", about="Data was read.", verified_by="people")
    changed = PLAN.model_copy(update={"kinds": {**PLAN.kinds, "breach": kind}})
    (move,) = questions_to_withdraw(story.incident, changed, story.book)
    assert move.reason == "a healthy service proves nothing about an incident of this kind"


def test_the_question_to_close_is_withdrawn_when_an_alert_fires_again() -> None:
    """An answer to it would end an incident that goes on."""
    story = Raised(Phase.CONTAIN, LOOK)
    ask = story.asked("look", AskKind.STEP).incident.open_asks[0].ask
    close = ask.model_copy(update={"id": "VS-12/recovery/close", "phase": RECOVERY, "step": "close"})
    story.record(AskOpened(ask=close))
    alert = AlertJoined(delivery="1", source="json", key="k", state="resolved", title="Errors")
    assert not isinstance(story.record(alert).next, WithdrawAsk)
    move = story.record(alert.model_copy(update={"state": "firing"})).withdrawn()
    assert (move.ask, move.reason) == (close.id, 'the alert "Errors" fires again')


# --- the change of another act -----------------------------------------------------------------------


def two_acts() -> Raised:
    """Return an incident in which the same change was proposed twice, and approved and issued once."""
    story = Raised(Phase.CONTAIN, TURN)
    story.propose("turn").propose("by-hand")
    story.record(ActIntended(act="contain/by-hand", digest="1" * 64, change={}, holder="h"))
    return story


def finished(story: Raised, status: ActStatus) -> Raised:
    """Add the outcome of the act that was issued."""
    outcome = Outcome(status=status, changed=True, sentence="So it went.")
    story.record(ActFinished(act="contain/by-hand", outcome=outcome))
    return story


def test_a_question_whose_change_is_done_is_closed() -> None:
    """Another act made exactly this change since it was asked: the act counts as done, and nothing is left to ask."""
    story = finished(two_acts(), ActStatus.VERIFIED)
    move = story.withdrawn()
    assert move.ask == story.ask_id("turn")
    assert "had the same change made meanwhile (contain/by-hand)" in move.reason
    act = story.incident.acts["contain/turn"]
    assert act.outcome is not None
    assert (act.status, act.outcome.changed, act.in_place) == (ActStatus.VERIFIED, False, False)
    assert story.next == Leave(Phase.CONTAIN)


@pytest.mark.parametrize("status", [ActStatus.FAILED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE])
def test_a_change_that_is_not_proven_closes_no_question(status: ActStatus) -> None:
    """Only a read that shows it counts."""
    story = finished(two_acts(), status)
    assert story.next == Wait((story.ask_id("turn"),))


def test_a_change_that_was_made_before_the_question_closes_nothing() -> None:
    """It may have been changed back since; the question is about the state that was read after it."""
    story = finished(two_acts(), ActStatus.VERIFIED)
    story.withdrawn()
    story.propose("turn", 2)
    assert story.incident.asks[story.ask_id("turn", 2)].open
    assert not isinstance(story.next, WithdrawAsk)


def test_a_public_notice_of_the_trouble_is_not_asked_for_once_the_service_has_recovered() -> None:
    """One tap would tell the public of an outage that is over."""
    story = Raised(Phase.CONTAIN, TURN)
    story.propose("turn", leaves="a notice on the status page", tells=True)
    assert story.next == Wait((story.ask_id("turn"),))
    story.after(1).record(Contained(by="Ana", finding=HEALTHY))
    assert story.next == Wait((story.ask_id("turn"),)), "it may still be announced while it is only contained"
    story.after(1).record(Recovered(finding=HEALTHY))
    assert story.withdrawn().reason == "the service has recovered, so there is no trouble to announce any more"
    assert story.next == Leave(Phase.CONTAIN)

"""Whether an act may go ahead, decided in one place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.approval import TWO_PEOPLE
from allclear.domain.approved_change import Clearance, clearance, missing_approvals
from allclear.domain.records import ActIntended, AskWithdrawn, VetoWindowEnded
from tests.unit.domain.stories import ANA, BEN, Story

ACT = "contain/roll-back"
ASK = f"VS-12/{ACT}"


def _proposed() -> Story:
    return Story().opened().roll_back_proposed()


def _without_ask() -> Story:
    story = Story().opened()
    story.record(_proposed().incident.acts[ACT].proposed)
    return story


def _for_two_people() -> Story:
    story = Story().opened()
    return story.ask(_proposed().incident.acts[ACT].proposed, TWO_PEOPLE)


def _begun() -> Story:
    story = _proposed().answered(ACT, "errors since 42")
    change = story.incident.acts[ACT].proposed.change or {}
    return story.record(ActIntended(act=ACT, digest="2" * 64, change=change, holder="responder-1"))


TABLE: dict[str, tuple[Callable[[], Story], Clearance, bool]] = {
    "no ask": (_without_ask, Clearance.NOT_NEEDED, True),
    "open ask": (_proposed, Clearance.WAITING, False),
    "approved": (lambda: _proposed().answered(ACT, "errors since 42"), Clearance.APPROVED, True),
    "denied": (lambda: _proposed().answered(ACT, "not now", yes=False), Clearance.BLOCKED, False),
    "withdrawn": (lambda: _proposed().record(AskWithdrawn(ask=ASK, reason="changed")), Clearance.BLOCKED, False),
    "veto window ended": (lambda: _proposed().record(VetoWindowEnded(ask=ASK)), Clearance.APPROVED, True),
    "one of two people": (lambda: _for_two_people().answered(ACT, "yes"), Clearance.WAITING, False),
    "two people": (
        lambda: _for_two_people().answered(ACT, "yes").answered(ACT, "yes", by=BEN),
        Clearance.APPROVED,
        True,
    ),
    "begun": (_begun, Clearance.INTERRUPTED, True),
    "finished": (lambda: _proposed().answered(ACT, "yes").done(ACT, "41 serves."), Clearance.FINISHED, False),
    "failed": (
        lambda: _proposed().answered(ACT, "yes").done(ACT, "It failed.", ActStatus.FAILED),
        Clearance.FINISHED,
        False,
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_clearance_follows_from_the_outcome_the_intent_and_the_approvals(case: str) -> None:
    """An act goes ahead if it has begun, if it needs no approval, or if every approval of it was given."""
    make, expected, goes_ahead = TABLE[case]
    incident = make().incident
    cleared = clearance(incident, incident.acts[ACT])
    assert cleared is expected
    assert cleared.may_go_ahead is goes_ahead


@pytest.mark.parametrize("granted", [False, True])
def test_an_approval_of_another_change_clears_nothing(*, granted: bool) -> None:
    """An act whose digest is not the one that was approved is blocked, whether or not the ask was granted."""
    story = _proposed()
    if granted:
        story.answered(ACT, "errors since 42")
    incident = story.incident
    act = incident.acts[ACT]
    act.proposed = act.proposed.model_copy(update={"digest": "9" * 64})
    assert clearance(incident, act) is Clearance.BLOCKED
    assert missing_approvals(incident, act) == (ASK,)


def test_the_missing_approvals_are_named() -> None:
    """An ask is missing until it is granted."""
    story = _for_two_people()
    assert missing_approvals(story.incident, story.incident.acts[ACT]) == (ASK,)
    story.answered(ACT, "yes", by=ANA).answered(ACT, "yes", by=BEN)
    assert missing_approvals(story.incident, story.incident.acts[ACT]) == ()

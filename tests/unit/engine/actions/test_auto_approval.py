"""The conditions under which a step may act without an approval."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.action import Finding, Verdict
from allclear.domain.plan import Storm
from allclear.domain.records import AlertJoined, StepDone
from allclear.engine.actions.auto_approval import reasons_against
from tests.unit.domain.stories import ANA, HEALTH, START, TROUBLE, Story


def _story(*checks: tuple[int, Finding], turns: int = 1, authenticated: bool = True) -> list[str]:
    story = Story().opened()
    for turn in range(turns):
        state = "resolved" if turn % 2 else "firing"
        alert = AlertJoined.model_validate(
            {
                "delivery": str(turn),
                "source": "alertmanager",
                "key": "k",
                "state": state,
                "title": "Payments",
                "authenticated": authenticated,
            }
        )
        story.record(alert)
    for seconds, finding in checks:
        story.now = START + timedelta(seconds=seconds)
        story.record(StepDone(phase="detect", step="verify", title="Verify", finding=finding, health_check=True))
    return reasons_against(story.incident, story.entries, Storm(), START + timedelta(seconds=60))


def test_two_failed_checks_and_an_authenticated_alert_are_enough() -> None:
    """If the record meets every condition, nothing rules out automatic action."""
    assert _story((0, TROUBLE), (10, TROUBLE)) == []


def test_a_check_that_is_not_recorded_yet_counts() -> None:
    """A finding that was made just now counts as the second check."""
    story = Story().opened()
    story.record(StepDone(phase="detect", step="verify", title="Verify", finding=TROUBLE, health_check=True))
    later = story.now + timedelta(seconds=10)
    twice = "the health check has not failed twice, 10 s apart"
    assert twice in reasons_against(story.incident, story.entries, Storm(), later)
    assert twice not in reasons_against(story.incident, story.entries, Storm(), later, TROUBLE)


def test_each_condition_that_does_not_hold_is_named() -> None:
    """An unauthenticated alert, one check, two checks too close, a last check that succeeded, a flapping alert."""
    twice = ((0, TROUBLE), (10, TROUBLE))
    unclear = Finding(verdict=Verdict.INCONCLUSIVE, sentence="Too few requests.", facts={"requests": 1})
    assert _story(*twice, authenticated=False) == ["no firing alert is authenticated"]
    assert _story((0, TROUBLE)) == ["the health check has not failed twice, 10 s apart"]
    assert _story((0, TROUBLE), (9, TROUBLE)) == ["the health check has not failed twice, 10 s apart"]
    assert _story(*twice, (20, HEALTH)) == ["the last health check did not fail"]
    assert _story(*twice, (20, unclear)) == ["the last health check did not fail"]
    assert _story(*twice, (20, HEALTH), (30, TROUBLE)) == ["the health check has not failed twice, 10 s apart"]
    assert _story(*twice, (20, HEALTH), (30, TROUBLE), (40, TROUBLE)) == []
    assert _story((0, TROUBLE), (5, unclear), (10, TROUBLE)) == []
    assert _story(*twice, turns=5) == ["its alert is flapping"]
    assert _story(*twice, turns=3) == []


def test_the_standard_text_needs_no_authenticated_alert_if_a_person_declared_the_incident() -> None:
    """The person who declared it has seen the trouble. An automatic action still needs an authenticated alert."""
    opened = Story().opened().entries[0].record
    story = Story()
    story.record(opened, by=ANA)
    story.record(StepDone(phase="detect", step="verify", title="Verify", finding=TROUBLE, health_check=True))
    assert story.incident.opened_by.person
    later = story.now + timedelta(seconds=10)
    source = "no firing alert is authenticated"
    assert reasons_against(story.incident, story.entries, Storm(), later, TROUBLE) == [source]
    assert reasons_against(story.incident, story.entries, Storm(), later, TROUBLE, only_text=True) == []

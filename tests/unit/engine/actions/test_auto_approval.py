"""The conditions under which a step may act without being approved, each of which can fail."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.action import Finding, Verdict
from allclear.domain.plan import Storm
from allclear.domain.records import AlertJoined, StepDone
from allclear.engine.actions.auto_approval import objections
from tests.unit.domain.stories import ANA, HEALTH, START, TROUBLE, Story


def _story(*checks: tuple[int, Finding], turns: int = 1, authenticated: bool = True) -> list[str]:
    story = Story().opened()
    for turn in range(turns):
        state = "resolved" if turn % 2 else "firing"
        alert = AlertJoined.model_validate(
            {
                "alert": str(turn),
                "source": "alertmanager",
                "key": "k",
                "state": state,
                "title": "Payments",
                "authenticated": authenticated,
            }
        )
        story.say(alert)
    for seconds, finding in checks:
        story.now = START + timedelta(seconds=seconds)
        story.say(StepDone(phase="detect", step="verify", title="Look", finding=finding, health_check=True))
    return objections(story.incident, story.entries, Storm(), START + timedelta(seconds=60))


def test_two_failed_checks_and_an_authenticated_alert_are_enough() -> None:
    """Nothing speaks against acting when all conditions of the record hold."""
    assert _story((0, TROUBLE), (10, TROUBLE)) == []


def test_the_check_of_this_moment_counts() -> None:
    """Whoever has just looked need not write it down first."""
    story = Story().opened()
    story.say(StepDone(phase="detect", step="verify", title="Look", finding=TROUBLE, health_check=True))
    later = story.now + timedelta(seconds=10)
    twice = "it was not seen to fail twice, 10 s apart"
    assert twice in objections(story.incident, story.entries, Storm(), later)
    assert twice not in objections(story.incident, story.entries, Storm(), later, TROUBLE)


def test_each_condition_that_fails_says_so() -> None:
    """An unknown sender, one look, two looks too close, a last look that shows health, a flapping alert."""
    twice = ((0, TROUBLE), (10, TROUBLE))
    unclear = Finding(verdict=Verdict.INCONCLUSIVE, sentence="Too few requests.", facts={"requests": 1})
    assert _story(*twice, authenticated=False) == ["no alert came from a source that proved who it is"]
    assert _story((0, TROUBLE)) == ["it was not seen to fail twice, 10 s apart"]
    assert _story((0, TROUBLE), (9, TROUBLE)) == ["it was not seen to fail twice, 10 s apart"]
    assert _story(*twice, (20, HEALTH)) == ["the last look did not fail"]
    assert _story(*twice, (20, unclear)) == ["the last look did not fail"]
    assert _story(*twice, (20, HEALTH), (30, TROUBLE)) == ["it was not seen to fail twice, 10 s apart"]
    assert _story(*twice, (20, HEALTH), (30, TROUBLE), (40, TROUBLE)) == []
    assert _story((0, TROUBLE), (5, unclear), (10, TROUBLE)) == []
    assert _story(*twice, turns=5) == ["its alert is flapping"]
    assert _story(*twice, turns=3) == []


def test_for_words_a_declaration_is_source_enough() -> None:
    """Whoever declared it has seen the trouble; to act unasked takes an alert that proved who sent it all the same."""
    opened = Story().opened().entries[0].record
    story = Story()
    story.say(opened, by=ANA)
    story.say(StepDone(phase="detect", step="verify", title="Look", finding=TROUBLE, health_check=True))
    assert story.incident.opened_by.person
    later = story.now + timedelta(seconds=10)
    source = "no alert came from a source that proved who it is"
    assert objections(story.incident, story.entries, Storm(), later, TROUBLE) == [source]
    assert objections(story.incident, story.entries, Storm(), later, TROUBLE, words=True) == []

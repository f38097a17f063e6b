"""How often a step has failed since it worked last: back-off, limits and reminders all count it in one place."""

from __future__ import annotations

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.pseudo_phases import MEETING
from allclear.domain.records import ActFinished, ActProposed
from tests.unit.domain.stories import Story


def tried(story: Story, name: str, status: ActStatus | None) -> Story:
    """Record a try of the step `cancel`, which is under way without a status."""
    story.record(
        ActProposed(
            act=name, phase=MEETING, step="cancel", action="email.cancel", title="Cancel", params={}, change=None
        )
    )
    if status is None:
        return story
    return story.record(ActFinished(act=name, outcome=Outcome(status=status, changed=False, sentence="Refused.")))


def test_only_the_failures_since_a_success_count_and_one_under_way_does_not() -> None:
    """A try that is under way does not hide the failures before it: a reminder of them stays due."""
    story = Story().opened()
    assert story.incident.failed_in_a_row(MEETING, "cancel") == []
    tried(tried(story, "1", ActStatus.FAILED), "2", ActStatus.VERIFIED)
    assert story.incident.failed_in_a_row(MEETING, "cancel") == []
    tried(tried(tried(story, "3", ActStatus.FAILED), "4", ActStatus.FAILED), "5", None)
    assert [act.id for act in story.incident.failed_in_a_row(MEETING, "cancel")] == ["3", "4"]
    assert story.incident.steps_tried(MEETING) == ["cancel"]

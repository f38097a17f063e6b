"""How long users were affected, also if the trouble came back."""

from __future__ import annotations

from datetime import UTC, timedelta

from allclear.domain.records import IncidentEnded, Recovered, StepDone
from allclear.postmortem.affected import affected_words, held
from tests.unit.domain.stories import BEN, HEALTH, TROUBLE, Story
from tests.unit.postmortem.recurring import maintained, opened_again, recurring


def test_users_are_affected_until_containment() -> None:
    """Before it, until now."""
    story = Story().whole()
    assert affected_words(story.incident, story.now, UTC) == "6 minutes, 14:28:00 to 14:34:06"
    early = Story().opened()
    now = early.now + timedelta(minutes=3)
    assert affected_words(early.incident, now, UTC) == "5 minutes so far, 14:28:00 to now"


def test_a_recurrence_adds_to_the_time() -> None:
    """The time between two containments counts, and the calm between them does not."""
    story = recurring()
    assert affected_words(story.incident, story.now, UTC) == "16 minutes, 14:28 to 14:34 and 14:44 to 14:54"
    assert held(story.incident.containment, "%H:%M", UTC) == "14:34, lost 14:44, again 14:54"


def test_users_are_affected_while_maintenance_mode_contains_it() -> None:
    """They get the maintenance page, until it is undone or the service has recovered."""
    story = maintained().after(20)
    assert affected_words(story.incident, story.now, UTC) == "32 minutes so far, 14:28 to now"
    undone = opened_again(story).after(5)
    assert affected_words(undone.incident, undone.now, UTC) == "32 minutes, 14:28 to 15:00"
    recovered = maintained().after(7).record(Recovered(finding=HEALTH))
    assert affected_words(recovered.incident, recovered.now, UTC) == "19 minutes, 14:28 to 14:47"


def test_maintenance_mode_that_is_lost_leaves_no_gap() -> None:
    """The service fails again: users were affected all the time."""
    failed = StepDone(phase="contain", step="recheck", title="Check", finding=TROUBLE, proves="containment")
    story = maintained().after(10).record(failed).after(5)
    assert story.incident.containment.current is None
    assert affected_words(story.incident, story.now, UTC) == "27 minutes so far, 14:28 to now"


def test_without_containment_the_end_counts() -> None:
    """An incident that was never contained affected its users until it ended."""
    story = Story().opened().after(30).record(IncidentEnded(ending="resolved", reason="fixed"), by=BEN)
    assert affected_words(story.incident, story.now, UTC) == "32 minutes, 14:28 to 15:00"

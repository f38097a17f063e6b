"""How long users were affected, also if the trouble came back."""

from __future__ import annotations

from datetime import UTC, timedelta

from allclear.domain.records import IncidentEnded
from allclear.postmortem.affected import affected_words, held
from tests.unit.domain.stories import BEN, Story
from tests.unit.postmortem.recurring import recurring


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


def test_without_containment_the_end_counts() -> None:
    """An incident that was never contained affected its users until it ended."""
    story = Story().opened().after(30).record(IncidentEnded(ending="resolved", reason="fixed"), by=BEN)
    assert affected_words(story.incident, story.now, UTC) == "32 minutes, 14:28 to 15:00"

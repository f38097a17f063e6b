"""An incident that was contained, failed again, and was contained again."""

from __future__ import annotations

from allclear.domain.records import Contained, StepDone
from tests.unit.domain.stories import HEALTH, TROUBLE, Story


def recurring() -> Story:
    """Return the incident: contained at 14:34, lost at 14:44, contained again at 14:54."""
    return lost_and_contained(Story().opened().verified().paged().roll_back_proposed().contained())


def lost_and_contained(story: Story) -> Story:
    """Record that a health check failed after ten minutes, and that maintenance mode helped after ten more."""
    failed = StepDone(phase="contain", step="recheck", title="Look again", finding=TROUBLE, health_check=True)
    story.after(10).record(failed).after(10)
    return story.record(failed.model_copy(update={"finding": HEALTH}), Contained(by="Maintenance mode", finding=HEALTH))

"""Who is notified of an incident, and how often each audience gets an update."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.deadlines import notifications_due, status_word, update_schedule
from allclear.domain.records import Assessed
from tests.unit.domain.deadlines_support import CONTAINED, RECOVERED, opened, plan_with
from tests.unit.domain.stories import ANA, START


def test_the_update_schedule_depends_on_status_and_age() -> None:
    """The line with the latest `after` that has passed counts; a resolved incident has no schedule."""
    company_plan = plan_with(
        updates=[
            {"audience": "status_page", "every": "30m", "severities": ["P0"]},
            {"audience": "status_page", "every": "2h", "severities": ["P0"], "after": "4h"},
            {"audience": "status_page", "every": "1h", "severities": ["P0"], "status": ["contained"], "after": "10m"},
            {"audience": "ceo", "every": "1h"},
        ]
    )
    story = opened("P0")

    def every(audience: str, minute: float) -> float | None:
        line = update_schedule(company_plan, story.incident, audience, START + timedelta(minutes=minute))
        return line and line.every / timedelta(minutes=1)

    assert [every("status_page", minute) for minute in (0, 20, 239, 240, 900)] == [30, 30, 30, 120, 120]
    assert [every("ceo", 20), every("customers", 20)] == [60, None]
    story.after(15).record(CONTAINED)
    assert status_word(story.incident) == "contained"
    assert [every("status_page", minute) for minute in (5, 20, 240)] == [30, 60, 120]
    story.after(15).record(RECOVERED)
    assert status_word(story.incident) == "resolved"
    assert every("status_page", 40) is None
    story = opened("P1")
    assert every("status_page", 0) is None


def test_who_is_notified_depends_on_what_is_known() -> None:
    """A line that depends on an unknown facet applies until it is ruled out."""
    company_plan = plan_with(
        notifications=[{"audience": "cto", "severities": ["P0"]}, {"audience": "press", "when": {"breach": "yes"}}]
    )
    story = opened("P0")
    assert [line.audience for line in notifications_due(company_plan, story.incident)] == ["cto", "press"]
    story.record(Assessed(facets={"breach": "no"}), by=ANA)
    assert [line.audience for line in notifications_due(company_plan, story.incident)] == ["cto"]

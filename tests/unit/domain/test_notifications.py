"""Who is notified of an incident, and how often each audience gets an update."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.deadlines import notifications_due, status_word, update_schedule
from allclear.domain.records import Assessed, AudienceTold
from allclear.domain.template_values import deadline_lines
from tests.unit.domain.deadlines_support import (
    CONTAINED,
    FALSE_ALARM,
    RECOVERED,
    RESOLVED,
    minutes,
    of_kind,
    opened,
    plan_with,
)
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


def test_the_time_to_notify_is_a_deadline_that_is_met_or_missed() -> None:
    """Page, command line and API show it as the targets: which clock, how late, and what it depends on."""
    company_plan = plan_with(
        notifications=[
            {"audience": "cto", "severities": ["P0"], "within": "15m"},
            {"audience": "press", "when": {"breach": "yes"}, "within": "1h"},
            {"audience": "ceo"},
        ]
    )
    story = opened("P0")
    cto, press = of_kind(company_plan, story, "notification")
    assert (cto.title, minutes(cto), cto.met) == ("notify CTO", 15, None)
    assert (press.title, minutes(press)) == ("notify press (depends: Whether data leaked)", 60)
    now = START + timedelta(minutes=20)
    (line,) = [one for one in deadline_lines(story.incident, company_plan, now) if "notify CTO" in one]
    assert line.startswith("MISSED by 5m, ")
    assert line.endswith("notify CTO (P0, counted from the alert)")
    story.after(25).record(AudienceTold(audience="cto"), by=ANA)
    (cto, _) = of_kind(company_plan, story, "notification")
    assert (cto.met, cto.missed(now)) == (story.now, True)


def test_after_the_end_only_what_was_due_or_done_before_it_is_a_deadline() -> None:
    """No one has to be notified any more of what is over; a false alarm has no deadline."""
    lines = [{"audience": "cto", "within": "15m"}, {"audience": "ceo", "within": "1h"}]
    company_plan = plan_with(notifications=lines)
    story = opened("P0").after(30).record(RESOLVED, by=ANA)
    assert [one.name for one in of_kind(company_plan, story, "notification")] == ["cto"]
    assert of_kind(company_plan, opened("P0").record(FALSE_ALARM, by=ANA), "notification") == []

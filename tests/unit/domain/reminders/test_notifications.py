"""Who is notified of an incident, and by when."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.records import Assessed, AudienceTold
from allclear.domain.reminders.deadlines import notifications_due
from allclear.domain.template_values import deadline_lines
from tests.unit.domain.reminders.deadlines_support import (
    FALSE_ALARM,
    RESOLVED,
    minutes,
    of_kind,
    opened,
    plan_with,
)
from tests.unit.domain.stories import ANA, START


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

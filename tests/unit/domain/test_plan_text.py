"""The plan as text for people."""

from __future__ import annotations

from allclear.company import find_company
from allclear.domain.plan import Notification
from allclear.domain.plan_text import help_lines, notification_line, plan_sections, severity_help

PLAN = find_company("vintstreet").plan


def test_a_severity_is_explained_with_its_definition_and_examples() -> None:
    """A person who chooses a severity reads what it means in this plan."""
    text = severity_help(PLAN.severities[0])
    assert text.startswith("P0 (Critical): Complete service outage, data breach, security compromise.")
    assert "For example: Database down; payment processing stopped; credentials compromised." in text


def test_outside_contacts_and_pages_are_listed() -> None:
    """A responder finds the vendor's support and the dashboards."""
    lines = help_lines(PLAN)
    assert "Stripe Support: support@stripe.com" in lines
    assert "Google Cloud Console: https://console.cloud.google.com" in lines


def test_a_notification_says_who_how_when_and_for_which_incidents() -> None:
    """All parts of the line are shown, and the plan's own words."""
    line = Notification.model_validate(
        {
            "audience": "ceo",
            "by": ["phone", "email"],
            "within": "15m",
            "from": "awareness",
            "severities": ["P0"],
            "when": {"customer_facing": "yes"},
            "words": "Notify CEO",
        }
    )
    assert notification_line(line, PLAN) == (
        'CEO by phone, then email within 15m of the awareness (P0; customer_facing is yes): "Notify CEO"'
    )


def test_every_part_of_a_plan_that_people_need_has_a_section() -> None:
    """A part that the plan does not have is left out."""
    headings = [heading for heading, _ in plan_sections(PLAN)]
    assert headings[:3] == ["Source", "Severities", "Kinds of incident"]
    assert "Drills" in headings
    assert "Duties" not in headings
    assert [heading for heading, lines in plan_sections(PLAN) if not lines] == []

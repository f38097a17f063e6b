"""Escalation: when a severity is raised, and who is notified of an unanswered question."""

# ruff: noqa: ANN401 - parts of a plan as its YAML has them
from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from allclear.domain.plan import DEFAULT_ESCALATION_POLICY, Plan
from allclear.domain.records import NoteAdded, RoleTaken
from allclear.domain.reminders.escalation import escalation_levels, escalation_policy, roles_to_notify
from tests.unit.domain.reminders.deadlines_support import (
    CONTAINED,
    FALSE_ALARM,
    RECOVERED,
    RESOLVED,
    changed,
    minutes,
    of_kind,
    opened,
    plan_with,
)
from tests.unit.domain.stories import ANA

MINUTE = timedelta(minutes=1)

# --- severities ----------------------------------------------------------------------------------------

ESCALATING = plan_with(
    p1={"escalates": {"to": "P0", "after": "2h"}},
    p2={"escalates": {"to": "P1", "after": "8h", "from": "awareness", "unless": "recovered"}},
)


def test_the_severity_is_raised_by_its_clock() -> None:
    """The deadline names the next severity and the time; the gravest severity has none."""
    (deadline,) = of_kind(ESCALATING, opened("P1"), "escalation")
    assert (deadline.name, minutes(deadline), deadline.title) == ("P0", 120, "becomes P0, unless contained")
    assert of_kind(ESCALATING, opened("P0"), "escalation") == []
    assert [minutes(deadline) for deadline in of_kind(ESCALATING, opened("P2"), "escalation")] == [None]
    assert [minutes(deadline) for deadline in of_kind(ESCALATING, opened("P2", by=ANA), "escalation")] == [480]


@pytest.mark.parametrize(
    ("severity", "record", "stops"),
    [
        ("P1", CONTAINED, True),
        ("P1", RECOVERED, True),
        ("P1", RESOLVED, True),
        ("P1", FALSE_ALARM, True),
        ("P1", NoteAdded(text="we are at it"), False),
        ("P2", CONTAINED, False),
        ("P2", RECOVERED, True),
    ],
)
def test_containment_or_the_end_stops_the_escalation(severity: str, record: Any, *, stops: bool) -> None:
    """If the plan says `unless: recovered`, containment is not enough; the end is enough in every case."""
    assert (of_kind(ESCALATING, opened(severity).after(5).record(record), "escalation") == []) is stops


def test_a_new_severity_has_its_full_time_before_it_is_raised() -> None:
    """Otherwise a P2 that becomes a P1 after 8 h would be a P0 at once."""
    (deadline,) = of_kind(ESCALATING, changed(opened("P2", by=ANA).after(60), "P1"), "escalation")
    assert (deadline.name, minutes(deadline)) == ("P0", 180)


# --- unanswered questions ------------------------------------------------------------------------------


def test_an_unanswered_approval_escalates_level_by_level() -> None:
    """Each role is notified once, up to everyone; roles that the plan does not have are left out."""
    company_plan = plan_with(
        escalation_policies=[
            {
                "severities": ["P0"],
                "levels": [{"after": "1m", "roles": ["tech_lead", "ghost"]}, {"after": "2m", "roles": "everyone"}],
            },
            {"levels": [{"after": "5m", "roles": ["tech_lead"]}, {"after": "9m", "roles": ["cto", "tech_lead"]}]},
        ]
    )
    grave, calm = opened("P0").incident, opened("P1").incident
    notified = [roles_to_notify(company_plan, grave, timedelta(minutes=minute)) for minute in (0, 1, 2)]
    assert notified == [[], ["tech_lead"], ["tech_lead", "on_call", "incident_commander", "cto"]]
    assert [roles_to_notify(company_plan, calm, timedelta(minutes=minute)) for minute in (4, 5, 9)] == [
        [],
        ["tech_lead"],
        ["tech_lead", "cto"],
    ]


def test_without_a_policy_that_applies_the_default_policy_counts() -> None:
    """An unanswered question always escalates, and never by another severity's policy."""
    company_plan = plan_with(
        escalation_policies=[{"severities": ["P0"], "levels": [{"after": "1m", "roles": ["cto"]}]}]
    )
    assert escalation_policy(company_plan, opened("P2").incident) is DEFAULT_ESCALATION_POLICY


# --- private incidents ---------------------------------------------------------------------------------


def private_plan(*levels: dict[str, Any]) -> Plan:
    """Return a plan whose P0 is for the lead alone, and whose questions climb by these levels."""
    return plan_with(p0={"private_for": ["incident_commander"]}, escalation_policies=[{"levels": list(levels)}])


def test_a_private_incident_calls_its_readers_and_then_everyone() -> None:
    """A role that may not read it can do nothing about it. Without an answer someone must find a reader."""
    private = private_plan({"after": "5m", "roles": ["tech_lead"]}, {"after": "9m", "roles": ["cto", "on_call"]})
    levels = [(level.after, level.roles) for level in escalation_levels(private, opened("P0").incident)]
    readers = ["incident_commander"]
    assert levels == [(5 * MINUTE, readers), (9 * MINUTE, readers), (18 * MINUTE, "everyone")]
    public = [level.roles for level in escalation_levels(private, opened("P1").incident)]
    assert public == [["tech_lead"], ["cto", "on_call"]]


def test_a_role_whose_holder_may_read_a_private_incident_is_called() -> None:
    """A person with a role in the incident may read it, and everyone is called only once."""
    private = private_plan({"after": "5m", "roles": ["tech_lead", "cto"]}, {"after": "9m", "roles": "everyone"})
    story = opened("P0").record(RoleTaken(role="cto", person="Cleo"), by=ANA)
    assert [level.roles for level in escalation_levels(private, story.incident)] == [["cto"], "everyone"]

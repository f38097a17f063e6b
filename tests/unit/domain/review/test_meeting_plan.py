"""When the review meeting begins, and who is invited."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from allclear.domain.plan import Plan
from allclear.domain.records import Recovered
from allclear.domain.review.meeting_plan import meeting_people, meeting_start
from tests.unit.domain.stories import HEALTH, Story, plan

WEEKDAYS = {"zone": "Europe/Berlin", "days": ["mon", "tue", "wed", "thu", "fri"], "hours": "09:00-17:00"}
PEOPLE = [
    {"name": "Ana Ruiz", "roles": ["tech_lead"], "contacts": {"email": "ana@example.com"}},
    {"name": "Eve Stone", "roles": ["ceo"], "contacts": {"email": "eve@example.com"}},
    {"name": "Ben Okafor", "roles": ["tech_lead"], "contacts": {"email": "[E-mail]"}},
    {"name": "Chi Sato", "roles": ["tech_lead"], "contacts": {"email": "ANA@example.com"}},
]


def plan_of(due: dict[str, Any], **more: Any) -> Plan:  # noqa: ANN401 - fields of a plan
    """Return a plan with one meeting that is due, and the working time of an office in Berlin."""
    rules = {"template": "t.md", "due": [{"what": "meeting"} | due], "invite": ["tech_lead", "engineering"]}
    raw = plan().model_dump(by_alias=True) | {"working_time": WEEKDAYS, "post_mortem": rules} | more
    return Plan.model_validate(raw)


def recovered(at: str) -> Story:
    """Return an incident that recovered at that time."""
    story = Story(start=datetime.fromisoformat(at)).opened()
    return story.record(Recovered(finding=HEALTH))


@pytest.mark.parametrize(
    ("at", "due", "begins"),
    [
        # A Tuesday at noon: the first working hour a day later, and the first one within a day.
        ("2026-11-24T12:10:00+00:00", {"within": "48h", "not_before": "24h"}, "2026-11-25T12:30:00+00:00"),
        ("2026-11-24T12:10:00+00:00", {"within": "24h"}, "2026-11-24T13:30:00+00:00"),
        # A night: the office opens at 09:00 in Berlin, which is 08:00 UTC in winter.
        ("2026-11-24T22:10:00+00:00", {"within": "24h"}, "2026-11-25T08:00:00+00:00"),
        # A Friday evening: no working hour comes within a day, so the window counts more.
        ("2026-11-27T20:00:00+00:00", {"within": "24h"}, "2026-11-27T21:00:00+00:00"),
    ],
)
def test_the_meeting_is_in_the_window_and_if_possible_in_the_working_time(
    at: str, due: dict[str, Any], begins: str
) -> None:
    """24 to 48 hours after recovery, or within 24; at a full or a half hour."""
    story = recovered(at)
    assert meeting_start(plan_of(due), story.incident, story.now) == datetime.fromisoformat(begins)


def test_a_window_that_is_over_leads_to_the_next_working_hour() -> None:
    """A review that begins late still has its meeting."""
    story = recovered("2026-11-24T12:10:00+00:00")
    late = story.now + timedelta(days=4)  # a Saturday
    begins = datetime.fromisoformat("2026-11-30T08:00:00+00:00")
    assert meeting_start(plan_of({"within": "24h"}), story.incident, late) == begins


def test_without_a_meeting_in_the_plan_and_before_the_recovery_there_is_no_time() -> None:
    """Nothing is guessed."""
    story = Story().opened()
    assert meeting_start(plan_of({"within": "24h"}), story.incident, story.now) is None
    over = recovered("2026-11-24T12:10:00+00:00")
    assert meeting_start(plan_of({"what": "document", "within": "24h"}), over.incident, over.now) is None


def test_those_with_a_role_that_the_plan_names_are_invited_once() -> None:
    """A mailing list that the plan names is invited as well; a blank does not, and one address is invited once."""
    roles = plan().model_dump(by_alias=True)["roles"]
    roles |= {name: {"title": name} for name in ("tech_lead", "ceo")}
    lists = {"engineering": {"title": "Team", "address": "team@example.com"}}
    the_plan = plan_of({"within": "24h"}, people=PEOPLE, roles=roles, mailing_lists=lists)
    assert meeting_people(the_plan, Story().opened().incident) == ["ana@example.com", "team@example.com"]

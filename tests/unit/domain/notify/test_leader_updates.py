"""Leaders get a short update by the rhythm of the plan, from the notice on, until the incident ends."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.notify.leader_updates import due_leader_updates, leader_update_text
from allclear.domain.notify.notice_tries import Notice
from allclear.domain.notify.notified import notified
from allclear.domain.notify.update_rhythm import update_reminders
from allclear.domain.plan import Person, Plan, UpdateSchedule
from allclear.domain.records import IncidentEnded, SeverityChanged
from allclear.domain.template_values import values
from tests.unit.domain.notify.notices_support import CARA, REACHES, due, line, notifying, sent
from tests.unit.domain.stories import Story


def hourly() -> Plan:
    """Return a plan that notifies the CTO, and then updates the CTO every hour."""
    updates = [UpdateSchedule.model_validate({"audience": "cto", "severities": ["P0"], "every": "1h"})]
    return notifying(line("cto"), people=(CARA,)).model_copy(update={"updates": updates})


def updates(of: Plan, story: Story) -> list[Notice]:
    """Return the updates that are to be sent, now or later."""
    return due_leader_updates(of, story.incident, [], REACHES)


def begun() -> tuple[Plan, Story]:
    """Return an incident of which Cara was notified."""
    company, story = hourly(), Story().opened().verified().paged_only()
    (notice,) = due(company, story)
    return company, sent(story, notice, "Accepted.", good=True)


def test_an_update_follows_each_hour_after_the_notice_by_the_next_way_if_one_fails() -> None:
    """It is no second notice: the table of who was notified has one row."""
    company, story = begun()
    told = story.now
    (first,) = updates(company, story)
    assert (first.person, first.way, first.update, first.due - told) == ("Cara", "email", 1, timedelta(hours=1))
    sent(story.after(60), first, "The vendor refused it.")
    (other,) = updates(company, story)
    assert (other.way, other.update, other.due) == ("sms", 1, story.now)
    sent(story, other, "Accepted.", good=True)
    (second,) = updates(company, story)
    assert (second.way, second.update, second.due - story.now) == ("email", 2, timedelta(hours=1))
    assert due(company, story) == []
    assert [row.way for row in notified(company, story.incident, story.now)] == ["email"]


def test_an_update_that_no_way_could_deliver_is_followed_by_the_next_one() -> None:
    """People are reminded of the update that did not arrive, and not of those that do."""
    company, story = begun()
    assert [one.due - story.now for one in update_reminders(company, story.incident)] == [timedelta(minutes=65)]
    for way in ("email", "sms"):
        (one,) = updates(company, story)
        assert (one.way, one.update) == (way, 1)
        story.now = max(story.now, one.due)
        sent(story, one, "The vendor refused it.")
    (reminder,) = update_reminders(company, story.incident)
    assert reminder.due - story.now == timedelta(minutes=5)
    (again,) = updates(company, story)
    assert (again.update, again.due - story.now) == (2, timedelta(hours=1))


def test_the_end_and_a_lower_severity_end_the_updates() -> None:
    """What follows is the message of the end."""
    company, story = begun()
    story.record(SeverityChanged(was="P0", now="P1", reason="Only some pay by card."))
    assert updates(company, story) == []
    story.record(SeverityChanged(was="P1", now="P0", reason="All do."))
    assert len(updates(company, story)) == 1
    story.record(IncidentEnded(ending="resolved", reason="The service is healthy."))
    assert updates(company, story) == []


def test_an_update_says_what_is_known_and_nothing_of_data_that_no_one_has_stated() -> None:
    """What, since when, what was done, who leads, and when the next one follows."""
    company, story = begun()
    filled = values(
        story.incident, lambda: story.entries, company, service_title="Shop", impact="Checkout fails", now=story.now
    )
    text = leader_update_text(company, story.incident, filled, "cto", story.now)
    assert text.startswith("VS-12 (P0): ")
    assert "Impact: Checkout fails." in text
    assert "Led by " in text
    assert f"Next update by {(story.now + timedelta(hours=1)):%Y-%m-%d %H:%M} UTC." in text
    assert "data" not in text.lower()
    stated = filled.extended({"data_statement": "No card numbers were read."})
    assert "About data: No card numbers were read." in leader_update_text(
        company, story.incident, stated, "cto", story.now
    )


def test_updates_go_on_after_hours_in_which_a_person_is_not_reached() -> None:
    """Cara is reached in one hour of the day only: those that fall into the others are left out."""
    company, story = begun()
    hour = story.now.astimezone(company.zone).hour
    contacts = {"email": {"address": "cara@example.com", "hours": f"{hour:02}:00-{hour + 1:02}:00"}}
    company = company.model_copy(update={"people": [Person.model_validate({**CARA, "contacts": contacts})]})
    (first,) = updates(company, story)
    assert (first.way, first.update, first.due - story.now) == ("email", 1, timedelta(hours=24))
    contacts["email"]["hours"] = "08:00-08:01"  # the rhythm never meets it
    company = company.model_copy(update={"people": [Person.model_validate({**CARA, "contacts": contacts})]})
    assert updates(company, story) == []

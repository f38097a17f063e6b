"""How often each audience gets an update, which time a text promises, and the reminders before it."""

from __future__ import annotations

from datetime import datetime, timedelta

from allclear.domain.notify.update_rhythm import audience_of, last_update, next_update, rhythm, update_reminders
from allclear.domain.plan import Plan
from allclear.domain.records import AudienceTold, ReminderDue
from allclear.domain.reminders.deadlines import status_word
from allclear.domain.reminders.reminder import Reminder
from tests.unit.domain.reminders.deadlines_support import CONTAINED, RECOVERED, changed, opened, plan_with
from tests.unit.domain.stories import ANA, START, Story

SLOWER = plan_with(
    updates=[
        {"audience": "status_page", "every": "30m", "severities": ["P0"]},
        {"audience": "status_page", "every": "2h", "severities": ["P0"], "after": "4h"},
        {"audience": "status_page", "every": "1h", "severities": ["P0"], "status": ["contained"], "after": "10m"},
        {"audience": "status_page", "every": "3h", "severities": ["P1"]},
        {"audience": "ceo", "every": "1h"},
    ]
)
TOLD = AudienceTold(audience="status_page")


def minutes(at: datetime | None) -> float | None:
    """Return how many minutes after the start that is."""
    return None if at is None else (at - START) / timedelta(minutes=1)


def of_page(company_plan: Plan, story: Story) -> Reminder:
    """Return the next reminder of the status page."""
    (found,) = (one for one in update_reminders(company_plan, story.incident) if one.topic == "update:status_page")
    return found


def given(story: Story, reminder: Reminder) -> Story:
    """Record that the reminder was given when it was due."""
    story.now = reminder.due
    return story.record(ReminderDue(topic=reminder.topic, level=reminder.level, sentence=reminder.sentence, roles=[]))


def test_the_rhythm_depends_on_severity_status_and_age() -> None:
    """The line with the latest `after` that has passed counts; a resolved incident has none."""
    story = opened("P0")

    def every(audience: str, minute: float) -> float | None:
        line = rhythm(SLOWER, story.incident, audience, START + timedelta(minutes=minute))
        return line and line.every / timedelta(minutes=1)

    assert [every("status_page", minute) for minute in (0, 20, 239, 240, 900)] == [30, 30, 30, 120, 120]
    assert [every("ceo", 20), every("customers", 20)] == [60, None]
    story.after(15).record(CONTAINED)
    assert status_word(story.incident) == "contained"
    assert [every("status_page", minute) for minute in (5, 20, 240)] == [30, 60, 120]
    story.after(15).record(RECOVERED)
    assert status_word(story.incident) == "resolved"
    assert every("status_page", 40) is None


def test_a_slower_rhythm_does_not_postpone_what_was_promised() -> None:
    """The text was written as a P0 that promised the next update after half an hour; as a P1 it is kept."""
    story = opened("P0").after(10).record(TOLD, by=ANA)
    changed(story.after(5), "P1")
    update = last_update(SLOWER, story.incident, "status_page")
    assert update is not None
    assert (minutes(update.told), minutes(update.promised)) == (10, 40)
    reminder = of_page(SLOWER, story)
    assert minutes(reminder.due) == 32.5
    assert reminder.sentence.startswith(
        "The next status update for status page is due at 2026-11-22 15:10 UTC; "
        "the last one was at 2026-11-22 14:40 UTC. If you have told them: "
    )
    lapsed = of_page(SLOWER, given(story, reminder)).sentence
    assert "the last one was at 2026-11-22 14:40 UTC and promised the next one for 2026-11-22 15:10 UTC." in lapsed


def test_people_are_reminded_before_the_promise_then_when_it_lapses_then_once_a_rhythm() -> None:
    """A new update begins anew."""
    story = opened("P0").after(10).record(TOLD, by=ANA)
    due: list[float | None] = []
    for _ in range(4):
        reminder = of_page(SLOWER, story)
        due.append(minutes(reminder.due))
        given(story, reminder)
    assert due == [32.5, 40, 70, 100]
    story.after(1).record(TOLD, by=ANA)
    assert minutes(of_page(SLOWER, story).due) == 101 + 22.5


def test_an_update_that_is_written_now_promises_the_next_one() -> None:
    """Customers read the status page's, if the plan has no rhythm of their own."""
    story = opened("P0")
    at = START + timedelta(minutes=5)
    assert minutes(next_update(SLOWER, story.incident, "status_page", at)) == 35
    assert minutes(next_update(SLOWER, story.incident, audience_of("email.customers"), at)) == 35
    assert next_update(SLOWER, opened("P2").incident, "status_page", at) is None
    assert audience_of("status_page.update") == "status_page"

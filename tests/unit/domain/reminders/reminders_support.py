"""Shared by the tests of reminders: those of one kind, when they are due, and one that was given."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.plan import Plan
from allclear.domain.reminders.due_reminders import reminders
from allclear.domain.reminders.reminder import Reminder
from tests.unit.domain.stories import START, Story


def of_kind(company_plan: Plan, story: Story, kind: str) -> list[Reminder]:
    """Return the reminders still to come of one kind of topic."""
    return [
        reminder for reminder in reminders(company_plan, story.incident) if reminder.topic.partition(":")[0] == kind
    ]


def minutes(found: list[Reminder]) -> list[float]:
    """Return how many minutes after the start each is due."""
    return [(reminder.due - START) / timedelta(minutes=1) for reminder in found]


def given(story: Story, reminder: Reminder) -> Story:
    """Record that a reminder was given."""
    return story.record(reminder.record())

"""The reminders of a review that is overdue: once a day, until each part of it is finished. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.plan import Plan
from allclear.domain.reminders.deadlines import Deadline
from allclear.domain.reminders.reminder import Reminder, last_given, led_by
from allclear.domain.review.meeting import meeting_of
from allclear.domain.review.meeting_plan import MEETING
from allclear.domain.text import plain

OVERDUE = 2
"""The level of the first reminder that something is overdue."""

_AGAIN_AFTER = timedelta(days=1)


def review_due(incident: Incident, one: Deadline, due: datetime) -> datetime:
    """Return when a part of the review is due; for a meeting that people moved to later, when it is over."""
    meeting = meeting_of(incident) if one.name == MEETING else None
    return due if meeting is None or meeting.cancelled else max(due, meeting.start + meeting.length)


def overdue_again(plan: Plan, incident: Incident, one: Deadline, due: datetime) -> Iterator[Reminder]:
    """Yield the next reminder of a part of the review, if people know already that it is overdue."""
    topic = f"{one.what}:{one.name}"
    last = last_given(incident, topic)
    if last and last.reminder.level >= OVERDUE:
        again = max(due, last.at + _AGAIN_AFTER)
        title, finish = plain(one.title), f"Finish it: allclear show {incident.id}"
        sentence = f"Still overdue, since {stamp(due, plan.zone)}: {title}. {finish}"
        yield Reminder(topic, last.reminder.level + 1, again, sentence, led_by(plan, incident))

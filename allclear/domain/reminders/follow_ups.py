"""The reminders of follow-ups: a day before each is due, and when it is overdue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from allclear.domain.base import person_key
from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.plan import Plan
from allclear.domain.plan.people import LEAD, ON_CALL
from allclear.domain.reminders.reminder import Reminder, known_roles
from allclear.domain.text import plain, signature

FOLLOW_UP = "follow-up:"
"""The beginning of their topics."""

DUE_DAYS = 14
"""Days until a follow-up is due, if no one says when."""

AHEAD = timedelta(days=1)
"""How long before its date people are reminded of a follow-up."""


def follow_up_reminders(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield two reminders of each follow-up that is not done."""
    for number, item in enumerate(incident.follow_ups, 1):
        if number in incident.follow_ups_done:
            continue
        due = stamp(item.due, plan.zone)
        topic, about = f"{FOLLOW_UP}{number}", f"{plain(item.text).rstrip('. ')} ({plain(item.owner, 60)})"
        done = f"When it is done: allclear follow-up-done {incident.id} {number} {signature(plan)}"
        roles = _roles_of(plan, item.owner) or known_roles(plan, LEAD, ON_CALL)[:1]
        yield Reminder(topic, 1, item.due - AHEAD, f"Follow-up due {due}: {about}. {done}", roles)
        yield Reminder(topic, 2, item.due, f"Follow-up overdue since {due}: {about}. {done}", roles)


def _roles_of(plan: Plan, owner: str) -> tuple[str, ...]:
    """Return the first role of a person whom the plan names, because reminders go to roles; empty for anyone else."""
    key = person_key(owner)
    return next((tuple(person.roles[:1]) for person in plan.people if person_key(person.name) == key), ())

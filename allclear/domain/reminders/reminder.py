"""One reminder, what stands in place of a phase where no step of a runbook is meant, and what was given so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from allclear.domain.incident import Incident, ReminderState
from allclear.domain.plan import Plan
from allclear.domain.plan.people import LEAD
from allclear.domain.records import ReminderDue


@dataclass(frozen=True)
class Reminder:
    """A reminder, and when it is due unless the incident changes first."""

    topic: str
    level: int
    due: datetime
    sentence: str
    roles: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    """The people that it is for, if it is not for whole roles."""
    urgent: bool = False
    """Whether it is sent as a page; otherwise it is a message to the team's channel."""
    becomes: str | None = None
    """For an escalation: the severity that the incident gets."""
    audiences: tuple[str, ...] = ()
    """The audiences that no one could notify, so that a person must tell them."""

    def record(self) -> ReminderDue:
        """Return the record that it was due."""
        return ReminderDue(
            topic=self.topic,
            level=self.level,
            sentence=self.sentence,
            roles=list(self.roles),
            people=list(self.people),
            urgent=self.urgent,
            audiences=list(self.audiences),
        )


def last_given(incident: Incident, topic: str) -> ReminderState | None:
    """Return the last reminder of a topic that was given, or None."""
    given = incident.reminders.get(topic)
    return given[-1] if given else None


def level_given(incident: Incident, topic: str) -> int:
    """Return the highest level of a topic that was given; 0 for none."""
    last = last_given(incident, topic)
    return last.reminder.level if last else 0


def known_roles(plan: Plan, *roles: str | None) -> tuple[str, ...]:
    """Return those of `roles` that the plan has, each once."""
    return tuple(dict.fromkeys(role for role in roles if role in plan.roles))


def lead_of(plan: Plan, incident: Incident) -> str | None:
    """Return who leads the incident: the person who took the role, or else its holder in the plan; None if no one does.

    The first person to act takes the role (`allclear.engine.people.leading`).
    """
    role_taken = incident.roles.get(LEAD)
    return role_taken or next((person.name for person in plan.holders(LEAD)), None)


def led_by(plan: Plan, incident: Incident, *more: str) -> tuple[str, ...]:
    """Return the lead's role and `more` for a reminder. If no one leads, it goes to every role."""
    if LEAD in plan.roles and lead_of(plan, incident) is None:
        return tuple(plan.roles)
    return known_roles(plan, LEAD, *more)


def highest_due(found: Iterable[Reminder], now: datetime) -> list[Reminder]:
    """Return the reminders that are due, only the highest level of each topic, because it includes the lower levels."""
    return list({reminder.topic: reminder for reminder in found if reminder.due <= now}.values())

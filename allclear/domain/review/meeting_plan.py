"""The meeting about an incident: when it can be, and who comes. Both follow from the plan and the record alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.plan import Plan, is_blank
from allclear.domain.plan.people import Person
from allclear.domain.privacy import is_private, may_read
from allclear.domain.reminders.deadlines import deadlines

MEETING = "meeting"
"""What the plan's `post_mortem.due` calls it."""
LENGTH = timedelta(hours=1)
_NOTICE = timedelta(hours=1)
"""The shortest time between the invitation and the meeting, if the plan leaves that much time."""
_STEP = timedelta(minutes=30)
"""A meeting begins at a full or a half hour."""


def meeting_start(plan: Plan, incident: Incident, now: datetime) -> datetime | None:
    """Return when the meeting begins, in UTC; None if the plan asks for none, or its clock has not started.

    It is the first full or half hour in the window that lies in the working time, with the whole meeting. If there
    is none, it is the first one in the window; if the window is over, the first one of the working time from now on.
    """
    window = meeting_window(plan, incident)
    if window is None:
        return None
    opens, closes = window
    earliest = _half_hour(max(now + _NOTICE, opens or now))
    last = closes - LENGTH
    in_window = plan.working_time.first_stretch(earliest, LENGTH)
    working = _half_hour(in_window) if in_window else earliest
    return working if working <= last or earliest > last else earliest


def meeting_window(plan: Plan, incident: Incident) -> tuple[datetime | None, datetime] | None:
    """Return from when on the plan wants the meeting (None: at once), and by when it is to be over, in UTC.

    None if the plan asks for none, or its clock has not started.
    """
    due = next((one for one in deadlines(plan, incident) if one.what == "post-mortem" and one.name == MEETING), None)
    return (due.not_before, due.due) if due and due.due else None


def outside_window(plan: Plan, incident: Incident, start: datetime, length: timedelta) -> str:
    """Return that a meeting is not in the time that the plan sets, and which that is; empty if it is."""
    window = meeting_window(plan, incident)
    if window is None:
        return ""
    opens, closes = window
    if (opens is None or start >= opens) and start + length <= closes:
        return ""
    since = f"from {stamp(opens, plan.zone)} " if opens else ""
    return f"The plan wants the meeting {since}until {stamp(closes, plan.zone)}."


def meeting_people(plan: Plan, incident: Incident) -> list[str]:
    """Return the e-mail addresses of those who are invited, each once.

    These are the people of the plan who took part, and the roles and mailing lists that it names for the meeting; of a
    private incident only the people who may read of it.
    """
    private = is_private(plan, incident)
    wanted = set(plan.post_mortem.invite)
    took_part = {person.name for name in _names(incident) if (person := plan.person(name))}
    invited: dict[str, str] = {}
    for person in plan.people:
        allowed = may_read(plan, incident, person.name)
        if allowed and (person.name in took_part or wanted & set(person.roles)) and (address := _address(person)):
            invited.setdefault(address.lower(), address)
    lists = [plan.mailing_lists[name] for name in plan.post_mortem.invite if name in plan.mailing_lists]
    for one in lists:
        if one.known and not private:
            invited.setdefault(one.address.lower(), one.address)
    return list(invited.values())


def may_be_invited(plan: Plan, incident: Incident, address: str) -> bool:
    """Return whether an invitation may go to an address: of a private incident only to people who may read of it."""
    people = plan.people_at("email", address)
    return not is_private(plan, incident) or (
        bool(people) and all(may_read(plan, incident, one.name) for one in people)
    )


def _names(incident: Incident) -> Iterator[str]:
    """Yield the names of those who answered a question."""
    for ask in incident.asks.values():
        for answer in ask.answers:
            yield answer.by.actor


def _address(person: Person) -> str:
    """Return a person's e-mail address; empty for none, and for a blank of the plan."""
    contact = person.contacts.get("email")
    return contact.address if contact and not is_blank(contact.address) else ""


def _half_hour(moment: datetime) -> datetime:
    """Return the first full or half hour that is not before `moment`."""
    start = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while start < moment:
        start += _STEP
    return start

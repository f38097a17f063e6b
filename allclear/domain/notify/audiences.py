"""Who the people of a notified role are, by which ways each can be reached at a moment, and who comes next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from allclear.domain.base import person_key
from allclear.domain.incident import Incident
from allclear.domain.notify.recipients import Reaches, has_rota, people_on_duty
from allclear.domain.plan import EVERYONE, Notification, Plan, RotaOverride, is_blank
from allclear.domain.plan.people import ON_CALL
from allclear.domain.reminders.escalation import escalation_levels
from allclear.domain.text import plain

EMAIL = "email"
"""The kind of contact that a mailing list has."""

PHONE = "phone"
"""The kind of contact that a text or a call needs."""


def first_people(plan: Plan, role: str, at: datetime, overrides: Sequence[RotaOverride]) -> list[str]:
    """Return the people of a role who are notified first: only the first layer of a rota.

    A mailing list is in the place of a person, under its address.
    """
    if role in plan.mailing_lists:
        listed = plan.mailing_lists[role]
        return [listed.address] if listed.known else []
    found = people_on_duty(plan, role, at, overrides)
    return found[:1] if has_rota(plan, role) else found


def next_people(
    plan: Plan, incident: Incident, role: str, at: datetime, overrides: Sequence[RotaOverride]
) -> Iterator[tuple[str, str]]:
    """Yield who is notified if no one of a role can be, in order, and the role of each.

    These are the others of the role, its deputies, and then the levels of the escalation policy. No one is notified in
    place of a mailing list: its people are not known.
    """
    if role in plan.mailing_lists:
        return
    deputies = plan.roles[role].deputies if role in plan.roles else []
    levels = [level.roles for level in escalation_levels(plan, incident)]
    climb = [one for roles in levels for one in (plan.roles if roles == EVERYONE else roles)]
    seen = {person_key(name) for name in first_people(plan, role, at, overrides)}
    for other in dict.fromkeys([role, *deputies, *climb]):
        for name in people_on_duty(plan, other, at, overrides):
            if person_key(name) not in seen:
                seen.add(person_key(name))
                yield name, other


def ways_to(plan: Plan, line: Notification, name: str, at: datetime, reaches: Reaches) -> tuple[list[str], str]:
    """Return the ways that reach a person at `at`, the first choice first; and, without any, why there is none.

    These are the line's own, or else those of the person's contacts, in the order of the contacts.
    """
    if plan.mailing_list_at(name):
        found = [way for way in line.by or reaches if reaches.get(way) == EMAIL]
        return found, "" if found else f"no way for it sends e-mail to {name}: add one to `ways` in plan.yaml"
    person = plan.person(name)
    contacts = person.contacts if person else {}
    wanted = line.by or [way for kind in contacts for way, uses in reaches.items() if uses == kind]
    open_now = set(person.reached_by(at, plan.working_time)) if person else set[str]()
    found = [way for way in wanted if reaches.get(way) in open_now]
    return found, "" if found else _why_not(plan, line, name, at, reaches)


def _why_not(plan: Plan, line: Notification, name: str, at: datetime, reaches: Reaches) -> str:
    """Return why no way reaches a person now, and what to write into the plan."""
    person, shown = plan.person(name), plain(name, 60)
    if person is None:
        return f"{shown} is not among the people of the plan: add {shown} under `people` in plan.yaml"
    if until := person.away_until(at, plan.working_time):
        return f"{shown} is away until {until}"
    kinds = [kind for way in line.by or reaches if (kind := reaches.get(way))]
    given = [kind for kind in kinds if kind in person.contacts and not is_blank(person.contacts[kind].address)]
    if given:
        hours = person.contacts[given[0]].hours
        return f"{shown} is reached by {given[0]} only at {hours}: widen `hours` there, or add another contact"
    by = f" for {' or '.join(line.by)}" if line.by else ""
    missing = " or ".join(f"`{kind}`" for kind in dict.fromkeys(kinds)) or "one"
    return f"{shown} has no contact{by}: add {missing} to the contacts in plan.yaml"


def no_one(plan: Plan, role: str) -> str:
    """Return that the plan names no one for a role, and what to write into it."""
    write = "it under `mailing_lists`" if role in plan.mailing_lists else "the name under `people`"
    return f"{unnamed(plan, role)}: write {write} in plan.yaml"


def unnamed(plan: Plan, role: str) -> str:
    """Return that the plan names no one for a role, or no address for a mailing list."""
    title = plain(plan.role_title(role), 60)
    return f"{title} has no address" if role in plan.mailing_lists else f"no one is named as {title}"


def is_pager(line: Notification, way: str, reaches: Reaches) -> bool:
    """Return whether a way of a line pages the person whom the pager has on call, for whom no name is needed."""
    return line.audience == ON_CALL and way in reaches and reaches[way] is None

"""Whom a page wakes, and whether a person has answered it. Pure.

That a person has acknowledged an incident stops a clock, because then someone knows of it. It wakes no one: support may
declare an incident while the on-call sleeps. So a page is sent again, climbs and is reported as failed until a person
takes the incident, or a person that was paged writes in it (docs/decisions/0030-answered-pages.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from allclear.domain.act import Act
from allclear.domain.base import person_key
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan, Rota, RotaOverride
from allclear.domain.plan.people import LEAD, ON_CALL
from allclear.domain.privacy import is_reader
from allclear.domain.pseudo_phases import REMINDER
from allclear.domain.records import By
from allclear.domain.text import plain


def rota_of(plan: Plan) -> Rota | None:
    """Return the rota by which people are paged; None if the plan has none."""
    return next((rota for rota in plan.rotas if rota.role == ON_CALL), plan.rotas[0] if plan.rotas else None)


def person_on_call(plan: Plan, now: datetime, overrides: Sequence[RotaOverride]) -> tuple[str, str] | None:
    """Return the one person whom the pager's on-call should be at `now`, and that person's role; None if no one is.

    By the rota, that is the first person on duty; without one, the person whom the plan names, if it names only one.
    """
    rota = rota_of(plan)
    if rota:
        shift = next(iter(rota.on_duty(now, plan.working_time, overrides)), None)
        return (shift.person, rota.role) if shift else None
    named = plan.holders(ON_CALL)
    return (named[0].name, ON_CALL) if len(named) == 1 else None


def page_answered(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride], page: Act | None = None) -> bool:
    """Return whether no one has to be woken any more: by `page`, or by any page since containment was lost.

    A page is answered by `allclear ack`, by an entry of a person on duty, and, after it was sent, by the answer to an
    approval and by an entry in a role that was paged. In a private incident, a person who may not read it ends the page
    that rings, and the next people are woken all the same, until a proven reader answers.
    """
    since, at = _asked_for(incident, page)
    counts = partial(_counts, plan, incident, ended=page is not None)
    if any(number > since and counts(by) for number, by in incident.acks.values()):
        return True
    if incident.last_answer > max(since, _first_page(incident)):
        return True
    on_duty, roles = _on_duty(plan, at, overrides), list(_paged_roles(plan, incident))
    return any(
        number > since
        and counts(incident.actors[key])
        and (key in on_duty or any(number > paged and role == by_role for paged, role in roles))
        for (key, by_role), number in incident.last_entries.items()
    )


def _counts(plan: Plan, incident: Incident, by: By, *, ended: bool) -> bool:
    """Return whether what a person did answers a page; `ended`: it is enough that this page need not ring any more."""
    return ended or is_reader(plan, incident, by)


def _asked_for(incident: Incident, page: Act | None) -> tuple[int, datetime]:
    """Return the entry since which a person is needed, and the time at which people on duty were paged."""
    if page:
        return max(page.issued, _since(incident)), page.at
    pages = (act.at for act in incident.acts.values() if act.proposed.pages)
    again = incident.asked_again
    return _since(incident), again[1] if again else min(pages, default=incident.opened_at)


def _first_page(incident: Incident) -> int:
    return min((act.number for act in incident.acts.values() if act.proposed.pages), default=0)


def acting_on_call(plan: Plan, incident: Incident, now: datetime, overrides: Sequence[RotaOverride]) -> str | None:
    """Return the person because of whom no page is needed, or None.

    That is the first person on duty by the rota; in a plan without a rota, a person whom the plan names for the role.
    That person must have declared the incident or acted in it since containment was lost. In a plan without a rota, it
    may also be any person who has taken the incident since, with `allclear ack`. A claimed role is not enough.
    """
    rota, since = rota_of(plan), _since(incident)
    first = next(iter(rota.on_duty(now, plan.working_time, overrides)), None) if rota else None
    keys = ({person_key(first.person)} if first else set[str]()) if rota else _named(plan)
    acting = (key for (key, _), number in incident.last_entries.items() if key in keys and number > since)
    key = next(acting, None)
    if key is None and rota is None and incident.last_ack > since:
        key = incident.last_ack_by
    return plain(incident.actors[key].actor, 60) if key else None


def _since(incident: Incident) -> int:
    """Return the number of the entry since which a person is needed anew; else 0."""
    return incident.asked_again[0] if incident.asked_again else 0


def _on_duty(plan: Plan, at: datetime, overrides: Sequence[RotaOverride]) -> set[str]:
    """Return the keys of the people on duty at `at`; in a plan without a rota, of the role's people."""
    rota = rota_of(plan)
    return (
        {person_key(shift.person) for shift in rota.on_duty(at, plan.working_time, overrides)} if rota else _named(plan)
    )


def _named(plan: Plan) -> set[str]:
    """Return the keys of the people whom the plan names as on-call; in a plan without that role, as the lead."""
    role = next((role for role in (ON_CALL, LEAD) if role in plan.roles), "")
    return {person_key(person.name) for person in plan.holders(role)}


def _paged_roles(plan: Plan, incident: Incident) -> Iterator[tuple[int, str]]:
    """Yield each role that was paged, and the number of the entry that paged it. A rota names people instead."""
    if rota_of(plan) is None:
        for act in incident.acts.values():
            if act.proposed.pages and act.proposed.phase != REMINDER:
                yield act.number, ON_CALL
    for states in incident.reminders.values():
        for state in states:
            if state.reminder.urgent and not state.reminder.people:
                yield from ((state.number, role) for role in state.reminder.roles)

"""Who has a role at a moment, whom a reminder is for, and at which addresses these people are reached then. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from allclear.domain.incident import Incident
from allclear.domain.plan import Plan, RotaOverride
from allclear.domain.records import ReminderDue

Reaches = Mapping[str, str | None]
"""Way of the plan -> the kind of contact that it uses; None if it pages the person whom the pager has on call."""


def people_in_role(
    plan: Plan, incident: Incident, role: str, at: datetime, overrides: Sequence[RotaOverride]
) -> list[str]:
    """Return who has a role at `at`: the person who took it in the incident, or else those of `people_on_duty`.

    Deputies are in the place of the plan's people if all of these are away.
    """
    if held := incident.roles.get(role):
        return [held]
    if has_rota(plan, role):
        return people_on_duty(plan, role, at, overrides)
    return [person.name for person in plan.present(role, at)]


def people_on_duty(plan: Plan, role: str, at: datetime, overrides: Sequence[RotaOverride]) -> list[str]:
    """Return the people of a role at `at`: of its rota, the first layer first, or else those whom the plan names.

    The next person of the rota is in the place of one who is away. Others of the plan are, unless everyone is away.
    """
    rota = next((rota for rota in plan.rotas if rota.role == role), None)
    if rota is None:
        named = [person.name for person in plan.holders(role)]
        return [name for name in named if not _away(plan, name, at)] or named
    own = [override for override in overrides if override.role == role]
    shifts = rota.on_duty(at, plan.working_time, own)
    return list(dict.fromkeys(shift.next_person if _away(plan, shift.person, at) else shift.person for shift in shifts))


def has_rota(plan: Plan, role: str) -> bool:
    """Return whether a rota says who has the role."""
    return any(rota.role == role for rota in plan.rotas)


def _away(plan: Plan, name: str, at: datetime) -> bool:
    person = plan.person(name)
    return person is not None and person.away_until(at, plan.working_time) is not None


def people_of_reminder(
    plan: Plan, incident: Incident, reminder: ReminderDue, at: datetime, overrides: Sequence[RotaOverride]
) -> list[str]:
    """Return the people whom a reminder is for, each once."""
    by_role = (people_in_role(plan, incident, role, at, overrides) for role in reminder.roles)
    return list(dict.fromkeys(reminder.people or (name for names in by_role for name in names)))


def address_at(plan: Plan, name: str, kind: str | None, at: datetime) -> str | None:
    """Return the address of that kind by which a person is reached at `at`, or None."""
    person = plan.person(name)
    if person is None or kind is None or kind not in person.reached_by(at, plan.working_time):
        return None
    return person.contacts[kind].address

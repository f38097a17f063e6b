"""Who leads an incident: the first person who acts in it, until the role is handed over.

If the plan names people for the role, one of them leads: the first of them to act. Who acts as the communications
lead or as the scribe supports the person who leads, and does not become the lead by that. Nor does a person in no role,
as one whom the plan does not name and who answers a page; nor, in a private incident, one who may not read it.
"""

from __future__ import annotations

from allclear.domain.base import person_key
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.plan.people import LEAD
from allclear.domain.privacy import is_reader
from allclear.domain.records import By, RoleTaken

SUPPORTING = ("communications_lead", "scribe")


def lead_taken_by(plan: Plan, incident: Incident, by: By) -> list[RoleTaken]:
    """Return the record by which the person who acts leads from now on.

    Empty if a person has taken the role, if the plan has no such role, names other people for it, or forbids this
    person to have it, if the person acts in no role or in one that supports the lead, and if the incident is private
    and this person is no proven reader of it: a role in an incident lets its holder read it.
    """
    if LEAD in incident.roles or LEAD not in plan.roles:
        return []
    if not by.person or not by.role or by.role in SUPPORTING or not is_reader(plan, incident, by):
        return []
    named = {person_key(person.name) for person in plan.holders(LEAD)}
    if (named and person_key(by.actor) not in named) or conflicting_role(plan, incident, LEAD, by.actor):
        return []
    return [RoleTaken(role=LEAD, person=by.actor)]


def conflicting_role(plan: Plan, incident: Incident, role: str, person: str) -> str | None:
    """Return a role that `person` has and that the plan forbids together with `role`, or None."""
    never_with = {name: known.never_with for name, known in plan.roles.items()}
    for other, holder in incident.roles.items():
        forbidden = other in never_with.get(role, ()) or role in never_with.get(other, ())
        if other != role and forbidden and person_key(holder) == person_key(person):
            return other
    return None

"""Private incidents: those of a kind or a severity that the plan marks. Only some people may read what they are about.

Messages, pages and Prefect have only the incident's id and the link to its page. Privacy follows the present kind and
severity: an incident that turns out to be a leak is private from then on.
"""

from __future__ import annotations

from allclear.domain.base import person_key
from allclear.domain.errors import NotAllowed
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan


def reading_roles(plan: Plan, incident: Incident) -> list[str]:
    """Return the roles that may read a private incident; empty if everyone may, because it is not private."""
    kind, severity = plan.kinds.get(incident.kind), plan.severity(incident.severity)
    marked = [*(kind.private_for if kind else []), *(severity.private_for if severity else [])]
    return list(dict.fromkeys(marked))


def is_private(plan: Plan, incident: Incident) -> bool:
    """Return whether only some people may read what the incident is about."""
    return bool(reading_roles(plan, incident))


def may_read(plan: Plan, incident: Incident, person: str) -> bool:
    """Return whether a person whose name is proven may read the incident.

    These are the people of the plan's `private_for` roles, those with a role in this incident or asked to take one, and
    the person who declared it.
    """
    roles = reading_roles(plan, incident)
    named = [holder.name for role in roles for holder in plan.holders(role)]
    declared = [incident.opened_by.actor] if incident.opened_by.person else []
    asked = [offer.to for offer in incident.offers.values()]
    allowed = {person_key(name) for name in (*named, *incident.roles.values(), *asked, *declared)}
    return not roles or person_key(person) in allowed


def require_reader(plan: Plan, incident: Incident, person: str) -> None:
    """Raise NotAllowed if the incident is private and not for this person."""
    if not may_read(plan, incident, person):
        raise NotAllowed(f"{incident.id} is private, and not for {person}.", "Ask its incident lead for a role in it.")

"""Private incidents: those of a kind or a severity that the plan marks. Only some people may read what they are about.

Messages, pages and Prefect have only the incident's id and the link to its page. Privacy follows the present kind and
severity: an incident that turns out to be a leak is private from then on.

`require_reader` is the one rule for people who act. It is asked where a command is carried out, and again where a
record of a person is written, because the incident may have become private in between.
"""

from __future__ import annotations

from allclear.domain.base import person_key
from allclear.domain.errors import NotAllowed
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.proof import Proof
from allclear.domain.records import By, IncidentOpened

REHEARSED = ("drill", "terminal")
"""The channels of a drill's people, whom the drill itself plays: their names need no proof in a rehearsal."""


class NotAReader(NotAllowed):
    """A person may not do this in a private incident. Its sentences say nothing of what the incident is about."""


def reading_roles_of(plan: Plan, kind: str, severity: str) -> list[str]:
    """Return the roles that may read an incident of that kind and severity; empty if everyone may.

    Everyone may as long as the plan names no person in any of these roles: no one could read it otherwise.
    """
    known, grade = plan.kinds.get(kind), plan.severity(severity)
    marked = [*(known.private_for if known else []), *(grade.private_for if grade else [])]
    return list(dict.fromkeys(marked)) if any(plan.holders(role) for role in marked) else []


def reading_roles(plan: Plan, incident: Incident) -> list[str]:
    """Return the roles that may read a private incident; empty if everyone may, because it is not private."""
    return reading_roles_of(plan, incident.kind, incident.severity)


def has_same_readers(plan: Plan, incident: Incident, kind: str, severity: str) -> bool:
    """Return whether those who may read an incident of that kind and severity may read this one, and no one else.

    Only then does a new alert or declaration join the incident: else a public incident would show what is private, or
    a private one would hide what everyone must know.
    """
    return set(reading_roles(plan, incident)) == set(reading_roles_of(plan, kind, severity))


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


def where_to_read(incident: str, page: str) -> str:
    """Return where a private incident can be read, as a sentence; `page` is the address of its page, or empty."""
    where = f"on its page: {page}" if page else f"with your token: allclear show {incident}"
    return f"{incident} is private. Read and answer it {where}"


def is_proven(incident: Incident, by: By) -> bool:
    """Return whether it is known who acts: by proof, or because a drill plays this person in a rehearsal."""
    return by.proof is not Proof.CLAIMED or (incident.opened.simulated and by.via in REHEARSED)


def is_reader(plan: Plan, incident: Incident, by: By) -> bool:
    """Return whether a person or program may read the incident and act in it: proven, if the incident is private."""
    return not is_private(plan, incident) or (is_proven(incident, by) and may_read(plan, incident, by.actor))


def require_reader(plan: Plan, incident: Incident, by: By) -> None:
    """Raise NotAReader if a person or program may not read the incident and act in it; allclear itself always may."""
    if not (by.person or by.program) or is_reader(plan, incident, by):
        return
    if not is_proven(incident, by):
        raise NotAReader(
            f"{incident.id} is private, and your name is only claimed.",
            f"Open your personal link to {incident.id}, or send your own token: ALLCLEAR_TOKEN.",
        )
    raise is_not_for(incident, by.actor)


def is_not_for(incident: Incident, person: str) -> NotAReader:
    """Return the error that a person may not read a private incident."""
    return NotAReader(f"{incident.id} is private, and not for {person}.", "Ask its incident lead for a role in it.")


def require_proof_to_act(plan: Plan, opened: IncidentOpened, by: By) -> None:
    """Raise NotAReader if an action by hand would open a private incident for a name that is only claimed."""
    proven = by.proof is not Proof.CLAIMED or (opened.simulated and by.via in REHEARSED)
    if not proven and reading_roles_of(plan, opened.incident_kind or "", opened.severity):
        raise NotAReader(
            "An action by hand would open a private incident here, and your name is only claimed.",
            "Send your own token: ALLCLEAR_TOKEN, which `allclear token` makes.",
        )

"""Who acts in a channel: the channel's user id, and the person of the plan whose contact is that id."""

from __future__ import annotations

from allclear.domain.approval import ApprovalPolicy
from allclear.domain.errors import NotAllowed
from allclear.domain.incident import Incident
from allclear.domain.notify.channel import Channel
from allclear.domain.plan import Plan
from allclear.domain.records import By
from allclear.domain.roles import role_for, roles_of


class UnknownUser(NotAllowed):
    """The plan names no person with this user id, so that nothing that the user does decides anything."""


def person_of(plan: Plan, channel: Channel, user: str) -> str:
    """Return the name of the person with this user id. Raises UnknownUser if the plan names none, or two."""
    names = {person.name for person in plan.people_at(channel.contact, user)}
    if len(names) != 1:
        problem = "names more than one person with" if names else "names no person with"
        raise UnknownUser(
            f"Nothing was done: the plan {problem} your {channel.name.capitalize()} user id, {user}.",
            f"Write it into the plan, under your contacts: `{channel.contact}: {user}`. Until then, use the incident's "
            "page.",
        )
    return names.pop()


def author(
    plan: Plan,
    channel: Channel,
    user: str,
    request: str,
    incident: Incident | None = None,
    policy: ApprovalPolicy | None = None,
) -> By:
    """Return who acts: in a role that `policy` asks for if there is one, else in the first. Raises UnknownUser."""
    name = person_of(plan, channel, user)
    known = plan.person(name)
    roles = roles_of(name, incident, plan) if incident else []
    roles = roles or (list(known.roles) if known else [])
    fitting = role_for(policy, roles, plan) if policy else ""
    return By(actor=name, role=fitting or roles[0], via=channel.name, proof=channel.proof, request=request)

"""The roles in which a person may act, and which of them a rule asks for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import person_key
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.proof import Proof
from allclear.domain.records import By


def acting_as(plan: Plan, incident: Incident, by: By, wanted: Sequence[str]) -> By:
    """Return the person in a role that may act for one of `wanted`, or unchanged if the person has none.

    The role that was given comes first, then those that the person has in this incident, then those of the plan. A
    token may be for one role only: so the plan gives its person no other one.
    """
    key, known = person_key(by.actor), plan.person(by.actor)
    held = [role for role, person in incident.roles.items() if by.person and person_key(person) == key]
    named = known.roles if known and by.person and by.proof is not Proof.TOKEN else []
    fitting = (role for role in [by.role or "", *held, *named] if plan.may_act_for(role, wanted))
    role = next(fitting, None)
    return by if role is None else by.model_copy(update={"role": role})


def plan_role_for(plan: Plan, person: str, wanted: Sequence[str]) -> str:
    """Return the role that the plan gives a person and that may act for one of `wanted`; empty if it gives none."""
    known = plan.person(person)
    return next((role for role in known.roles if plan.may_act_for(role, wanted)), "") if known else ""


def roles_of(person: str, incident: Incident, plan: Plan, given: str = "") -> list[str]:
    """Return the roles in which a person may act: the one that was given, those of the plan, those taken there."""
    known, key = plan.person(person), person_key(person)
    taken = [role for role, holder in incident.roles.items() if person_key(holder) == key]
    named = [*([given] if given else []), *(known.roles if known else []), *taken]
    return [role for role in dict.fromkeys(named) if role in plan.roles and may_have(role, person, plan)]


def may_have(role: str, person: str, plan: Plan) -> bool:
    """Return whether the plan gives a person this role, or names no one for it, so that any person may claim it."""
    holders = {person_key(holder.name) for holder in plan.holders(role)}
    return not holders or person_key(person) in holders


def role_for(policy: ApprovalPolicy, roles: Sequence[str], plan: Plan) -> str:
    """Return the role in which a person with `roles` answers; one that must be among the answers comes first."""
    fitting = [role for role in roles if role in policy.one_of]
    fitting += [role for role in roles if plan.may_act_for(role, policy.roles)]
    return fitting[0] if fitting else ""

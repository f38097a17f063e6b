"""The role in which a person acts, if a rule asks for one of several. Pure."""

from __future__ import annotations

from collections.abc import Sequence

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

"""Checks who approves: the plan's approvals and the steps' own, and that enough people can give each."""

from __future__ import annotations

from collections.abc import Iterator

from allclear.company.capabilities import ActionType, Capabilities
from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import person_key
from allclear.domain.plan import Plan
from allclear.domain.runbook import Step


def check_plan_approvals(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield approvals of unknown actions, by unknown roles, by too few people, or looser than the default."""
    if draft.plan is None:
        return
    file = draft.files[PLAN]
    for name, policy in draft.plan.approvals.items():
        place = ("approvals", name)
        if name in capabilities.actions:
            yield from _looser(file, place, policy, capabilities.actions[name])
            yield from _wider(draft.plan, file, place, policy, capabilities.actions[name])
        else:
            sentence = f"There is no action `{name}`."
            yield file.error(place, sentence, suggestion(name, capabilities.actions))
        yield from _policy(draft.plan, file, place, policy, name)


def check_step_approval(
    draft: Draft, file: YamlFile, place: Place, kind: ActionType, step: Step
) -> Iterator[Diagnostic]:
    """Yield what is wrong with the approval of a step.

    What is wrong with the plan's own approvals is reported by `check_plan_approvals`, once and not for each step.
    """
    if draft.plan is None or (step.approval is None and kind.name in draft.plan.approvals):
        return
    if step.approval is not None:
        approval = (*place, "approval")
        by_plan = draft.plan.approvals.get(kind.name)
        yield from _policy(draft.plan, file, approval, step.approval, kind.name)
        yield from _looser(file, approval, step.approval, kind, by_plan)
        yield from _wider(draft.plan, file, approval, step.approval, kind, by_plan)
    elif kind.approval is not None:
        yield from _too_few_people(draft.plan, file, (*place, "action"), kind.approval, kind.name)


def check_auto_approval(
    draft: Draft, file: YamlFile, place: Place, kind: ActionType, step: Step
) -> Iterator[Diagnostic]:
    """Yield an error for `auto_approve` if the approval takes more than the plain yes of one person."""
    by_plan = draft.plan.approvals.get(kind.name) if draft.plan else None
    policy = step.approval or by_plan or kind.approval
    if step.auto_approve and policy and policy.extra_requirement:
        yield file.error(
            (*place, "auto_approve"),
            f"`{kind.name}` has `auto_approve`, and its approval takes {policy.extra_requirement}.",
            "Take `auto_approve` out: no veto window replaces that.",
        )


def _looser(
    file: YamlFile, place: Place, policy: ApprovalPolicy, kind: ActionType, by_plan: ApprovalPolicy | None = None
) -> Iterator[Diagnostic]:
    """Yield an error for a policy that asks for less than the action's default, or than the plan does."""
    for default, owner in ((kind.approval, "its default"), (by_plan, "the plan's own")):
        less = policy.weaker_than(default)
        if less:
            yield file.error(
                place,
                f"The approval of `{kind.name}` {less}, which is less than {owner}.",
                f"Ask for as much as {owner}, or more.",
            )
            return


def _wider(
    plan: Plan,
    file: YamlFile,
    place: Place,
    policy: ApprovalPolicy,
    kind: ActionType,
    by_plan: ApprovalPolicy | None = None,
) -> Iterator[Diagnostic]:
    """Yield a warning for a policy that lets roles approve which the plan, or the action's default, does not name.

    A company may decide so, but in a single step it is seldom meant. Deputies of a named role may approve anyway.
    """
    default, owner = (by_plan, "the plan's own") if by_plan else (kind.approval, "the default")
    if default is None:
        return
    named = [*default.roles, *default.one_of]
    others = [role for role in policy.added_roles(default) if role in plan.roles and not plan.may_act_for(role, named)]
    if others:
        yield file.warning(
            place,
            f"The approval of `{kind.name}` lets {' and '.join(others)} approve, which {owner} does not.",
            f"Take it out if it is not meant; {owner} names {', '.join(dict.fromkeys(named))}.",
        )


def _policy(plan: Plan, file: YamlFile, place: Place, policy: ApprovalPolicy, action: str) -> Iterator[Diagnostic]:
    unknown = False
    for field, roles in (("roles", policy.roles), ("one_of", policy.one_of)):
        for index, role in enumerate(roles):
            if role not in plan.roles:
                unknown = True
                yield file.error(
                    (*place, field, index), f"The plan has no role `{role}`.", suggestion(role, plan.roles)
                )
    if not unknown:
        yield from _too_few_people(plan, file, place, policy, action)


def _too_few_people(
    plan: Plan, file: YamlFile, place: Place, policy: ApprovalPolicy, action: str
) -> Iterator[Diagnostic]:
    """Yield an error for an approval that the people of the plan cannot give.

    A person whose name is still a blank counts, because a person can claim the role. A role without a person
    does not count.
    """
    if policy.one_of and not _count_able(plan, policy.one_of):
        yield file.error(
            place,
            f"`{action}` waits for one of {', '.join(policy.one_of)}, and no one in the plan has such a role.",
            "Give one of these roles to a person under `people`, or name other roles in `one_of`.",
        )
    able = _count_able(plan, [*policy.roles, *policy.one_of])
    if able < policy.people:
        yield file.error(
            place,
            f"`{action}` waits for {policy.people} of {', '.join(policy.roles)}, and the plan has {able or 'no one'}.",
            "Give one of these roles to a person under `people`, or name other roles in `approval`.",
        )


def _count_able(plan: Plan, roles: list[str]) -> int:
    """Return how many people have one of `roles` or are deputy for one. The same name counts once."""
    able = [person for person in plan.people if any(plan.may_act_for(role, roles) for role in person.roles)]
    blanks = sum(not person.known for person in able)
    return blanks + len({person_key(person.name) for person in able if person.known})

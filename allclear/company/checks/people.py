"""Checks who decides: the people, roles, severities and approvals of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from allclear.company.capabilities import ActionType, Capabilities
from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import person_key
from allclear.domain.plan import Person, Plan, is_blank
from allclear.domain.runbook import Step


def check_severity_names(draft: Draft, file: YamlFile, place: Place, names: Iterable[str]) -> Iterator[Diagnostic]:
    """Yield an error for each name that is not on the plan's scale."""
    if draft.plan is None:
        return
    known = [severity.name for severity in draft.plan.severities]
    for index, name in enumerate(names):
        if name not in known:
            yield file.error((*place, index), f"The plan has no severity `{name}`.", suggestion(name, known))


def check_people(draft: Draft) -> Iterator[Diagnostic]:
    """Yield roles that are unknown, roles that nobody holds, and names and contacts that are still blanks."""
    if draft.plan is None:
        return
    plan, file = draft.plan, draft.files[PLAN]
    seen: dict[str, str] = {}
    for index, person in enumerate(plan.people):
        key = person_key(person.name)
        if person.known and key in seen:
            other = "" if seen[key] == person.name else f", as {seen[key]} before"
            yield file.error(
                ("people", index, "name"),
                f"{person.name} stands twice under `people`{other}.",
                "Put all roles of one person in one place, or tell two people apart by their names.",
            )
        seen.setdefault(key, person.name)
        for number, role in enumerate(person.roles):
            if role not in plan.roles:
                place = ("people", index, "roles", number)
                yield file.error(place, f"The plan has no role `{role}`.", suggestion(role, plan.roles))
        yield from _blanks(plan, file, index, person)
    for role in plan.roles:
        if not any(role in person.roles for person in plan.people):
            next_step = "Put somebody under `people`; until then whoever says so holds it."
            yield file.warning(("roles", role), f"Nobody holds the role `{role}`.", next_step)


def _blanks(plan: Plan, file: YamlFile, index: int, person: Person) -> Iterator[Diagnostic]:
    who = ", ".join(plan.role_title(role) for role in person.roles)
    if not person.known:
        blank = _blank(person.name)
        yield file.warning(("people", index, "name"), f"The name of {who} is still {blank}.", "Fill it in.")
    for kind, contact in person.contacts.items():
        if is_blank(contact.address):
            place = ("people", index, "contacts", kind)
            yield file.warning(place, f"The {kind} of {who} is still {_blank(contact.address)}.", "Fill it in.")


def check_addresses(draft: Draft) -> Iterator[Diagnostic]:
    """Yield the plan's other addresses that nobody filled in."""
    if draft.plan is None:
        return
    plan, file = draft.plan, draft.files[PLAN]
    found: list[tuple[Place, str, str]] = [
        *((("support", n, "contact"), f"The contact of {one.name}", one.contact) for n, one in enumerate(plan.support)),
        *((("resources", name), f"The address of {name}", text) for name, text in plan.resources.items()),
        *((("channels", name), f"The channel {name}", text) for name, text in plan.channels.items()),
    ]
    if plan.status_page_url:
        found.append((("status_page_url",), "The address of the status page", plan.status_page_url))
    for place, what, text in found:
        if is_blank(text):
            yield file.warning(place, f"{what} is still {_blank(text)}.", "Fill it in.")


def _blank(text: str) -> str:
    return f"the blank `{text.strip()}`" if text.strip() else "empty"


def check_approvals(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield approvals of actions that are unknown, and by roles that are unknown or that nobody holds."""
    if draft.plan is None:
        return
    file = draft.files[PLAN]
    for name, policy in draft.plan.approvals.items():
        if name not in capabilities.actions:
            yield file.error(
                ("approvals", name), f"There is no action `{name}`.", suggestion(name, capabilities.actions)
            )
        else:
            yield from _looser(file, ("approvals", name), policy, capabilities.actions[name])
            yield from _wider(draft.plan, file, ("approvals", name), policy, capabilities.actions[name])
        yield from _policy(draft.plan, file, ("approvals", name), policy, name)


def check_step_approval(
    draft: Draft, file: YamlFile, place: Place, kind: ActionType, step: Step
) -> Iterator[Diagnostic]:
    """Yield what is wrong with who must say yes to a step of a runbook.

    The plan's own approvals are `check_approvals`' part: they are wrong once, not once for each step.
    """
    if draft.plan is None or (step.approval is None and kind.name in draft.plan.approvals):
        return
    if step.approval is not None:
        yield from _policy(draft.plan, file, (*place, "approval"), step.approval, kind.name)
        by_plan = draft.plan.approvals.get(kind.name)
        yield from _looser(file, (*place, "approval"), step.approval, kind, by_plan)
        yield from _wider(draft.plan, file, (*place, "approval"), step.approval, kind, by_plan)
    elif kind.approval is not None:
        yield from _too_few(draft.plan, file, (*place, "action"), kind.approval, kind.name)


def _looser(
    file: YamlFile, place: Place, policy: ApprovalPolicy, kind: ActionType, by_plan: ApprovalPolicy | None = None
) -> Iterator[Diagnostic]:
    """What allclear asks for by default stands for a reason: a plan may ask for more, and not for less.

    A step may in turn ask for more than the plan, and not for less.
    """
    for default, whose in ((kind.approval, "its default"), (by_plan, "the plan's own")):
        less = policy.looser_than(default)
        if less:
            yield file.error(
                place,
                f"The approval of `{kind.name}` {less}, which is less than {whose}.",
                f"Ask for as much as {whose}, or more.",
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
    """Who else may approve is the company's to say, and seldom meant where it is only a step that says it.

    A deputy may anyway. What the plan lets in is told there, and not again for each step.
    """
    default, whose = (by_plan, "the plan's own") if by_plan else (kind.approval, "the default")
    if default is None:
        return
    named = [*default.roles, *default.one_of]
    others = [role for role in policy.also_lets(default) if role in plan.roles and not plan.stands_in(role, named)]
    if others:
        yield file.warning(
            place,
            f"The approval of `{kind.name}` lets {' and '.join(others)} approve, which {whose} does not.",
            f"Take it out if it is not meant; {whose} names {', '.join(dict.fromkeys(named))}.",
        )


def check_auto_approval(
    draft: Draft, file: YamlFile, place: Place, kind: ActionType, step: Step
) -> Iterator[Diagnostic]:
    """Yield an error for a step that acts by itself where its approval takes more than one person's plain yes."""
    by_plan = draft.plan.approvals.get(kind.name) if draft.plan else None
    policy = step.approval or by_plan or kind.approval
    if step.auto_approve and policy and policy.takes:
        yield file.error(
            (*place, "auto_approve"),
            f"`{kind.name}` acts by itself, and its approval takes {policy.takes}.",
            "Take `auto_approve` out: silence cannot stand for that.",
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
        yield from _too_few(plan, file, place, policy, action)


def _too_few(plan: Plan, file: YamlFile, place: Place, policy: ApprovalPolicy, action: str) -> Iterator[Diagnostic]:
    """A blank counts as somebody: whoever says so holds its role. A role that nobody has counts for nothing."""
    able = _able(plan, [*policy.roles, *policy.one_of])
    if policy.one_of and not _able(plan, policy.one_of):
        yield file.error(
            place,
            f"`{action}` waits for one of {', '.join(policy.one_of)}, and the plan has nobody.",
            "Give one of these roles to somebody under `people`, or name other roles in `one_of`.",
        )
    if able < policy.people:
        yield file.error(
            place,
            f"`{action}` waits for {policy.people} of {', '.join(policy.roles)}, and the plan has {able or 'nobody'}.",
            "Give one of these roles to somebody under `people`, or name other roles in `approval`.",
        )


def _able(plan: Plan, roles: list[str]) -> int:
    """Return how many people have one of these roles, or are deputy for one; one name is one person."""
    able = [person for person in plan.people if any(plan.stands_in(role, roles) for role in person.roles)]
    blanks = sum(not person.known for person in able)
    return blanks + len({person_key(person.name) for person in able if person.known})

"""Checks the plan's `ways` and `notifications`: by which ways people are notified, and whether they can be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from allclear.company.capabilities import ActionType, Capabilities
from allclear.company.checks.calls import check_contact, check_params, check_recipient, is_numbered, unknown_action
from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.domain.notify.audiences import EMAIL
from allclear.domain.placeholders import NOTICE_PLACEHOLDERS
from allclear.domain.plan import MessageAction, Notification, Person, Plan, is_blank
from allclear.domain.plan.people import ON_CALL
from allclear.domain.text import enumerated


def check_ways(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield what is wrong with the actions that send a message to one person, and contacts that they would refuse."""
    if draft.plan is None:
        return
    refused: set[tuple[int, str | None]] = set()
    for name, message in draft.plan.ways.items():
        kind = capabilities.actions.get(message.action)
        if kind is None:
            yield unknown_action(draft, capabilities, ("ways", name), message.action)
        elif not kind.text_params or kind.approval is not None or not (kind.reaches or kind.pages):
            yield draft.files[PLAN].error(
                ("ways", name, "action"),
                f"`{message.action}` is no way to a person: it must only send a message, to people whom it is given.",
                "Name one that does and needs no approval, such as slack.post or pagerduty.page_people.",
            )
        else:
            yield from _call(draft, name, message, kind)
            yield from _contacts(draft, message, kind, refused)


def _contacts(
    draft: Draft, message: MessageAction, kind: ActionType, refused: set[tuple[int, str | None]]
) -> Iterator[Diagnostic]:
    """Yield the contacts that the way would refuse; those that another way has `refused` were reported already."""
    for index, _ in enumerate(draft.plan.people if draft.plan else ()):
        problems = list(check_contact(draft, kind, message.with_, index))
        if problems and (index, kind.reaches) not in refused:
            refused.add((index, kind.reaches))
            yield from problems


def _call(draft: Draft, name: str, message: MessageAction, kind: ActionType) -> Iterator[Diagnostic]:
    file, place = draft.files[PLAN], ("ways", name)
    yield from check_params(draft, place, kind, message.with_, NOTICE_PLACEHOLDERS, ("people",))
    if not any("{notice}" in str(message.with_.get(text, "")) for text in kind.text_params):
        yield file.error((*place, "with"), f"`{name}` does not say what happened.", "Put {notice} into its text.")
    if not is_numbered(kind, message.with_):
        yield file.error(
            (*place, "with"),
            f"Each message by `{name}` would replace the one before.",
            'Put {number} into its key, for example "{incident}-notice-{number}".',
        )
    lists = draft.plan.mailing_lists if draft.plan and kind.reaches == EMAIL else {}
    for short, listed in lists.items():
        yield from check_recipient(draft, kind, message.with_, ("mailing_lists", short, "address"), listed.address)


def check_notifications(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield the lines that name an unknown way, and the audiences to which nothing can be sent."""
    plan = draft.plan
    if plan is None:
        return
    for index, line in enumerate(plan.notifications):
        place = ("notifications", index)
        yield from _pages_on_call(draft, plan, capabilities.actions, line, index)
        for number, way in enumerate(line.by):
            if way not in plan.ways:
                yield draft.files[PLAN].error(
                    (*place, "by", number), f"The plan has no way `{way}`.", suggestion(way, plan.ways)
                )
        if line.audience not in plan.roles and line.audience not in plan.mailing_lists:
            yield draft.files[PLAN].warning(
                (*place, "audience"),
                f"`{line.audience}` is no role and no mailing list, so that nothing is sent to it by `notifications`.",
                "Add it to `mailing_lists`, or to `roles` and `people`, or ask for it with a step.",
            )
        elif not plan.ways:
            yield draft.files[PLAN].warning(
                place,
                f"Nothing is sent to {plan.role_title(line.audience)}, because the plan has no `ways`.",
                "Add `ways: {email: {action: email.send, with: {...}}}`; docs/reference/plan.md shows an example.",
            )
        else:
            yield from _unreachable(draft, plan, capabilities.actions, line, index)
    yield from _all_away(draft, plan)


def _all_away(draft: Draft, plan: Plan) -> Iterator[Diagnostic]:
    """Yield a warning for the days on which everyone of an audience is away, and no deputy is there."""
    found: dict[tuple[date, date, tuple[str, ...]], list[str]] = {}
    for role in dict.fromkeys(line.audience for line in plan.notifications if line.audience in plan.roles):
        people = [one for name in (role, *plan.roles[role].deputies) for one in plan.holders(name)]
        names = tuple(dict.fromkeys(person.name for person in people))
        for begin, end in _days_away(people):
            found.setdefault((begin, end, names), []).append(role)
    for (begin, end, names), roles in found.items():
        index = next(number for number, person in enumerate(plan.people) if person.name == names[0])
        titles = enumerated([plan.role_title(role) for role in roles])
        yield draft.files[PLAN].warning(
            ("people", index, "away"),
            f"From {begin} to {end} {enumerated(list(names))} {'is' if len(names) == 1 else 'are'} away, and no one "
            f"else is {titles}: the next level of the escalation is notified instead.",
            f"Give the role to a person who is there, or name `deputies` of `{roles[0]}` in `roles`.",
        )


def _days_away(people: Sequence[Person]) -> list[tuple[date, date]]:
    """Return the first and last day of each time in which all of `people` are away."""
    days = [(absence.from_, absence.until) for absence in (people[0].away if people else [])]
    for person in people[1:]:
        both = [(max(begin, one.from_), min(end, one.until)) for begin, end in days for one in person.away]
        days = [(begin, end) for begin, end in both if begin <= end]
    return days


def _pages_on_call(
    draft: Draft, plan: Plan, actions: Mapping[str, ActionType], line: Notification, index: int
) -> Iterator[Diagnostic]:
    """Yield an error for each way of the line that reaches only the pager's on-call, if another audience is meant."""
    for number, way in enumerate(line.by):
        kind = actions.get(plan.ways[way].action) if way in plan.ways else None
        if kind and kind.reaches is None and line.audience != ON_CALL:
            yield draft.files[PLAN].error(
                ("notifications", index, "by", number),
                f"`{way}` pages the person on call, and not {plan.role_title(line.audience)}.",
                "Name a way that reaches people by name, such as one with the action pagerduty.page_people.",
            )


def _unreachable(
    draft: Draft, plan: Plan, actions: Mapping[str, ActionType], line: Notification, index: int
) -> Iterator[Diagnostic]:
    """Yield an error for a mailing list, and a warning for each person, that no way of the line reaches."""
    kinds = [
        actions[plan.ways[way].action].reaches
        for way in line.by or plan.ways
        if way in plan.ways and plan.ways[way].action in actions
    ]
    if line.audience == ON_CALL and None in kinds:
        return  # the pager knows who is on call
    if line.audience in plan.mailing_lists and EMAIL not in kinds:
        yield draft.files[PLAN].error(
            ("notifications", index),
            f"No way of this line sends e-mail, and {plan.role_title(line.audience)} is a mailing list.",
            "Name a way with the action email.send, or add one to `ways`.",
        )
    needed = " or ".join(f"`{kind}`" for kind in dict.fromkeys(kinds) if kind)
    for number, person in enumerate(plan.people):
        if line.audience not in person.roles or not person.known:
            continue
        if not any(kind in kinds and not is_blank(contact.address) for kind, contact in person.contacts.items()):
            by = f" by {', '.join(line.by)}" if line.by else ""
            yield draft.files[PLAN].warning(
                ("people", number),
                f"{person.name} cannot be notified{by}, as `notifications` ask for.",
                f"Add {needed or 'an address'} to the contacts. Until then the next person, if any, is notified.",
            )

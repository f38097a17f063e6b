"""Checks the plan's `reminders`: how people learn that something is overdue."""

from __future__ import annotations

from collections.abc import Iterator

from allclear.company.capabilities import ActionType, Capabilities
from allclear.company.checks.calls import check_contact, check_params, is_numbered, unknown_action
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import PLAN, Draft
from allclear.domain.notify.audiences import PHONE
from allclear.domain.placeholders import REMINDER_PLACEHOLDERS
from allclear.domain.plan import MessageAction


def check_reminders(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield what is wrong with the actions that remind people, and a warning if there are none."""
    if draft.plan is None:
        return
    rules, file = draft.plan.reminders, draft.files[PLAN]
    if rules.message is None and rules.page is None:
        yield file.warning(
            ("reminders",),
            "The plan has no `reminders`: no one is reminded of an approval that waits or of a missed deadline.",
            "Add `reminders: {message: {action: slack.post, with: {...}}}`; docs/reference/plan.md shows an example.",
        )
    for name, message in (("message", rules.message), ("page", rules.page)):
        if message is not None:
            yield from _message(draft, capabilities, name, message)
    if rules.page is not None:
        yield from _reach(draft, capabilities, rules.page)
    yield from _follows(draft, capabilities, rules.page)


def _follows(draft: Draft, capabilities: Capabilities, page: MessageAction | None) -> Iterator[Diagnostic]:
    """Yield the rotas that follow the pager although the plan's page cannot say who is on call there."""
    kind = capabilities.actions.get(page.action) if page else None
    if draft.plan is None or (kind and kind.knows_on_call):
        return
    for index, rota in enumerate(draft.plan.rotas):
        if rota.from_pager:
            yield draft.files[PLAN].error(
                ("rotas", index, "from_pager"),
                "PagerDuty is to say who is on duty, and `reminders.page` names no action that can ask it.",
                "Write `action: pagerduty.page_people` under `reminders.page`, or leave out `from_pager`.",
            )


def _reach(draft: Draft, capabilities: Capabilities, page: MessageAction) -> Iterator[Diagnostic]:
    """Yield the people whom the plan's page cannot reach by name, and contacts that the pager would refuse."""
    kind = capabilities.actions.get(page.action)
    if kind is None or kind.reaches is None or draft.plan is None:
        return
    for index, person in enumerate(draft.plan.people):
        if kind.reaches not in person.contacts and person.known:
            yield draft.files[PLAN].warning(
                ("people", index),
                f"`{page.action}` cannot page {person.name}, who has no contact `{kind.reaches}`.",
                f"Add `{kind.reaches}` to the contacts, or a reminder for this person only says whom to call.",
            )
        yield from check_contact(draft, kind, page.with_, index)


def _message(draft: Draft, capabilities: Capabilities, name: str, message: MessageAction) -> Iterator[Diagnostic]:
    file, place = draft.files[PLAN], ("reminders", name)
    kind = capabilities.actions.get(message.action)
    if kind is None:
        yield unknown_action(draft, capabilities, place, message.action)
        return
    if not _sends(kind):
        yield file.error(
            (*place, "action"),
            f"`{message.action}` does more than send a message, and a reminder would run it without an approval.",
            "Name one that only sends a message and needs no approval, such as slack.post or pagerduty.page.",
        )
    elif not _fits(kind, name):
        does = "would page people for what is not urgent" if name == "message" else "would wake no one"
        fits = [f"`{one.name}`" for one in capabilities.actions.values() if _sends(one) and _fits(one, name)]
        next_step = f"Write one of these: {', '.join(sorted(fits))}." if fits else f"Take `{name}` out."
        yield file.error((*place, "action"), f"`{message.action}` under `{name}` {does}.", next_step)
    yield from check_params(draft, place, kind, message.with_, REMINDER_PLACEHOLDERS)
    if not any("{reminder}" in str(value) for value in message.with_.values()):
        yield file.error((*place, "with"), f"`{name}` does not say what is overdue.", "Put {reminder} into its text.")
    if not is_numbered(kind, message.with_):
        yield file.error(
            (*place, "with"),
            f"Each `{name}` would replace the one before.",
            'Put {number} into its key, for example "{incident}-reminder-{number}".',
        )


def _sends(kind: ActionType) -> bool:
    """Return whether an action only sends a message, and needs no approval."""
    return bool(kind.text_params) and kind.approval is None and not kind.opens_ticket


def _fits(kind: ActionType, name: str) -> bool:
    """Return whether an action fits its place: under `page` it must wake people, elsewhere it must not page."""
    return kind.pages or kind.reaches == PHONE if name == "page" else not kind.pages

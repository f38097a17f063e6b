"""Checks the plan's `follow_up_tickets`: what opens and closes the ticket of each follow-up."""

from __future__ import annotations

from collections.abc import Iterator

from allclear.company.capabilities import Capabilities
from allclear.company.checks.calls import check_params, is_numbered, unknown_action
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import PLAN, Draft
from allclear.domain.placeholders import FOLLOW_UP_PLACEHOLDERS
from allclear.domain.plan import TicketAction

_FIELD = "follow_up_tickets"


def check_follow_up_tickets(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield what is wrong with the actions that open and close tickets."""
    rules = draft.plan.follow_up_tickets if draft.plan else None
    if rules is None:
        return
    file, opening = draft.files[PLAN], rules.open.with_
    yield from _call(draft, capabilities, "open", rules.open)
    texts = [str(value) for value in opening.values()]
    missing = [name for name in ("follow_up", "owner", "due") if not any(f"{{{name}}}" in text for text in texts)]
    if missing:
        listed = " and ".join(f"{{{name}}}" for name in missing)
        yield file.error((_FIELD, "open", "with"), f"The ticket does not say {listed}.", "Put it into its text.")
    if rules.close is not None:
        yield from _call(draft, capabilities, "close", rules.close)
        if rules.close.with_.get("ticket") != opening.get("ticket"):
            yield file.error(
                (_FIELD, "close", "with"), "It would close another ticket.", "Give it the same `ticket` as `open`."
            )


def _call(draft: Draft, capabilities: Capabilities, name: str, call: TicketAction) -> Iterator[Diagnostic]:
    file, place = draft.files[PLAN], (_FIELD, name)
    kind = capabilities.actions.get(call.action)
    if kind is None:
        yield unknown_action(draft, capabilities, place, call.action)
        return
    if not kind.found_again or kind.approval is not None:
        yield file.error(
            (*place, "action"),
            f"`{call.action}` is not an action for tickets, and would run here without an approval.",
            "Name one that opens or closes a ticket, such as github.issue or jira.create.",
        )
    yield from check_params(draft, place, kind, call.with_, FOLLOW_UP_PLACEHOLDERS)
    if not is_numbered(kind, call.with_):
        yield file.error(
            (*place, "with"),
            "All follow-ups of an incident would have the same ticket.",
            'Put {number} into its name, for example "{incident}-F{number}".',
        )

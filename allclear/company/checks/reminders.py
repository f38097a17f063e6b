"""Checks how people would hear of what is overdue: the plan's `reminders`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from allclear.company.capabilities import Capabilities
from allclear.company.checks.placeholders import check_step_placeholders, with_examples
from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.validation_errors import validation_problems
from allclear.domain.placeholders import REMINDER_PLACEHOLDERS
from allclear.domain.plan import MessageAction


def check_reminders(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield what is wrong with the actions that remind people, and says so where there are none."""
    if draft.plan is None:
        return
    rules, file = draft.plan.reminders, draft.files[PLAN]
    if rules.message is None and rules.page is None:
        yield file.warning(
            ("reminders",),
            "Nobody is told when an approval waits or a time is over: the plan has no `reminders`.",
            "Add `reminders: {message: {action: slack.post, with: {...}}}`; docs/plan.md shows one.",
        )
    for name, way in (("message", rules.message), ("page", rules.page)):
        if way is not None:
            yield from _way(draft, capabilities, name, way)


def _way(draft: Draft, capabilities: Capabilities, name: str, way: MessageAction) -> Iterator[Diagnostic]:
    file, place = draft.files[PLAN], ("reminders", name)
    kind = capabilities.actions.get(way.action)
    if kind is None:
        yield file.error(
            (*place, "action"), f"There is no action `{way.action}`.", suggestion(way.action, capabilities.actions)
        )
        return
    if not kind.speaks or kind.approval is not None:
        yield file.error(
            (*place, "action"),
            f"`{way.action}` does more than tell people: nobody would be asked.",
            "Name one that only speaks and needs no approval, as slack.post or pagerduty.page.",
        )
    params: dict[str, Any] = with_examples(draft, way.with_, "the-service")
    try:
        kind.params.model_validate(params)
    except ValidationError as error:
        for one in validation_problems(error, kind.params):
            yield file.error((*place, "with", *one.place), f"{kind.name}: {one.sentence}", one.next_step)
    yield from check_step_placeholders(draft, file, (*place, "with"), way.with_, REMINDER_PLACEHOLDERS)
    said = {key: str(value) for key, value in way.with_.items()}
    if not any("{reminder}" in text for text in said.values()):
        yield file.error((*place, "with"), f"`{name}` does not say what it is about.", "Put {reminder} into its words.")
    if not any("{number}" in text for key, text in said.items() if key not in kind.speaks):
        yield file.error(
            (*place, "with"),
            f"Each `{name}` would take the place of the one before.",
            'Put {number} into its key, as "{incident}-reminder-{number}".',
        )

"""Checks an action that the plan calls by itself, outside a runbook: for a reminder, a notice, a ticket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from allclear.company.capabilities import ActionType, Capabilities
from allclear.company.checks.placeholders import check_step_placeholders, with_examples
from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.validation_errors import validation_problems
from allclear.company.yaml_file import Place
from allclear.domain.plan import is_blank


def unknown_action(draft: Draft, capabilities: Capabilities, place: Place, name: str) -> Diagnostic:
    """Return that the call at `place` of the plan names no action."""
    where = (*place, "action")
    return draft.files[PLAN].error(where, f"There is no action `{name}`.", suggestion(name, capabilities.actions))


def check_params(
    draft: Draft,
    place: Place,
    kind: ActionType,
    params: Mapping[str, Any],
    known: Mapping[str, str],
    filled: Sequence[str] = (),
) -> Iterator[Diagnostic]:
    """Yield what is wrong with the parameters of the call at `place`; `known` are its own placeholders.

    The parameters in `filled` are given when it is called.
    """
    file, where = draft.files[PLAN], (*place, "with")
    try:
        kind.params.model_validate(with_examples(draft, dict(params), "the-service"))
    except ValidationError as error:
        for problem in validation_problems(error, kind.params):
            if problem.place[:1] and problem.place[0] in filled:
                continue
            yield file.error((*where, *problem.place), f"{kind.name}: {problem.sentence}", problem.next_step)
    yield from check_step_placeholders(draft, file, where, params, known)


def check_contact(draft: Draft, kind: ActionType, params: Mapping[str, Any], person: int) -> Iterator[Diagnostic]:
    """Yield an error if the contact by which `kind` reaches that person of the plan is one that it would refuse."""
    contact = draft.plan.people[person].contacts.get(kind.reaches or "") if draft.plan else None
    if contact is not None:
        place = ("people", person, "contacts", kind.reaches or "")
        yield from check_recipient(draft, kind, params, place, contact.address)


def check_recipient(
    draft: Draft, kind: ActionType, params: Mapping[str, Any], place: Place, address: str
) -> Iterator[Diagnostic]:
    """Yield an error if `address`, at `place` of the plan, is one that `kind` would refuse; a blank is none."""
    if is_blank(address):
        return
    file, where = draft.files[PLAN], place
    verb = "page" if kind.pages else "reach"
    try:
        checked = kind.params.model_validate({**with_examples(draft, dict(params), "the-service"), "people": [address]})
    except ValidationError as error:
        reasons = [one.sentence for one in validation_problems(error, kind.params) if one.place[:1] == ("people",)]
        if reasons:
            whose = "id in the pager" if kind.pages else f"address for `{kind.reaches}`"
            reason = reasons[0].removeprefix("`people`: ").removeprefix("`people` no. 1: ")
            yield file.error(
                where,
                f"`{kind.name}` cannot {verb} {address!r}: {reason}",
                f"Write the person's {whose}; `allclear actions` shows what {kind.name} takes.",
            )
        return
    for problem in kind.check_params(checked, {}):
        if problem.param == "people":
            yield file.error(where, f"`{kind.name}` cannot {verb} this person: {problem.sentence}", problem.next_step)


def is_numbered(kind: ActionType, params: Mapping[str, Any]) -> bool:
    """Return whether {number} is in a parameter that is no text for people, so that each call is another one."""
    return any("{number}" in str(value) for key, value in params.items() if key not in kind.text_params)

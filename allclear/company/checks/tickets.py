"""Checks what opens and closes tickets: of each incident and follow-up, and of a severity that makes only a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from allclear.company.capabilities import ActionType, Capabilities
from allclear.company.checks.calls import check_params, is_numbered, unknown_action
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place
from allclear.domain.placeholders import FOLLOW_UP_PLACEHOLDERS
from allclear.domain.plan import TicketAction

_INCIDENTS, _FOLLOW_UPS = "incident_tickets", "follow_up_tickets"


def check_tickets(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield what is wrong with the actions that open and close tickets."""
    if draft.plan is None:
        return
    yield from _incidents(draft, capabilities)
    yield from _follow_ups(draft, capabilities)
    for index, severity in enumerate(draft.plan.severities):
        if severity.ticket is None:
            continue
        place = ("severities", index, "ticket")
        yield from _call(draft, capabilities, place, severity.ticket, {})
        yield from _one_each(draft, place, severity.ticket, f"alerts of {severity.name}")


def _incidents(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    rules = draft.plan.incident_tickets if draft.plan else None
    if rules is None:
        return
    opening = (_INCIDENTS, "open")
    yield from _call(draft, capabilities, opening, rules.open, {})
    yield from _one_each(draft, opening, rules.open, "incidents")
    if rules.close is not None:
        yield from _call(draft, capabilities, (_INCIDENTS, "close"), rules.close, {})
        yield from _closes_the_same(draft, _INCIDENTS, rules.open, rules.close)


def _one_each(draft: Draft, place: Place, call: TicketAction, what: str) -> Iterator[Diagnostic]:
    """Yield that `what` would share one ticket, if its name does not hold the incident's id."""
    if "{incident}" not in str(call.with_.get("ticket", "")):
        sentence = f"All {what} would have the same ticket."
        yield draft.files[PLAN].error(
            (*place, "with"), sentence, 'Put {incident} into its name: `ticket: "{incident}"`.'
        )


def _closes_the_same(draft: Draft, field: str, opening: TicketAction, closing: TicketAction) -> Iterator[Diagnostic]:
    if closing.with_.get("ticket") != opening.with_.get("ticket"):
        sentence = "It would close another ticket."
        yield draft.files[PLAN].error((field, "close", "with"), sentence, "Give it the same `ticket` as `open`.")


def _follow_ups(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    rules = draft.plan.follow_up_tickets if draft.plan else None
    if rules is None:
        return
    file, opening = draft.files[PLAN], rules.open.with_
    yield from _numbered_call(draft, capabilities, "open", rules.open)
    texts = [str(value) for value in opening.values()]
    missing = [name for name in ("follow_up", "owner", "due") if not any(f"{{{name}}}" in text for text in texts)]
    if missing:
        listed = " and ".join(f"{{{name}}}" for name in missing)
        yield file.error((_FOLLOW_UPS, "open", "with"), f"The ticket does not say {listed}.", "Put it into its text.")
    if rules.close is not None:
        yield from _numbered_call(draft, capabilities, "close", rules.close)
        yield from _closes_the_same(draft, _FOLLOW_UPS, rules.open, rules.close)


def _numbered_call(draft: Draft, capabilities: Capabilities, name: str, call: TicketAction) -> Iterator[Diagnostic]:
    place = (_FOLLOW_UPS, name)
    yield from _call(draft, capabilities, place, call, FOLLOW_UP_PLACEHOLDERS)
    kind = capabilities.actions.get(call.action)
    if kind and not is_numbered(kind, call.with_):
        yield draft.files[PLAN].error(
            (*place, "with"),
            "All follow-ups of an incident would have the same ticket.",
            'Put {number} into its name, for example "{incident}-F{number}".',
        )


def _call(
    draft: Draft, capabilities: Capabilities, place: Place, call: TicketAction, known: Mapping[str, str]
) -> Iterator[Diagnostic]:
    kind = capabilities.actions.get(call.action)
    if kind is None:
        yield unknown_action(draft, capabilities, place, call.action)
        return
    verb = "close" if place[-1] == "close" else "open"
    fits = {name for name, one in capabilities.actions.items() if one.approval is None and _does(one, verb)}
    if call.action not in fits:
        sentence = f"`{call.action}` does not {verb} a ticket."
        yield draft.files[PLAN].error(
            (*place, "action"), sentence, f"Write one that does: {_alternatives(fits, call)}."
        )
        return  # its parameters are another action's
    if verb == "close":
        yield from _closes(draft, place, call, kind.closes_ticket or {})
    yield from check_params(draft, place, kind, call.with_, known)


def _does(kind: ActionType, verb: str) -> bool:
    return kind.closes_ticket is not None if verb == "close" else kind.opens_ticket


def _alternatives(fits: Iterable[str], call: TicketAction) -> str:
    """Return the actions that a plan may name instead of that of `call`; those of the same system, if there are any."""
    system = f"{call.action.partition('.')[0]}."
    same = [name for name in sorted(fits) if name.startswith(system)]
    return ", ".join(f"`{name}`" for name in same or sorted(fits)) or "none is installed"


def _closes(draft: Draft, place: Place, call: TicketAction, needed: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Yield the parameters without which the call would leave the ticket open."""
    for name, value in needed.items():
        if call.with_.get(name) != value:
            sentence = f"`{call.action}` closes a ticket only with `{name}: {value}`."
            yield draft.files[PLAN].error((*place, "with", name), sentence, f"Write `{name}: {value}`.")

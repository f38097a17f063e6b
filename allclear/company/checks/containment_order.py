"""Checks the order in `contain`: which persons' steps and messages wait for a measure, undecided by the runbook."""

from __future__ import annotations

from collections.abc import Iterator

from allclear.company.capabilities import Capabilities
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import Draft
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.runbook import Phase, Runbook, Step

_DECIDE = "Write `meanwhile: true` if it need not wait, or `meanwhile: false` if it must."


def check_containment_order(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield a warning for each step of a person, and each message, whose place beside the measures is not decided.

    A person's step may hold up a measure, or wait for an approval that others give. A message waits for the measure
    before it; if it needs an approval itself, it holds up the measure behind it. See docs/decisions/0019.
    """
    for name, runbook in draft.runbooks.items():
        for index, sentence in _sentences(draft, capabilities, runbook):
            yield draft.files[name].warning((Phase.CONTAIN.value, index, "id"), sentence, _DECIDE)


def _sentences(draft: Draft, capabilities: Capabilities, runbook: Runbook) -> Iterator[tuple[int, str]]:
    steps = runbook.contain
    for index, step in enumerate(steps):
        if step.measure or step.meanwhile is not None or not (step.person or _is_message(capabilities, step)):
            continue
        later = next((one for one in steps[index:] if one.measure and _together(step, one)), None)
        earlier = next((one for one in reversed(steps[:index]) if one.measure and _together(step, one)), None)
        if later is not None and (step.person or _asks(draft, capabilities, step)):
            yield index, f"The measure `{later.id}` waits until people have answered `{step.id}`."
        elif earlier is None or not _asks(draft, capabilities, earlier):
            continue
        elif not step.person:
            yield index, f"The message `{step.id}` waits until people have answered `{earlier.id}`."
        elif not _may_answer(draft, capabilities, earlier, step.person):
            yield index, f"`{step.id}` waits for the approval of `{earlier.id}`, which `{step.person}` cannot give."


def _together(one: Step, other: Step) -> bool:
    """Return whether both steps can apply to the same incident."""
    severities = one.severities is None or other.severities is None or set(one.severities) & set(other.severities)
    kinds = one.kinds is None or other.kinds is None or set(one.kinds) & set(other.kinds)
    return bool(severities and kinds)


def _is_message(capabilities: Capabilities, step: Step) -> bool:
    """Return whether the step sends a message that keeps its place; an announcement, a page or a live one does not."""
    kind = capabilities.actions.get(step.action or "")
    return kind is not None and bool(kind.text_params) and not (kind.announces or kind.pages or step.live)


def _policy(draft: Draft, capabilities: Capabilities, step: Step) -> ApprovalPolicy | None:
    """Return the approval policy of the step's action; None if it needs no approval or is unknown."""
    kind = capabilities.actions.get(step.action or "")
    if kind is None or draft.plan is None:
        return None
    return step.approval or draft.plan.approvals.get(kind.name, kind.approval)


def _asks(draft: Draft, capabilities: Capabilities, step: Step) -> bool:
    """Return whether the step waits for people: a person's step, or an action that needs an approval."""
    return step.person is not None or _policy(draft, capabilities, step) is not None


def _may_answer(draft: Draft, capabilities: Capabilities, measure: Step, role: str) -> bool:
    """Return whether `role` may approve the measure; true for a person's measure."""
    policy = _policy(draft, capabilities, measure)
    return policy is None or draft.plan is None or draft.plan.may_act_for(role, [*policy.roles, *policy.one_of])

"""Checks the person's steps among the measures: which of them wait for each other, without the runbook saying so."""

from __future__ import annotations

from collections.abc import Iterator

from allclear.company.capabilities import Capabilities
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import Draft
from allclear.domain.runbook import Phase, Runbook, Step

_DECIDE = "Write `meanwhile: true` if it need not wait, or `meanwhile: false` if it must."


def check_containment_order(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield a warning for each person's step that holds up a measure, or waits for an approval that others give."""
    for name, runbook in draft.runbooks.items():
        for index, sentence in _sentences(draft, capabilities, runbook):
            yield draft.files[name].warning((Phase.CONTAIN.value, index, "id"), sentence, _DECIDE)


def _sentences(draft: Draft, capabilities: Capabilities, runbook: Runbook) -> Iterator[tuple[int, str]]:
    steps = runbook.contain
    for index, step in enumerate(steps):
        if not step.person or step.measure or step.meanwhile is not None:
            continue
        later = next((one for one in steps[index:] if one.measure and _together(step, one)), None)
        earlier = next((one for one in reversed(steps[:index]) if one.measure and _together(step, one)), None)
        if later is not None:
            yield index, f"The measure `{later.id}` waits until a person has answered `{step.id}`."
        elif earlier is not None and not _may_answer(draft, capabilities, earlier, step.person):
            yield index, f"`{step.id}` waits for the approval of `{earlier.id}`, which `{step.person}` cannot give."


def _together(one: Step, other: Step) -> bool:
    """Return whether both steps can apply to the same incident."""
    severities = one.severities is None or other.severities is None or set(one.severities) & set(other.severities)
    kinds = one.kinds is None or other.kinds is None or set(one.kinds) & set(other.kinds)
    return bool(severities and kinds)


def _may_answer(draft: Draft, capabilities: Capabilities, measure: Step, role: str) -> bool:
    """Return whether `role` may approve the measure; true if no approval is needed or the action is unknown."""
    kind = capabilities.actions.get(measure.action or "")
    plan = draft.plan
    if kind is None or plan is None:
        return True
    policy = measure.approval or plan.approvals.get(kind.name, kind.approval)
    return policy is None or plan.may_act_for(role, [*policy.roles, *policy.one_of])

"""Checks how a plan grades incidents: rules that are reached, severities that are told, targets that can be met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod

from allclear.company.capabilities import Capabilities
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import YamlFile
from allclear.domain.plan import ClockStop, Facet, Plan, Severity, SeverityRule, holds
from allclear.domain.plan.notifications import Applies
from allclear.domain.runbook import Phase, Step

_MOST_CASES = 5000
"""Combinations of facets that are tried; a plan with more is only looked at rule against rule."""


def check_severities(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield rules that never count, facets that nothing asks for, and severities that nobody would hear of."""
    if draft.plan is None:
        return
    plan, file = draft.plan, draft.files[PLAN]
    yield from _rules(plan, file)
    yield from _facets(plan, file)
    for index, severity in enumerate(plan.severities):
        yield from _targets(file, index, severity)
        if draft.runbooks and not severity.ticket_only and not _told(draft, capabilities, severity.name):
            yield file.warning(
                ("severities", index, "name"),
                f"At {severity.name}, no step of any runbook pages or tells anybody.",
                "Add a step that does, as `action: pagerduty.page`, or write `ticket_only: true`.",
            )


def _rules(plan: Plan, file: YamlFile) -> Iterator[Diagnostic]:
    known = all(name in plan.facets for rule in plan.assess for name in rule.when)
    reached = _reached(plan.assess, plan.facets) if known else set(range(len(plan.assess)))
    for index, rule in enumerate(plan.assess):
        if index not in reached:
            yield file.warning(
                ("assess", index),
                f"The rule no. {index + 1}, for {rule.severity}, never counts: rules before it always fit.",
                "Put the narrower rule first.",
            )


def _reached(rules: Sequence[SeverityRule], facets: Mapping[str, Facet]) -> set[int]:
    """Return the rules that give the severity in at least one case.

    What is unknown fits every rule, so the cases in which everything is known are all that have to be tried.
    """
    names = sorted({name for rule in rules for name in rule.when})
    if prod(len(facets[name].values) for name in names) > _MOST_CASES:
        return {index for index, rule in enumerate(rules) if not any(_wider(one, rule) for one in rules[:index])}
    cases = (dict(zip(names, case, strict=True)) for case in product(*(facets[name].values for name in names)))
    firsts = (next((n for n, rule in enumerate(rules) if holds(rule.when, case)), None) for case in cases)
    return {first for first in firsts if first is not None}


def _wider(one: SeverityRule, other: SeverityRule) -> bool:
    """Return whether `one` fits wherever `other` does."""
    return all(name in other.when and _values(other, name) <= _values(one, name) for name in one.when)


def _values(rule: SeverityRule, name: str) -> set[str]:
    values = rule.when[name]
    return {values} if isinstance(values, str) else set(values)


def _facets(plan: Plan, file: YamlFile) -> Iterator[Diagnostic]:
    lines: list[Applies] = [
        *plan.escalation_policies,
        *plan.notifications,
        *plan.updates,
        *plan.duties,
        *plan.evidence,
        *plan.post_mortem.due,
    ]
    asked = {name for line in [*plan.assess, *lines] for name in line.when}
    for name in plan.facets:
        if name not in asked:
            yield file.warning(
                ("facets", name),
                f"Nothing follows from the facet `{name}`.",
                "Write a rule for it under `assess`, name it in a `when`, or take it out.",
            )


def _targets(file: YamlFile, index: int, severity: Severity) -> Iterator[Diagnostic]:
    for number, target in enumerate(severity.targets):
        if target.until is ClockStop.CONTAINED and not severity.contains:
            yield file.warning(
                ("severities", index, "targets", number),
                f"The target `{target.name}` waits until {severity.name} is contained, which it never is.",
                "Write `until: recovered`, or `contain: true` for this severity.",
            )


def _told(draft: Draft, capabilities: Capabilities, severity: str) -> bool:
    """Return whether some step makes an incident of that severity known to people outside of the record."""
    steps: Iterator[Step] = (
        step for runbook in draft.runbooks.values() for phase in Phase for step in runbook.steps(phase)
    )
    for step in steps:
        kind = capabilities.actions.get(step.action or "")
        if kind and (kind.pages or kind.speaks) and (step.severities is None or severity in step.severities):
            return True
    return False

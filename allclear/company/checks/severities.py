"""Checks how a plan rates incidents: rules that can apply, severities that reach people, targets that can be met."""

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
"""The limit of facet combinations that are tried; in a plan with more, rules are only compared in pairs."""


def check_severities(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield rules that never apply, unused facets, targets that cannot be met, and severities without a message."""
    if draft.plan is None:
        return
    plan, file = draft.plan, draft.files[PLAN]
    yield from _rules(plan, file)
    yield from _facets(plan, file)
    for index, severity in enumerate(plan.severities):
        yield from _targets(file, index, severity)
        if draft.runbooks and not severity.ticket_only and not _reaches_people(draft, capabilities, severity.name):
            yield file.warning(
                ("severities", index, "name"),
                f"At {severity.name}, no step of any runbook pages a person or sends a message.",
                "Add a step that does, for example `action: pagerduty.page`, or write `ticket_only: true`.",
            )


def _rules(plan: Plan, file: YamlFile) -> Iterator[Diagnostic]:
    known = all(name in plan.facets for rule in plan.assess for name in rule.when)
    reached = _reached(plan.assess, plan.facets) if known else set(range(len(plan.assess)))
    for index, rule in enumerate(plan.assess):
        if index not in reached:
            yield file.warning(
                ("assess", index),
                f"Rule no. {index + 1}, for {rule.severity}, never applies: an earlier rule always matches first.",
                "Put the narrower rule first.",
            )


def _reached(rules: Sequence[SeverityRule], facets: Mapping[str, Facet]) -> set[int]:
    """Return the rules that decide the severity in at least one case.

    An unknown facet matches every rule, so it is enough to try the cases in which every facet is known.
    """
    names = sorted({name for rule in rules for name in rule.when})
    if prod(len(facets[name].values) for name in names) > _MOST_CASES:
        return {
            index for index, rule in enumerate(rules) if not any(_covers(earlier, rule) for earlier in rules[:index])
        }
    cases = (dict(zip(names, case, strict=True)) for case in product(*(facets[name].values for name in names)))
    firsts = (next((n for n, rule in enumerate(rules) if holds(rule.when, case)), None) for case in cases)
    return {first for first in firsts if first is not None}


def _covers(rule: SeverityRule, other: SeverityRule) -> bool:
    """Return whether `rule` matches every case that `other` matches."""
    return all(name in other.when and _values(other, name) <= _values(rule, name) for name in rule.when)


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
    used = {name for line in [*plan.assess, *lines] for name in line.when}
    for name in plan.facets:
        if name not in used:
            yield file.warning(
                ("facets", name),
                f"Nothing uses the facet `{name}`.",
                "Write a rule for it under `assess`, name it in a `when`, or take it out.",
            )


def _targets(file: YamlFile, index: int, severity: Severity) -> Iterator[Diagnostic]:
    for number, target in enumerate(severity.targets):
        if target.until is ClockStop.CONTAINED and not severity.contains:
            yield file.warning(
                ("severities", index, "targets", number),
                f"The target `{target.name}` waits until {severity.name} is contained, which never happens.",
                "Write `until: recovered`, or `contain: true` for this severity.",
            )


def _reaches_people(draft: Draft, capabilities: Capabilities, severity: str) -> bool:
    """Return whether a step pages people or sends them a message in an incident of that severity."""
    steps: Iterator[Step] = (
        step for runbook in draft.runbooks.values() for phase in Phase for step in runbook.steps(phase)
    )
    for step in steps:
        kind = capabilities.actions.get(step.action or "")
        if kind and (kind.pages or kind.text_params) and (step.severities is None or severity in step.severities):
            return True
    return False

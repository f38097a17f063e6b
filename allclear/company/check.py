"""Says all that is wrong with a company's folder, each with file and line, before an incident finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from allclear.company.capabilities import Capabilities
from allclear.company.checks.people import check_addresses, check_approvals, check_people
from allclear.company.checks.placeholders import (
    check_plan_placeholders,
    check_route_texts,
    check_template_placeholders,
    check_unused_templates,
)
from allclear.company.checks.references import assumed_parts, check_references
from allclear.company.checks.reminders import check_reminders
from allclear.company.checks.runbooks import check_runbooks
from allclear.company.checks.severities import check_severities
from allclear.company.checks.systems import check_systems
from allclear.company.diagnostics import Diagnostic, display_path, suggestion
from allclear.company.load import PLAN, Draft, read_draft
from allclear.company.traceability import check_traceability
from allclear.domain.plan import Plan

DraftCheck = Callable[[Draft], Iterable[Diagnostic]]
"""A check that another part of allclear brings: this one knows nothing of drills."""


def check_company(
    folder: Path, capabilities: Capabilities, known: Mapping[str, str] | None = None, more: DraftCheck | None = None
) -> list[Diagnostic]:
    """Return everything that is wrong, hollow or assumed in `folder`, the gravest first.

    A file that cannot be read does not hide what is wrong in the others. `known` holds the placeholders of the
    post-mortem's template; without, that template only has to exist. `more` adds complaints of its own. Reads files,
    and connects to nothing.
    """
    draft = read_draft(folder)
    found = chain(
        draft.diagnostics,
        check_people(draft),
        check_addresses(draft),
        check_approvals(draft, capabilities),
        _routes(draft),
        _unreached(draft),
        check_references(draft),
        check_severities(draft, capabilities),
        check_reminders(draft, capabilities),
        check_systems(draft, capabilities),
        check_runbooks(draft, capabilities),
        check_plan_placeholders(draft),
        check_route_texts(draft),
        check_template_placeholders(draft, known),
        check_unused_templates(draft),
        check_traceability(draft),
        more(draft) if more else (),
        _assumed(draft),
    )
    return sorted(dict.fromkeys(found), key=lambda one: one.sort_key)


def _routes(draft: Draft) -> Iterator[Diagnostic]:
    if draft.plan is None:
        return
    plan, file = draft.plan, draft.files[PLAN]
    scale = [severity.name for severity in plan.severities]
    there = _runbook_files(draft)
    for index, route in enumerate(plan.routes):
        place = ("routes", index)
        if draft.systems is not None and route.service not in draft.systems.services:
            yield file.error(
                (*place, "service"),
                f"systems.yaml has no service `{route.service}`.",
                suggestion(route.service, draft.systems.services),
            )
        if route.severity is None and not plan.assess:
            yield file.error(
                place,
                f"The route `{route.name}` has no severity, and the plan no `assess` to give one.",
                f"Add `severity`: {', '.join(scale)}.",
            )
        if route.severity is not None and route.severity not in scale:
            yield file.error(
                (*place, "severity"), f"The plan has no severity `{route.severity}`.", suggestion(route.severity, scale)
            )
        if route.runbook not in there:
            yield file.error(
                (*place, "runbook"), f"There is no runbook `{route.runbook}`.", suggestion(route.runbook, there)
            )
        if hider := _hider(plan, index):
            yield file.warning(
                (*place, "match"),
                f"No alert reaches the route `{route.name}`: `{hider}` comes first.",
                "Put the narrower route first.",
            )


def _hider(plan: Plan, index: int) -> str | None:
    """Return the earlier route that takes every alert of this one, or None."""
    match = plan.routes[index].match
    for route in plan.routes[:index]:
        if all(key in match and value in ("*", match[key]) for key, value in route.match.items()):
            return route.name
    return None


def _runbook_files(draft: Draft) -> list[str]:
    """Return the names of the runbooks there are, those that could not be read among them."""
    return sorted(path.stem for path in (draft.folder / "runbooks").glob("*.yaml"))


def _unreached(draft: Draft) -> Iterator[Diagnostic]:
    if draft.plan is None:
        return
    reached = {route.runbook for route in draft.plan.routes}
    for name in draft.runbooks:
        if name not in reached:
            yield draft.files[name].warning(
                ("name",),
                f"No alert reaches the runbook `{name}`.",
                "Name it in a route of plan.yaml, or start it by hand.",
            )
    for path in sorted((draft.folder / "runbooks").glob("*.yml")):
        yield Diagnostic(
            "warning", display_path(path), None, "The file is not read.", "Rename it so that it ends in .yaml."
        )
    if not _runbook_files(draft):
        yield Diagnostic(
            "error",
            display_path(draft.folder / "runbooks"),
            None,
            "There is no runbook.",
            "Write one, as runbooks/bad-deployment.yaml.",
        )


def _assumed(draft: Draft) -> Iterator[Diagnostic]:
    if draft.plan is None:
        return
    for index, one in enumerate(draft.plan.assumed):
        yield draft.files[PLAN].assumed(
            ("assumed", index), f"Assumed, {one.field}: {one.because.rstrip('.')}.", "Confirm it, or change it."
        )
    for place, part in assumed_parts(draft.plan):
        reason = f": {part.because.rstrip('.')}" if part.because else ""
        what = ".".join(str(one + 1) if isinstance(one, int) else one for one in place)
        yield draft.files[PLAN].assumed(place, f"Assumed, {what}{reason}.", "Confirm it, or change it.")

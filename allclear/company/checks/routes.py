"""Checks what alerts lead to: the plan's routes, and the runbooks that they name."""

from __future__ import annotations

from collections.abc import Iterator

from allclear.company.diagnostics import Diagnostic, display_path, suggestion
from allclear.company.load import PLAN, Draft
from allclear.domain.plan import Plan


def check_routes(draft: Draft) -> Iterator[Diagnostic]:
    """Yield what is wrong with the routes: unknown names, no severity, and routes that no alert reaches."""
    if draft.plan is None:
        return
    plan, file = draft.plan, draft.files[PLAN]
    scale = [severity.name for severity in plan.severities]
    names = _runbook_names(draft)
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
                f"The route `{route.name}` has no severity, and the plan has no `assess` to derive one.",
                f"Add `severity`: {', '.join(scale)}.",
            )
        if route.severity is not None and route.severity not in scale:
            yield file.error(
                (*place, "severity"), f"The plan has no severity `{route.severity}`.", suggestion(route.severity, scale)
            )
        if route.runbook not in names:
            yield file.error(
                (*place, "runbook"), f"There is no runbook `{route.runbook}`.", suggestion(route.runbook, names)
            )
        if not route.impact.strip():
            yield file.warning(
                (*place, "impact"),
                f"The route `{route.name}` has no `impact`: people and the public read only what is affected.",
                "Write what users notice, for example `impact: Payments fail`.",
            )
        if earlier := _shadowing_route(plan, index):
            yield file.warning(
                (*place, "match"),
                f"No alert reaches the route `{route.name}`: `{earlier}` comes first.",
                "Put the narrower route first.",
            )


def _shadowing_route(plan: Plan, index: int) -> str | None:
    """Return the name of the earlier route that matches every alert of this one, or None."""
    match = plan.routes[index].match
    for route in plan.routes[:index]:
        if all(key in match and value in ("*", match[key]) for key, value in route.match.items()):
            return route.name
    return None


def _runbook_names(draft: Draft) -> list[str]:
    """Return the names of all runbook files, also of those that could not be read."""
    return sorted(path.stem for path in (draft.folder / "runbooks").glob("*.yaml"))


def check_runbook_files(draft: Draft) -> Iterator[Diagnostic]:
    """Yield the runbooks that no route names, files with the wrong ending, and a folder without a runbook."""
    if draft.plan is None:
        return
    reached = {route.runbook for route in draft.plan.routes}
    for name in draft.runbooks:
        if name not in reached:
            yield draft.files[name].warning(
                ("name",),
                f"No alert reaches the runbook `{name}`.",
                "Name it in a route of plan.yaml, or keep it for responses that people start.",
            )
    for path in sorted((draft.folder / "runbooks").glob("*.yml")):
        yield Diagnostic(
            "warning", display_path(path), None, "The file is not read.", "Rename it so that it ends in .yaml."
        )
    if not _runbook_names(draft):
        yield Diagnostic(
            "error",
            display_path(draft.folder / "runbooks"),
            None,
            "The company has no runbook.",
            "Write one, for example runbooks/bad-deployment.yaml.",
        )

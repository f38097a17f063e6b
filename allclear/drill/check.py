"""Checks a company's drills before they are run: names, alerts, questions, and the simulated production."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from pydantic import ValidationError

from allclear.company.checks.placeholders import texts
from allclear.company.diagnostics import Diagnostic, display_path, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.validation_errors import read_model, validation_problems
from allclear.company.yaml_file import Place, YamlFile, read_yaml
from allclear.domain.placeholders import PLACEHOLDERS, unknown_placeholders
from allclear.domain.plan import Plan, Route
from allclear.domain.pseudo_phases import DUTY, FACT
from allclear.domain.runbook import Phase, Runbook
from allclear.domain.systems import Service
from allclear.drill.script import Script
from allclear.engine.response.step_keys import MANUAL_CONTAINMENT, choice_key, undo_key
from allclear.postmortem.placeholders import FIELDS
from allclear.simulator.apis.catalog import impossible_faults
from allclear.simulator.scenario import Production
from allclear.vendors.cloud_run.handle import CloudRunHandle

PRODUCTION = "production"


def check_drills(draft: Draft) -> Iterator[Diagnostic]:
    """Yield the mistakes in the files under `drills/`, and in the plan's `first_drill`."""
    paths = sorted((draft.folder / "drills").glob("*.yaml"))
    for path in paths:
        file = read_yaml(path)
        if isinstance(file, Diagnostic):
            yield file
        else:
            yield from _drill(draft, file)
    for path in sorted((draft.folder / "drills").glob("*.yml")):
        yield Diagnostic(
            "warning", display_path(path), None, "The file is not read.", "Rename it so that it ends in .yaml."
        )
    if draft.plan is None:
        return
    first, names = draft.plan.first_drill, [path.stem for path in paths]
    if first is not None and first not in names:
        yield draft.files[PLAN].error(("first_drill",), f"There is no drill `{first}`.", suggestion(first, names))


def _drill(draft: Draft, file: YamlFile) -> Iterator[Diagnostic]:
    """Yield the mistakes in one drill file. A file without an alert only describes a production."""
    production = _production(file)
    if isinstance(production, list):
        yield from production
    if set(file.data) <= {PRODUCTION, "title", "about"}:
        return
    own = {key: value for key, value in file.data.items() if key != PRODUCTION}
    script = read_model(Script, replace(file, data=own))
    if isinstance(script, list):
        yield from script
        return
    yield from _DrillCheck(draft, file, script, None if isinstance(production, list) else production).diagnostics()


def _production(file: YamlFile) -> Production | list[Diagnostic]:
    if PRODUCTION not in file.data:
        return [file.error((), "The drill has no `production` that could break.", "Add it: `allclear schema drill`.")]
    try:
        return Production.model_validate(file.data[PRODUCTION])
    except ValidationError as error:
        return [
            file.error(
                (PRODUCTION, *problem.place), problem.sentence.replace("The file:", "`production`:"), problem.next_step
            )
            for problem in validation_problems(error, Production)
        ]


class _DrillCheck:
    """The check of one drill against the plan, its runbook and its systems."""

    def __init__(self, draft: Draft, file: YamlFile, script: Script, production: Production | None) -> None:
        self._draft = draft
        self._file = file
        self._script = script
        self._production = production

    def diagnostics(self) -> Iterator[Diagnostic]:
        plan = self._draft.plan
        if plan is not None:
            yield from self._roles(plan)
            yield from self._routed(plan)
        if self._production is not None:
            for place, why in impossible_faults(self._production):
                step = "Correct it, or take it out."
                yield self._file.error((PRODUCTION, "faults", place), f"No call can meet this fault: {why}.", step)
        yield from self._known("words", self._script.words, FIELDS, "The post-mortem has no field")
        yield from self._braces()

    def _roles(self, plan: Plan) -> Iterator[Diagnostic]:
        named: list[tuple[Place, str]] = [
            *((("people", index, "role"), one.role) for index, one in enumerate(self._script.people)),
            *((("answers", index, "by"), one.by) for index, one in enumerate(self._script.answers) if one.by),
        ]
        for place, role in named:
            if role not in plan.roles:
                yield self._file.error(place, f"The plan has no role `{role}`.", suggestion(role, plan.roles))
        yield from self._known("notes", self._script.notes, plan.roles, "The plan has no role")
        told, audiences = self._script.expect.notified, [line.audience for line in plan.notifications]
        for audience, way in told.items():
            place = ("expect", "notified", audience)
            if audience not in audiences:
                yield self._file.error(place, f"The plan notifies no `{audience}`.", suggestion(audience, audiences))
            elif way not in plan.ways:
                yield self._file.error(place, f"The plan has no way `{way}`.", suggestion(way, plan.ways))

    def _known(self, field: str, named: Collection[str], known: Collection[str], what: str) -> Iterator[Diagnostic]:
        for name in named:
            if name not in known:
                yield self._file.error((field, name), f"{what} `{name}`.", suggestion(name, known))

    def _routed(self, plan: Plan) -> Iterator[Diagnostic]:
        """Yield the mistakes that the alert's route shows: in the answers, and in the simulated service."""
        route = plan.route(dict(self._script.alert.labels))
        if route is None:
            yield self._file.error(
                ("alert", "labels"),
                "No route of plan.yaml takes the drill's alert.",
                "Give it the labels that a route matches.",
            )
            return
        if runbook := self._draft.runbooks.get(route.runbook):
            yield from self._asks(plan, runbook)
        services = self._draft.systems.services if self._draft.systems else {}
        if self._production is not None and route.service in services:
            yield from self._simulated(route, services[route.service], self._production)

    def _asks(self, plan: Plan, runbook: Runbook) -> Iterator[Diagnostic]:
        asks, acts = _asks(plan, runbook), _acts(runbook)
        for index, line in enumerate(self._script.answers):
            if line.ask not in asks:
                yield self._file.error(
                    ("answers", index, "ask"), f"No one is ever asked `{line.ask}`.", suggestion(line.ask, asks)
                )
        for index, act in enumerate(self._script.expect.verified):
            if act not in acts:
                yield self._file.error(
                    ("expect", "verified", index),
                    f"`{act}` is no act of the runbook `{runbook.name}`.",
                    suggestion(act, acts),
                )

    def _simulated(self, route: Route, service: Service, production: Production) -> Iterator[Diagnostic]:
        """Yield the differences between the simulated production and the systems that the response uses."""
        handle = service.handle(CloudRunHandle)
        known = handle.names if handle else []
        if known and production.service not in known:
            yield self._file.error(
                (PRODUCTION, "service"),
                f"The drill's production runs `{production.service}`, and `{route.service}` in systems.yaml is"
                f" `{'`, `'.join(known)}` in Cloud Run.",
                f"Write `service: {known[0]}`.",
            )
        played = {(one.region, one.service) for one in (production, *production.other_services)}
        for region, name in handle.regions.items() if handle else ():
            if (region, name) not in played:
                yield self._file.warning(
                    (PRODUCTION,),
                    f"`{route.service}` in systems.yaml is `{name}` in {region}, which the drill's production lacks.",
                    "Add it under `other_services`, or leave that region's steps out of the drill.",
                )
        pages = [page.path for page in production.pages]
        for path in dict.fromkeys(one.path.partition("?")[0] for one in service.smoke.paths):
            if path not in (*pages, "/healthz"):
                yield self._file.error(
                    (PRODUCTION, "pages"),
                    f"The smoke test of `{route.service}` asks for `{path}`, which is not under `pages`.",
                    f"Add `- path: {path}`.",
                )

    def _braces(self) -> Iterator[Diagnostic]:
        """Yield the placeholders in the drill's texts, because none of them is filled in."""
        for place, text in texts(self._script.model_dump(mode="json", by_alias=True)):
            for name in unknown_placeholders(text, {}):
                note = " It is filled in templates and steps only." if name in PLACEHOLDERS else ""
                yield self._file.warning(
                    place, f"{{{name}}} stays as it is in a drill.{note}", "Write the text itself."
                )


def _acts(runbook: Runbook) -> list[str]:
    return [f"{phase.value}/{step.id}" for phase in Phase for step in runbook.steps(phase) if step.action]


def _asks(plan: Plan, runbook: Runbook) -> list[str]:
    """Return the names of all questions that an incident with this runbook can have."""
    acts = _acts(runbook)
    names = [f"{phase.value}/{step.id}" for phase in Phase for step in runbook.steps(phase)]
    names += [choice_key(act) for act in acts]
    for phase in Phase:
        if any(step.undo for step in runbook.steps(phase)):
            undone = [f"{phase.value}/{undo_key(act)}" for act in acts]
            names += [*undone, *(f"{name}-left" for name in undone)]
    names.append(f"{Phase.CONTAIN.value}/{MANUAL_CONTAINMENT}")
    names += [f"{FACT}/{facet}" for facet in plan.facets]
    names += [f"{DUTY}/{duty.name}" for duty in plan.duties]
    return names + [f"{Phase.CONTAIN.value}/evidence-{evidence.name}" for evidence in plan.evidence]

"""Checks the steps of the runbooks: actions and probes that exist, with parameters, roles and services that fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from allclear.company.capabilities import ActionType, Capabilities, ProbeType
from allclear.company.checks.approvals import check_auto_approval, check_step_approval
from allclear.company.checks.placeholders import check_public_placeholders, check_step_placeholders, with_examples
from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.validation_errors import validation_problems
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.action import Action, Params
from allclear.domain.approval import Fallback
from allclear.domain.runbook import Phase, Runbook, Step


def check_runbooks(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield what is wrong with the runbooks that could be read, each as it is expanded."""
    for name, runbook in draft.runbooks.items():
        yield from _RunbookChecker(draft, capabilities, draft.files[name], runbook).diagnostics()


_CUSTOMERS = "{customers}"
"""The placeholder of the plan's list: what is wrong with it is said there, and not in the runbook."""


class _RunbookChecker:
    """The checks of one runbook."""

    def __init__(self, draft: Draft, capabilities: Capabilities, file: YamlFile, runbook: Runbook) -> None:
        self._draft = draft
        self._capabilities = capabilities
        self._file = file
        self._runbook = runbook

    def diagnostics(self) -> Iterator[Diagnostic]:
        yield from self._service(("service",), self._runbook.service)
        yield from self._probe(("health",), self._runbook.health.probe, self._runbook.health.with_)
        for phase in Phase:
            for index, step in enumerate(self._runbook.steps(phase)):
                yield from self._step((phase.value, index), step)
        yield from self._containment()

    def _containment(self) -> Iterator[Diagnostic]:
        """Yield a warning for a runbook that never contains, and for a kind that only people can contain."""
        plan, runbook = self._draft.plan, self._runbook
        steps = [(index, step) for index, step in enumerate(runbook.contain) if not step.meanwhile]
        if steps and not runbook.measures:
            yield self._file.warning(
                ("contain", steps[-1][0]),
                "No step of `contain` is a `measure`, so an incident with this runbook is never contained.",
                "Add `measure: true` to the step that contains it; a person's step can be one too.",
            )
        people_verify = plan is not None and plan.people_verify(runbook.kind)
        if people_verify and runbook.measures and not any(step.person for step in runbook.measures):
            yield self._file.warning(
                ("contain",),
                f"Only people can tell if an incident of kind `{runbook.kind}` is contained, and no step asks them.",
                "Add a step with `person`, `ask` and `measure: true`; until then, the incident lead is asked.",
            )

    def _step(self, place: Place, step: Step) -> Iterator[Diagnostic]:
        if step.probe:
            yield from self._probe(place, step.probe, step.with_)
        if step.action:
            yield from self._action(place, step)
        if isinstance(step.undo, list):
            yield from self._undo((*place, "undo"), step.undo)
        if step.proof:
            yield from self._probe((*place, "proof"), step.proof.probe, step.proof.with_)
        for name in ("title", "ask"):
            yield from check_step_placeholders(self._draft, self._file, (*place, name), getattr(step, name))
        for name in ("person", "owner"):
            yield from self._role((*place, name), getattr(step, name))
        yield from self._severities((*place, "severities"), step.severities or [])
        yield from self._kinds_of_incident((*place, "kinds"), step.kinds or [])

    def _action(self, place: Place, step: Step) -> Iterator[Diagnostic]:
        name = step.action or ""
        kind = self._capabilities.actions.get(name)
        if kind is None:
            yield self._unknown(
                (*place, "action"), "action", name, self._capabilities.actions, self._capabilities.probes
            )
        else:
            yield from self._params(place, kind, step.with_)
            if kind.public:
                yield from check_public_placeholders(self._draft, self._file, (*place, "with"), step.with_)
            yield from check_step_approval(self._draft, self._file, place, kind, step)
            yield from check_auto_approval(self._draft, self._file, place, kind, step)
            if step.live and (not kind.text_params or kind.pages or kind.approval is not None):
                yield self._file.error(
                    (*place, "live"),
                    f"`{name}` does more than send a message, and `live` would run it without an approval.",
                    "Take `live` out: only a message without an approval can be kept up to date, such as slack.post.",
                )
            if isinstance(step.if_unanswered, Fallback):
                yield from self._unanswered((*place, "if_unanswered"), kind, step, step.if_unanswered)
        yield from check_step_placeholders(self._draft, self._file, (*place, "with"), step.with_)

    def _undo(self, place: Place, names: Iterable[str]) -> Iterator[Diagnostic]:
        """Yield an error for each name that no act to undo can have: its step would never undo anything."""
        known = self._capabilities.actions
        for index, name in enumerate(names):
            kind = known.get(name)
            if kind is None:
                yield self._unknown((*place, index), "action", name, known, self._capabilities.probes)
            elif kind.reverses:
                sentence = f"`{name}` is itself the undo of `{kind.reverses}`, and leaves nothing to undo."
                yield self._file.error((*place, index), sentence, f"Write `{kind.reverses}`.")

    def _unanswered(self, place: Place, kind: ActionType, step: Step, fallback: Fallback) -> Iterator[Diagnostic]:
        """Yield an error for a fallback that changes more than words: without an answer nothing else may change."""
        if not kind.text_params:
            yield self._file.error(
                place,
                f"`{kind.name}` has no text that could be sent `if_unanswered`.",
                "Take it out: without an answer nothing in production is changed.",
            )
            return
        for name in fallback.with_:
            if name not in kind.text_params and name in kind.params.model_fields:
                yield self._file.error(
                    (*place, "with", name),
                    f"`{name}` is not a text of `{kind.name}`.",
                    f"`if_unanswered` can replace only: {', '.join(kind.text_params)}.",
                )
        yield from self._params(place, kind, {**step.with_, **fallback.with_})
        if kind.public:
            yield from check_public_placeholders(self._draft, self._file, (*place, "with"), fallback.with_)
        yield from check_step_placeholders(self._draft, self._file, (*place, "with"), fallback.with_)

    def _probe(self, place: Place, name: str, raw: Mapping[str, Any]) -> Iterator[Diagnostic]:
        kind = self._capabilities.probes.get(name)
        if kind is None:
            yield self._unknown((*place, "probe"), "probe", name, self._capabilities.probes, self._capabilities.actions)
        else:
            yield from self._params(place, kind, raw)
        yield from check_step_placeholders(self._draft, self._file, (*place, "with"), dict(raw))

    def _unknown(
        self, place: Place, expected: str, name: str, known: Mapping[str, Any], others: Mapping[str, Any]
    ) -> Diagnostic:
        if name in others:
            other = "probe" if expected == "action" else "action"
            return self._file.error(
                place,
                f"`{name}` is not {_with_article(expected)} but {_with_article(other)}.",
                f"Write `{other}: {name}`.",
            )
        return self._file.error(place, f"There is no {expected} `{name}`.", suggestion(name, known))

    def _params(self, place: Place, kind: ActionType | ProbeType, raw: Mapping[str, Any]) -> Iterator[Diagnostic]:
        params: dict[str, Any] = with_examples(self._draft, dict(raw), self._runbook.service)
        model: type[BaseModel] = kind.params
        if "service" in model.model_fields and isinstance(params.get("service"), str):
            yield from self._service((*place, "with", "service"), params["service"])
        try:
            typed = kind.params.model_validate(params)
        except ValidationError as error:
            for problem in validation_problems(error, model):
                if PLAN in self._draft.files and raw.get(str(next(iter(problem.place), ""))) == _CUSTOMERS:
                    yield self._customers(kind, problem.sentence)
                    continue
                sentence = f"{kind.name}: {problem.sentence}"
                yield self._file.error((*place, "with", *problem.place), sentence, problem.next_step)
        else:
            yield from self._service_problems((*place, "with"), kind, typed)

    def _customers(self, kind: ActionType | ProbeType, sentence: str) -> Diagnostic:
        """Return that the plan's `customers` are not as the action wants them."""
        reason = sentence.partition(": ")[2] or sentence
        step = "Correct `customers` in plan.yaml, or take the step out of the runbook."
        return self._draft.files[PLAN].error(("customers",), f"{kind.name} writes to `customers`: {reason}", step)

    def _service(self, place: Place, name: str) -> Iterator[Diagnostic]:
        systems = self._draft.systems
        if systems is not None and name not in systems.services:
            yield self._file.error(place, f"systems.yaml has no service `{name}`.", suggestion(name, systems.services))

    def _service_problems(self, place: Place, kind: ActionType | ProbeType, params: Params) -> Iterator[Diagnostic]:
        """Yield what the action or probe itself reports about its parameters and the services in systems.yaml."""
        if self._draft.systems is None:
            return
        services = self._draft.systems.services
        problems = list(kind.check_params(params, services))
        for problem in problems:
            where = (*place, problem.param) if problem.param else place
            next_step = problem.next_step or suggestion(str(getattr(params, problem.param, "")), problem.known)
            report = self._file.error if problem.certain else self._file.warning
            yield report(where, f"{kind.name}: {problem.sentence}", next_step)
        name = str(getattr(params, "service", ""))
        service = services.get(name)
        if not problems and service and issubclass(kind, Action) and not kind.works_for(service):
            sentence = f"{kind.name}: systems.yaml does not give the service {name} what this action needs."
            yield self._file.error(place, sentence, f"`allclear actions {kind.name}` says what it needs.")

    def _kinds_of_incident(self, place: Place, names: Iterable[str]) -> Iterator[Diagnostic]:
        known = self._draft.plan.kinds if self._draft.plan else names
        for index, name in enumerate(names):
            if name not in known:
                yield self._file.error(
                    (*place, index), f"The plan has no kind of incident `{name}`.", suggestion(name, list(known))
                )

    def _role(self, place: Place, role: str | None) -> Iterator[Diagnostic]:
        plan = self._draft.plan
        if plan is not None and role is not None and role not in plan.roles:
            yield self._file.error(place, f"The plan has no role `{role}`.", suggestion(role, plan.roles))

    def _severities(self, place: Place, names: Iterable[str]) -> Iterator[Diagnostic]:
        plan = self._draft.plan
        known = [severity.name for severity in plan.severities] if plan else names
        for index, name in enumerate(names):
            if name not in known:
                sentence = f"The plan has no severity `{name}`."
                yield self._file.error((*place, index), sentence, suggestion(name, list(known)))


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun == "action" else f"a {noun}"

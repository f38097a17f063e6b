"""The deployments of a company in Prefect: their names, forms and schedules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from prefect import Flow
from prefect.schedules import Cron, Schedule

from allclear.company import Company
from allclear.deployment_names import START_INCIDENT, STARTED_BY_ALLCLEAR, flow_name
from allclear.domain.base import JsonDict
from allclear.drill.script import scripts
from allclear.engine.actions.registry import Registry
from deployments.forms import Choices, choice_help, choices_of, form_of, prefilled, with_help
from deployments.manual_actions import ManualAction, manual_actions
from flows import commands
from flows.contain import contain
from flows.detect import detect
from flows.drill import drill
from flows.investigate import investigate
from flows.manual_action import manual_action
from flows.question import question
from flows.resolve import resolve
from flows.respond import respond
from flows.review import review

AnyFlow = Flow[..., Any]

EVERY_QUARTER = "0 10 8 1,4,7,10 *"
"""The drill: at ten on the eighth of January, April, July and October, UTC."""

_PHASES: tuple[AnyFlow, ...] = (detect, contain, investigate, resolve, review)

_COMMANDS: dict[str, AnyFlow] = {
    "Acknowledge an incident": commands.acknowledge,
    "Answer a question": commands.answer,
    "Add a note": commands.note,
    "Record a decision": commands.decide,
    "Assess an incident": commands.assess,
    "Change the severity": commands.change_severity,
    "Hand over a role": commands.hand_over,
    "Take or accept a role": commands.take_role,
    "Record whom you told": commands.tell,
    "Hold an incident": commands.hold,
    "Release an incident": commands.release,
    "End an incident": commands.end_incident,
    "Write the post-mortem": commands.write_post_mortem,
    "Add a follow-up": commands.add_follow_up,
    "Finish a follow-up": commands.finish_follow_up,
}


@dataclass(frozen=True)
class DeploymentSpec:
    """One deployment.

    `name` says what it does and is bold in Prefect's list; `kind` is the tag by which the list is filtered: start,
    phase, question, action, command or drill.
    """

    name: str
    flow: AnyFlow
    kind: str
    form: JsonDict
    schedule: Schedule | None = None
    parameters: JsonDict = field(default_factory=dict[str, Any])
    about: str = ""

    @property
    def description(self) -> str:
        """Return what Prefect shows of it, in Markdown."""
        return self.about or self.flow.description or ""


def deployments_of(company: Company, registry: Registry) -> list[DeploymentSpec]:
    """Return the deployments of `company`, the start of an incident first."""
    choices, help_texts = choices_of(company), choice_help(company)
    specs = [
        *_starts(company, choices),
        *(_simple(STARTED_BY_ALLCLEAR[flow.fn.__name__], flow, "phase", choices, company) for flow in _PHASES),
        _simple(STARTED_BY_ALLCLEAR["question"], question, "question", choices, company),
        *(_action(manual, choices, company) for manual in manual_actions(company, registry)),
        *(_simple(name, flow, "command", choices, company) for name, flow in _COMMANDS.items()),
        _drill(company, choices),
    ]
    return [replace(spec, form=with_help(spec.form, help_texts)) for spec in specs]


def _named(flow: AnyFlow, company: Company) -> AnyFlow:
    """Return the flow under the company's name: Prefect keeps one deployment for each flow and name."""
    return flow.with_options(name=flow_name(flow.fn.__name__, company.name))


def _simple(name: str, flow: AnyFlow, kind: str, choices: Choices, company: Company) -> DeploymentSpec:
    form = form_of(flow, choices)
    return DeploymentSpec(name, _named(flow, company), kind, form, parameters=prefilled(form))


def _starts(company: Company, choices: Choices) -> list[DeploymentSpec]:
    """Return the deployment that people start, and the one that allclear starts for an incident that is open."""
    form = form_of(
        respond,
        choices,
        fields=("title", "severity", "service", "runbook", "name", "role", "began", "known_since", "facts", "kind"),
        required=("title", "severity", "service", "runbook", "name"),
    )
    continued = form_of(respond, choices, fields=("incident",), required=("incident",))
    flow = _named(respond, company)
    return [
        DeploymentSpec(START_INCIDENT, flow, "start", form, parameters=_declaration(company)),
        DeploymentSpec(
            STARTED_BY_ALLCLEAR["respond"],
            flow,
            "start",
            continued,
            about="Start the phases of an incident that an alert or a command has opened. allclear starts it itself.",
        ),
    ]


def _declaration(company: Company) -> JsonDict:
    """Return what the form for a new incident begins with, so that at night a title and a name are enough."""
    runbook = next(iter(company.runbooks.values()))
    roles = list(company.plan.roles)
    return {
        "severity": company.plan.severities[0].name,
        "service": runbook.service,
        "runbook": runbook.name,
        "role": "on_call" if "on_call" in roles else roles[0],
    }


def _action(manual: ManualAction, choices: Choices, company: Company) -> DeploymentSpec:
    """Return the deployment of one action that a person may start by hand: its form has the action's parameters."""
    form = form_of(manual_action, choices, fields=("params", "reason", "name", "role", "incident"))
    params = {key: value for key, value in manual.form.items() if key != "$defs"}
    form["properties"]["params"] = {**form["properties"]["params"], **params, "additionalProperties": False}
    form["definitions"] = {**form.get("definitions", {}), **manual.form["$defs"]}
    roles = list(company.plan.roles)
    about = f"{manual.action.title}, now. To start it is to confirm it: {manual.action.name}."
    return DeploymentSpec(
        manual.title,
        _named(manual_action, company),
        "action",
        form,
        parameters={
            "action": manual.action.name,
            "params": prefilled(manual.form),
            "role": "on_call" if "on_call" in roles else roles[0],
        },
        about=about,
    )


def _drill(company: Company, choices: Choices) -> DeploymentSpec:
    """Return the deployment of the drill; it is scheduled if the company has one."""
    scenario = next(iter(scripts(company)), "")
    return DeploymentSpec(
        "Run a drill",
        _named(drill, company),
        "drill",
        form_of(drill, choices),
        schedule=Cron(EVERY_QUARTER, timezone="UTC") if scenario else None,
        parameters={"scenario": scenario} if scenario else {},
    )

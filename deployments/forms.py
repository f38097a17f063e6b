"""The forms of the deployments: JSON Schemas that Prefect's UI shows and its server checks.

The choices come from the company's own plan and systems, so that a form offers only what works.

*Source:* Prefect 3.8, `prefect/utilities/schema_tools/validation.py`: parameters are checked against the deployment's
`parameter_openapi_schema` before a run is created; `position` orders the fields.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from prefect import Flow
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel

from allclear.company import Company
from allclear.domain.approval import ANSWER_WORDS
from allclear.domain.base import JsonDict
from allclear.domain.plan import UNKNOWN
from allclear.domain.plan_text import severity_help
from allclear.domain.review.post_mortem import NOTE_FOR
from allclear.drill.script import scripts
from allclear.postmortem.placeholders import FIELDS

_LABELS = {
    "ask": "Question",
    "audience": "Audience",
    "choice": "Candidate",
    "decision": "Decision",
    "due_in_days": "Due in days",
    "facts": "Facts",
    "false_alarm": "False alarm",
    "incident": "Incident",
    "kind": "Kind of incident",
    "name": "Your name",
    "owner": "Owner",
    "params": "What to do",
    "reason": "Reason",
    "role": "Your role",
    "role_to_hand_over": "Role to hand over",
    "role_to_take": "Role to take",
    "text": "Text",
    "title": "What is wrong",
    "to": "New holder",
}

Choices = Mapping[str, list[str]]

_NO_BLANK: JsonDict = {"minLength": 1, "pattern": r"\S"}
"""What a text must have that is not only spaces."""


def choices_of(company: Company) -> dict[str, list[str]]:
    """Return the values that a form offers for a parameter of that name."""
    plan = company.plan
    return {
        "severity": [severity.name for severity in plan.severities],
        "service": list(company.systems.services),
        "runbook": list(company.runbooks),
        "role": list(plan.roles),
        "role_to_hand_over": list(plan.roles),
        "role_to_take": list(plan.roles),
        "kind": list(plan.kinds),
        "decision": [word for words in ANSWER_WORDS for word in words],
        "facts": [f"{name}={value}" for name, facet in plan.facets.items() for value in (*facet.values, UNKNOWN)],
        "scenario": scripts(company),
        "field": list(FIELDS),
        "post_mortem": list(NOTE_FOR),
    }


def choice_help(company: Company) -> dict[str, str]:
    """Return the text that helps to choose a value of a parameter of that name."""
    plan = company.plan
    kinds = [f"{name}: {kind.title}{f', {kind.about}' if kind.about else ''}" for name, kind in plan.kinds.items()]
    return {
        "severity": "\n".join(f"- {severity_help(severity)}" for severity in plan.severities),
        "kind": "; ".join(kinds),
        "runbook": " ".join(f"{name}: {runbook.about}" for name, runbook in company.runbooks.items()),
    }


def form_of(
    flow: Flow[..., Any], choices: Choices, *, fields: Collection[str] = (), required: Collection[str] = ()
) -> JsonDict:
    """Return the form of a flow.

    `fields` are the parameters that it shows, all of them if left out; `required` must be filled in although the flow
    has a default for them. A role is always required: a plan that names no people cannot tell it from the name.
    """
    schema = parameter_schema(flow).model_dump()
    properties = cast("dict[str, JsonDict]", schema["properties"])
    shown = {name: field for name, field in properties.items() if not fields or name in fields}
    needed = [name for name in shown if name in {*required, *schema.get("required", ()), "role"}]
    return {
        **schema,
        "properties": {
            name: _field(
                {**field, "title": _LABELS.get(name, _title(name))}, choices.get(name), required=name in needed
            )
            for name, field in shown.items()
        },
        "required": needed,
    }


def with_help(form: JsonDict, help_texts: Mapping[str, str]) -> JsonDict:
    """Return the form with each help text after the description of the field of that name."""
    properties = cast("dict[str, JsonDict]", form["properties"])
    described = {
        name: {**field, "description": f"{field.get('description', '')}\n{help_texts[name]}".strip()}
        for name, field in properties.items()
        if help_texts.get(name)
    }
    return {**form, "properties": {**properties, **described}}


def params_form(params: type[BaseModel], choices: Choices) -> JsonDict:
    """Return the part of a form that holds an action's parameters, and the definitions that it refers to."""
    schema = params.model_json_schema(ref_template="#/definitions/{model}")
    needed = schema.get("required", [])
    properties = {
        name: _field(
            {**_without_null(field), "title": _title(name), "position": position},
            choices.get(name),
            required=name in needed,
        )
        for position, (name, field) in enumerate(schema.get("properties", {}).items())
    }
    return {"type": "object", "properties": properties, "required": needed, "$defs": schema.get("$defs", {})}


def prefilled(form: JsonDict) -> JsonDict:
    """Return the initial values of a form: the defaults of its dropdowns, which the flow itself may lack."""
    return {
        name: field["default"]
        for name, field in cast("dict[str, JsonDict]", form["properties"]).items()
        if "enum" in field and "default" in field
    }


def _field(field: JsonDict, choices: list[str] | None, *, required: bool) -> JsonDict:
    """Return a field with its choices; one that is required takes no blank, and a single choice is filled in.

    Neither does an item of a list.
    """
    if choices and "items" in (listed := _without_null(field)):
        return {**{key: value for key, value in listed.items() if key != "default"}, "items": {"enum": choices}}
    default = field.get("default")
    without = {key: value for key, value in field.items() if key != "default"}
    if choices:
        if default in choices:
            return {**field, "enum": choices}
        chosen = {"default": choices[0]} if default or (required and len(choices) == 1) else {}
        return {**without, "enum": choices, **chosen}
    if required and field.get("type") == "string" and "enum" not in field:
        return {**_NO_BLANK, **without}
    if field.get("items") == {"type": "string"}:
        return {**(without if required else field), "items": {"type": "string", **_NO_BLANK}}
    return without if required else field


def _without_null(field: JsonDict) -> JsonDict:
    """Return the schema of an optional field without `null`: Prefect's form omits an empty field."""
    parts = [part for part in cast("list[JsonDict]", field.get("anyOf", [])) if part.get("type") != "null"]
    if len(parts) != 1 or len(parts) == len(field.get("anyOf", [])):
        return field
    rest = {key: value for key, value in field.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**parts[0], **rest}


def _title(name: str) -> str:
    """Return `due_in_days` as `Due in days`."""
    return name.replace("_", " ").capitalize()

"""Makes JSON Schemas for a company's files, with which an editor completes and checks them.

The schemas are pydantic's, extended by what is installed: the names of actions and probes, also third parties', the
parameters of each, and the options of each system. What depends on more than one file is left to `allclear check`.

They follow draft 2020-12 as pydantic writes it, and use only keywords that draft 7 has too: some editors know no
newer draft. `enumDescriptions` is a keyword of editors; validators ignore it.

*Source:* JSON Schema, draft 2020-12 and draft 7; the readme of yaml-language-server ("Supports JSON Schema 7 and
below"; the comment `# yaml-language-server: $schema=`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel

from allclear.company import Capabilities
from allclear.company.capabilities import ActionType, ProbeType
from allclear.company.handles import systems_model_of
from allclear.company.runbook_file import CommonSteps, WrittenRunbook
from allclear.domain.action import Client
from allclear.domain.base import JsonDict
from allclear.domain.plan import Plan
from allclear.domain.runbook import Phase
from allclear.drill.script import Script
from allclear.simulator.scenario import Production

FileKind = Literal["plan", "systems", "runbook", "common-steps", "drill"]
FILE_KINDS: tuple[FileKind, ...] = ("plan", "systems", "runbook", "common-steps", "drill")
FOLDER = ".schemas"
"""The folder beside the companies' folders into which `allclear init` writes the schemas."""

_PLACEHOLDER = {"type": "string", "pattern": r"\{[a-z][a-z0-9_]*\}"}
"""A placeholder, which may take the place of any value in a step."""
_ISO_DURATION = re.compile(r"P(\d+D)?(T.*)?")
_FREE = {"type", "description", "default", "minLength", "maxLength", "title"}
"""The keywords of a plain string, which may hold a placeholder without an alternative in the schema."""


def file_name(kind: FileKind) -> str:
    """Return the file name of the schema for files of that kind."""
    return f"{kind}.schema.json"


def write_schemas(folder: Path, capabilities: Capabilities) -> list[Path]:
    """Write every schema into `folder`, over older ones, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for kind in FILE_KINDS:
        path = folder / file_name(kind)
        path.write_text(
            json.dumps(schema_of(kind, capabilities), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        written.append(path)
    return written


def schema_of(kind: FileKind, capabilities: Capabilities) -> JsonDict:
    """Return the JSON Schema of a company's `plan.yaml` or `systems.yaml`, a runbook, its base, or a drill."""
    match kind:
        case "plan":
            made = _plan(capabilities)
        case "systems":
            made = _systems(capabilities)
        case "runbook":
            made = _steps(WrittenRunbook, "WrittenStep", capabilities)
            made["if"] = {"not": {"required": ["base"]}}
            made["then"] = {"required": ["health"]}
        case "common-steps":
            made = _steps(CommonSteps, "Step", capabilities)
        case "drill":
            made = _drill()
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"allclear: {kind}"}
    return about | {key: value for key, value in made.items() if key != "title"}


def _plan(capabilities: Capabilities) -> JsonDict:
    made = _model(Plan)
    made["properties"]["approvals"]["propertyNames"] = {"enum": sorted(capabilities.actions)}
    made["properties"]["phases"]["required"] = [phase.value for phase in Phase]
    return made


def _systems(capabilities: Capabilities) -> JsonDict:
    """Return the schema of systems.yaml: known systems have their client's options, other systems may have any."""
    made = _model(systems_model_of(capabilities))
    plain = made["$defs"]["System"]
    known: dict[str, JsonDict] = {}
    for client in _clients(capabilities):
        options = getattr(client, "options", None)
        own = _model(options) if isinstance(options, type) and issubclass(options, BaseModel) else None
        if own is None:
            continue
        made["$defs"] |= own.pop("$defs", {})
        known[client.system] = {
            **plain,
            "description": own.get("description", plain["description"]),
            "properties": plain["properties"] | own.get("properties", {}),
            "required": [*plain["required"], *own.get("required", [])],
            "additionalProperties": False,
        }
    made["properties"]["systems"]["properties"] = known
    made["properties"]["alerts"] |= {"properties": _alert_sources(made, capabilities), "additionalProperties": False}
    return made


def _alert_sources(made: JsonDict, capabilities: Capabilities) -> dict[str, JsonDict]:
    """Return the schema of each installed alert source: the secret, and the options that the source declares."""
    plain, schemas = made["$defs"]["AlertSource"], dict[str, JsonDict]()
    for name, source in capabilities.sources.items():
        options = _model(source.options)
        made["$defs"] |= options.pop("$defs", {})
        schemas[name] = {
            **plain,
            "description": f"{source.title}. {plain['description']}",
            "properties": plain["properties"] | options.get("properties", {}),
            "required": [*plain["required"], *options.get("required", [])],
            "additionalProperties": False,
        }
    return schemas


def _clients(capabilities: Capabilities) -> list[type[Client]]:
    every: Iterable[ActionType | ProbeType] = [*capabilities.actions.values(), *capabilities.probes.values()]
    found = {client.system: client for kind in every for client in (*kind.needs, *kind.uses)}
    return [found[name] for name in sorted(found)]


def _steps(model: type[BaseModel], name: str, capabilities: Capabilities) -> JsonDict:
    """Return the schema of a file that holds steps, which `name` defines, phase by phase."""
    made = _model(model)
    step, call = made["$defs"][name], made["$defs"]["ProbeCall"]
    made["$defs"] |= dict(_params("action", capabilities.actions)) | dict(_params("probe", capabilities.probes))
    step["properties"]["action"] = _named(step["properties"]["action"], capabilities.actions)
    step["properties"]["probe"] = _named(step["properties"]["probe"], capabilities.probes)
    step["oneOf"] = [{"required": [name]} for name in ("action", "probe", "person", "undo")]
    step["allOf"] = [*_cases("action", capabilities.actions), *_cases("probe", capabilities.probes)]
    call["properties"]["probe"] = _named(call["properties"]["probe"], capabilities.probes)
    call["allOf"] = list(_cases("probe", capabilities.probes))
    return made


def _named(field: JsonDict, known: Mapping[str, ActionType | ProbeType]) -> JsonDict:
    """Return the field with the installed names, each with its title, which editors show."""
    return {
        "description": field["description"],
        "enum": sorted(known),
        "enumDescriptions": [known[name].title for name in sorted(known)],
    }


def _params(word: str, known: Mapping[str, ActionType | ProbeType]) -> Iterator[tuple[str, JsonDict]]:
    for name, kind in known.items():
        made = _model(kind.params)
        yield from (
            (f"{word}:{name}:{part}", _aimed(one, f"{word}:{name}:")) for part, one in made.pop("$defs", {}).items()
        )
        made["properties"] = {
            field: _fillable(_aimed(one, f"{word}:{name}:")) for field, one in made.get("properties", {}).items()
        }
        yield f"{word}:{name}", {**made, "description": f"{kind.title}. {made.get('description', '')}".strip()}


def _fillable(field: JsonDict) -> JsonDict:
    """Return a parameter that may also be a placeholder."""
    if field.get("type") == "string" and set(field) <= _FREE:
        return field
    about = {key: field[key] for key in ("description", "default") if key in field}
    return about | {"anyOf": [{key: one for key, one in field.items() if key not in about}, _PLACEHOLDER]}


def _aimed(part: Any, prefix: str) -> Any:  # noqa: ANN401 - any part of a schema
    """Return `part` with its references aimed at definitions that carry `prefix`."""
    if isinstance(part, dict):
        return {
            key: f"#/$defs/{prefix}{str(one).rsplit('/', 1)[-1]}" if key == "$ref" else _aimed(one, prefix)
            for key, one in cast("JsonDict", part).items()
        }
    return [_aimed(one, prefix) for one in cast("list[Any]", part)] if isinstance(part, list) else part


def _cases(word: str, known: Mapping[str, ActionType | ProbeType]) -> Iterator[JsonDict]:
    """Yield, for each action or probe, what its `with` must be."""
    for name in sorted(known):
        then: JsonDict = {"properties": {"with": {"$ref": f"#/$defs/{word}:{name}"}}}
        if any(field.is_required() for field in known[name].params.model_fields.values()):
            then["required"] = ["with"]
        yield {"if": {"properties": {word: {"const": name}}, "required": [word]}, "then": then}


def _drill() -> JsonDict:
    made, production = _model(Script), _model(Production)
    made["$defs"] |= production.pop("$defs")
    made["$defs"]["Production"] = production
    made["properties"]["production"] = {"$ref": "#/$defs/Production", "description": production["description"]}
    made["required"] = [*made["required"], "production"]
    return made


def _model(model: type[BaseModel]) -> JsonDict:
    """Return a schema that the caller may change."""
    return deepcopy(_described(model))


@cache
def _described(model: type[BaseModel]) -> JsonDict:
    """Return the schema of a model; several kinds of files have the same actions."""
    return _tidy(model.model_json_schema(by_alias=True, mode="validation"))


def _tidy(part: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return `part` without titles that repeat a name; a mapping with a key pattern allows no other keys."""
    if isinstance(part, list):
        return [_tidy(one) for one in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    old = cast("JsonDict", part)
    new = {
        key: _each(one) if key in ("properties", "$defs", "patternProperties") else _tidy(one)
        for key, one in old.items()
        if not (key == "title" and isinstance(one, str)) and not _iso(key, one)
    }
    if "patternProperties" in new:
        new.setdefault("additionalProperties", False)
    return new


def _each(named: JsonDict) -> JsonDict:
    return {name: _tidy(one) for name, one in named.items()}


def _iso(key: str, value: object) -> bool:
    """Return whether `value` is a default in ISO form, in which a file must not write durations."""
    return key == "default" and isinstance(value, str) and bool(_ISO_DURATION.fullmatch(value)) and value != "P"

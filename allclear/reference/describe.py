"""Describes an installed action or probe: its parameters, risk, undo, approval, permissions and package."""

from __future__ import annotations

import inspect
from typing import Any, cast

from pydantic import Field

from allclear.company.capabilities import ActionType, ProbeType
from allclear.domain.action import Action
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import Model
from allclear.domain.errors import NotFound
from allclear.engine.actions.registry import Registry
from allclear.extensions import ACTIONS, PROBES, installed

NO_APPROVAL = "No approval is needed."
UNKNOWN = "Its package does not say."
_FILLED_IN = frozenset({"link", "card"})
"""Parameters that allclear fills in: no person and no plan names them."""
_KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "map"}
_FORMATS = {"duration": "duration, as 30m", "date-time": "time, as 2026-11-28T02:00:00Z"}


class DescribedParam(Model):
    """One parameter."""

    name: str
    type: str
    required: bool
    default: str = Field(default="", description="The value if it is left out; empty for none.")
    about: str = ""


class DescribedPermission(Model):
    """What the key of one system must be allowed."""

    system: str
    rights: str
    role: str


class DescribedAction(Model):
    """An action or a probe."""

    name: str
    kind: str = Field(description="`action` or `probe`.")
    title: str
    about: str
    params: list[DescribedParam]
    risk: str
    undo: str
    approval: str
    leaves: str = Field(default="", description="What stays in place until it is undone.")
    reversed_by: list[str] = Field(default=[], description="The actions that undo what it leaves in place.")
    permissions: list[DescribedPermission]
    origin: str = Field(description="The package that it comes from, with its version.")


def described(registry: Registry) -> list[DescribedAction]:
    """Return every action and then every probe, each sorted by name."""
    kinds: list[ActionType | ProbeType] = [*registry.actions.values(), *registry.probes.values()]
    origins = _origins()
    return [_describe(kind, registry, origins.get(kind.name, "unknown")) for kind in kinds]


def describe(registry: Registry, name: str) -> DescribedAction:
    """Return the action or probe called `name`. Raises NotFound, which suggests the nearest name."""
    found = registry.probes.get(name) or registry.actions.get(name)
    if found is None:
        missing = Registry({**registry.actions, **cast("dict[str, Any]", dict(registry.probes))})
        try:
            missing.action(name)
        except NotFound as error:
            raise NotFound(f"There is no action or probe called {name}.", error.next_step) from None
    kind = cast("ActionType | ProbeType", found)
    return _describe(kind, registry, _origins().get(name, "unknown"))


def _origins() -> dict[str, str]:
    """Return name -> the package and its version."""
    points = [*installed(ACTIONS), *installed(PROBES)]
    return {point.name: f"{point.dist.name} {point.dist.version}" if point.dist else "unknown" for point in points}


def _describe(kind: ActionType | ProbeType, registry: Registry, origin: str) -> DescribedAction:
    acts = issubclass(kind, Action)
    about = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    return DescribedAction(
        name=kind.name,
        kind="action" if acts else "probe",
        title=kind.title,
        about=about,
        params=_params(kind),
        risk=(kind.usual_risk or UNKNOWN) if acts else "None: it only reads.",
        undo=(kind.usual_undo or UNKNOWN) if acts else "There is nothing to undo.",
        approval=approval_in_words(kind.approval) if acts else NO_APPROVAL,
        leaves=(kind.leaves or "") if acts else "",
        reversed_by=sorted(other.name for other in registry.actions.values() if other.reverses == kind.name),
        permissions=[DescribedPermission(**vars(one)) for one in kind.permissions],
        origin=origin,
    )


def approval_in_words(policy: ApprovalPolicy | None) -> str:
    """Return who must approve if the plan does not say, as a sentence."""
    if policy is None:
        return NO_APPROVAL
    who = f"{'One person' if policy.people == 1 else f'{policy.people} people'} of {', '.join(policy.roles)}"
    extras = [f"one of them {' or '.join(policy.one_of)}"] if policy.one_of else []
    extras += ["with a reason"] if policy.reason_needed else []
    extras += ["with proof of who approves"] if policy.needs_proof else []
    extras += ["not in Prefect's UI"] if not policy.prefect_may else []
    return f"{', '.join([who, *extras])}."


# --- parameters ----------------------------------------------------------------------------------------


def _params(kind: ActionType | ProbeType) -> list[DescribedParam]:
    schema = kind.params.model_json_schema(by_alias=True)
    parts: dict[str, Any] = schema.get("$defs", {})
    required = set(schema.get("required", []))
    return [
        DescribedParam(
            name=name,
            type=_type(field, parts),
            required=name in required,
            default=_default(field),
            about=str(field.get("description", "")),
        )
        for name, field in cast("dict[str, dict[str, Any]]", schema.get("properties", {})).items()
        if name not in _FILLED_IN
    ]


def _type(field: dict[str, Any], parts: dict[str, Any]) -> str:
    """Return the type of a field as people say it."""
    if "$ref" in field:
        return _type(parts[str(field["$ref"]).rsplit("/", 1)[-1]], parts)
    if several := field.get("anyOf") or field.get("allOf"):
        return " or ".join(dict.fromkeys(_type(one, parts) for one in several if one.get("type") != "null"))
    if values := field.get("enum") or ([field["const"]] if "const" in field else []):
        return " or ".join(f"`{value}`" for value in values)
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), parts)}"
    plain = _KINDS.get(str(field.get("type")), "any value")
    return _FORMATS.get(str(field.get("format")), plain) + _limits(field)


def _limits(field: dict[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    return f" from {low} to {high}" if low is not None and high is not None else ""


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    return "" if value in (None, "", [], {}) else str(value)

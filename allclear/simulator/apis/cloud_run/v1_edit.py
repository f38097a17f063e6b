"""A service that a client sends to v1 in place of the present one, as an edit of it.

*Source:* the discovery document of run v1 of 2026-10-31. From memory: the wording of refusals.
"""

# ruff: noqa: ANN401 - JSON can be anything

from __future__ import annotations

from dataclasses import fields
from typing import Any, cast

from allclear.simulator.apis.cloud_run.messages import new_revision, whole_traffic
from allclear.simulator.apis.cloud_run.v1_messages import (
    API,
    DESCRIPTION,
    GOOGLE_S_OWN,
    project_number,
    template_view,
)
from allclear.simulator.apis.http_api import as_object, parse_json
from allclear.simulator.regional_services import RegionalService
from allclear.simulator.revisions import Revision, Target
from allclear.simulator.run_service import Edit, RunError

Fields = dict[str, type]

_SERVICE: Fields = {"apiVersion": str, "kind": str, "metadata": dict, "spec": dict, "status": dict}
_SPEC: Fields = {"template": dict, "traffic": list}
_TRAFFIC: Fields = {
    "configurationName": str,
    "latestRevision": bool,
    "percent": int,
    "revisionName": str,
    "tag": str,
    "url": str,
}


def parsed(body: bytes, where: str, known: Fields) -> dict[str, Any]:
    """Return the JSON object of a request.

    Raises RunError: INVALID_ARGUMENT for anything that is not an object with those fields.
    """
    try:
        value = parse_json(body or b"{}")
    except ValueError as error:
        raise _bad(f"Invalid JSON payload received. {error}") from None
    return _checked(value, where, known)


def service_from(body: bytes) -> dict[str, Any]:
    """Return the service that a replacement sends.

    Raises RunError: INVALID_ARGUMENT.
    """
    service = parsed(body, "service", _SERVICE)
    if (service.get("apiVersion"), service.get("kind")) != (API, "Service"):
        raise _bad(f"apiVersion and kind must be {API} and Service.")
    service["metadata"] = _checked(
        service.get("metadata", {}),
        "service.metadata",
        {"name": str, "namespace": str, "resourceVersion": str, "labels": dict, "annotations": dict},
        others=True,
    )
    service["spec"] = _checked(service.get("spec", {}), "service.spec", _SPEC)
    return service


def edit_from(site: RegionalService, service: dict[str, Any]) -> Edit:
    """Return what would have to change for the service to be as sent; the parts that are equal stay `None`.

    Raises RunError: INVALID_ARGUMENT, or ALREADY_EXISTS for an existing revision with other settings.
    """
    state, metadata, spec = site.service.state, service["metadata"], service["spec"]
    if metadata.get("name") != site.name:
        raise _bad("metadata.name: must be the service's name, as in the path.")
    if metadata.get("namespace") not in (site.project, project_number(site.project)):
        raise _bad("metadata.namespace: must be the project's id or number, as in the path.")
    annotations = _texts(metadata, "annotations")
    description = annotations.get(DESCRIPTION, "")
    ours = {name: _not_google_s(_texts(metadata, name)) for name in ("labels", "annotations")}
    traffic = _traffic(spec.get("traffic", []))
    return Edit(
        traffic=None if traffic == state.traffic else traffic,
        deploy=_deployed(site, spec.get("template", {})),
        description=None if description == state.description else description,
        labels=None if ours["labels"] == dict(state.labels) else tuple(ours["labels"].items()),
        annotations=None if ours["annotations"] == dict(state.annotations) else tuple(ours["annotations"].items()),
    )


def changed(edit: Edit) -> list[str]:
    """Return the parts of the service that an edit changes, by v2's names."""
    return [
        "template" if part.name == "deploy" else part.name
        for part in fields(edit)
        if getattr(edit, part.name) is not None
    ]


def _traffic(entries: list[Any]) -> tuple[Target, ...]:
    targets: list[Target] = []
    for index, sent in enumerate(entries):
        where = f"spec.traffic[{index}]"
        entry = _checked(sent, f"service.{where}", _TRAFFIC)
        name, latest = entry.get("revisionName", ""), entry.get("latestRevision", False)
        if entry.get("configurationName"):
            raise _bad(f"{where}.configurationName: is not supported.")
        if bool(name) == latest:
            raise _bad(f"{where}: exactly one of revisionName and latestRevision is required.")
        targets.append(Target(name or None, entry.get("percent", 0), entry.get("tag", "")))
    return whole_traffic(targets, "spec.traffic")


def _deployed(site: RegionalService, template: dict[str, Any]) -> Revision | None:
    current = template_view(site, site.service.revisions[site.service.state.latest_created])
    if template == current:
        return None
    spec, metadata = as_object(template.get("spec")) or {}, as_object(template.get("metadata")) or {}
    containers: Any = spec.get("containers")
    first = cast("list[Any]", containers)[0] if isinstance(containers, list) and containers else None
    image, name = (as_object(first) or {}).get("image"), metadata.get("name", "")
    if not isinstance(image, str) or not image:
        raise _bad("spec.template.spec.containers[0].image: is required.")
    if not isinstance(name, str):
        raise _bad("spec.template.metadata.name: must be a string.")
    return new_revision(site, name, image, "spec.template.metadata.name")


def _checked(value: Any, where: str, known: Fields, *, others: bool = False) -> dict[str, Any]:
    sent = as_object(value)
    if sent is None:
        raise _bad(f"Invalid value at '{where}': an object is required.")
    # Google's JSON takes null for a field that is not there.
    found = {name: content for name, content in sent.items() if content is not None}
    for name, content in found.items():
        wanted = known.get(name)
        if wanted is None and not others:
            said = f"Unknown name \"{name}\" at '{where}': Cannot find field."
            raise _bad(f"Invalid JSON payload received. {said}")
        # In Python a boolean is a whole number, too.
        if wanted is not None and type(content) is not wanted:
            raise _bad(f"Invalid value at '{where}.{name}': {json_name(wanted)} is required.")
    return found


def json_name(kind: type) -> str:
    """Return what JSON calls a type."""
    names = {str: "a string", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}
    return names[kind]


def _texts(metadata: dict[str, Any], name: str) -> dict[str, str]:
    found: dict[str, Any] = metadata.get(name, {})
    for key, value in found.items():
        if not isinstance(value, str):
            raise _bad(f"metadata.{name}[{key}]: must be a string.")
    return found


def _not_google_s(pairs: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in pairs.items() if not key.startswith(GOOGLE_S_OWN)}


def _bad(said: str) -> RunError:
    return RunError("INVALID_ARGUMENT", said)

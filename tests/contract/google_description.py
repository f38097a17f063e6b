"""Holds an answer against Google's own description of an interface, as google-api-python-client ships it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


@cache
def description(name: str) -> dict[str, Any]:
    """Returns the discovery document of an interface, as `logging.v2`."""
    path = files("googleapiclient") / "discovery_cache" / "documents" / f"{name}.json"
    return json.loads(path.read_text())


def misfits(name: str, schema: str, value: Any, place: str = "") -> list[str]:  # noqa: ANN401 - JSON
    """Returns where `value` is not what the interface calls a `schema`: unknown fields and wrong types."""
    return _misfits(description(name), {"$ref": schema}, value, place or schema)


def _misfits(document: dict[str, Any], schema: dict[str, Any], value: Any, place: str) -> list[str]:  # noqa: ANN401
    if "$ref" in schema:
        schema = document["schemas"][schema["$ref"]]
    kind = schema.get("type", "any")
    if kind == "any":
        return []
    if not isinstance(value, _KINDS[kind]):
        return [f"{place}: {type(value).__name__}, not {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{place}: {value!r} is none of {schema['enum']}"]
    if kind == "array":
        return [
            one
            for place_, item in ((f"{place}[{n}]", item) for n, item in enumerate(value))
            for one in _misfits(document, schema["items"], item, place_)
        ]
    if kind != "object":
        return []
    known, rest = schema.get("properties", {}), schema.get("additionalProperties")
    found: list[str] = []
    for key, item in value.items():
        if key in known:
            found += _misfits(document, known[key], item, f"{place}.{key}")
        elif rest is not None:
            found += _misfits(document, rest, item, f"{place}.{key}")
        else:
            found.append(f"{place}.{key}: unknown")
    return found

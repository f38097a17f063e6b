"""Google's published descriptions of its APIs, and the check of JSON against them.

*Source:* the discovery documents in google-api-python-client; developers.google.com/discovery/v1
"Type and Format Summary" (November 2026).
"""

# ruff: noqa: ANN401 - JSON can be anything

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, cast

import httpx

_ANY_TYPE = "@type"
_KEYWORDS = frozenset(
    {"$ref", "additionalProperties", "default", "deprecated", "description", "enum", "enumDeprecated"}
    | {"enumDescriptions", "pattern"}
    | {"format", "id", "items", "properties", "readOnly", "type"}
)
_BITS = {"int32": 31, "int64": 63}


def _is_whole_text(value: str) -> bool:
    return re.fullmatch(r"-?\d+", value) is not None and -(2**63) <= int(value) < 2**63


def _is_moment(value: str) -> bool:
    try:
        return value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True


_FORMATS: dict[str, Callable[[str], bool]] = {
    "int64": _is_whole_text,
    "uint64": lambda value: value.isdecimal() and int(value) < 2**64,
    "google-datetime": _is_moment,
    "google-duration": lambda value: re.fullmatch(r"-?\d+(\.\d{1,9})?s", value) is not None,
    "google-fieldmask": lambda value: re.fullmatch(r"[A-Za-z0-9_.]+(,[A-Za-z0-9_.]+)*", value) is not None,
    "byte": _is_base64,
}
_KINDS: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "number": (int, float), "integer": (int,)}


class Description:
    """Google's description of one API: its methods and their schemas."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas: dict[str, Any] = document["schemas"]
        self._methods = list(_methods(document))
        self._root = str(document.get("servicePath", ""))

    def method(self, verb: str, path: str) -> dict[str, Any]:
        """Return the method of a request. Fails if the description has none."""
        inner = path.lstrip("/").removeprefix(self._root)
        found = [m for m in self._methods if m["httpMethod"] == verb and _fits(m, inner)]
        assert len(found) == 1, f"{verb} {path} means {len(found)} methods: {[m['id'] for m in found]}"
        return found[0]

    def problems(self, name: str, value: Any) -> list[str]:
        """Return how a value does not fit the schema of that name, each problem with its place."""
        return list(self._compare(value, {"$ref": name}, name))

    def check_answer(self, response: httpx.Response) -> None:
        """Fail if a successful response does not fit the answer of its request's method."""
        method = self.method(response.request.method, response.request.url.path)
        self.check_query(method, response.request.url.params)
        if response.is_success:
            found = self.problems(method["response"]["$ref"], response.json())
            assert not found, "; ".join(found)

    def check_query(self, method: dict[str, Any], query: httpx.QueryParams) -> None:
        """Fail for a parameter that the method lacks. Parameters with ``$`` belong to the whole API."""
        unknown = {name for name in query if not name.startswith("$")} - {"alt", *method["parameters"]}
        assert not unknown, f"{method['id']} has no parameter {sorted(unknown)}"

    def _compare(self, value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
        assert set(schema) <= _KEYWORDS, f"this check does not know {set(schema) - _KEYWORDS}"
        if "$ref" in schema:
            yield from self._compare(value, self._schemas[schema["$ref"]], where)
        elif schema["type"] == "object":
            yield from self._compare_object(value, schema, where)
        elif schema["type"] == "array":
            if not isinstance(value, list):
                yield f"{where}: {value!r} is no list"
                return
            for index, item in enumerate(cast("list[Any]", value)):
                yield from self._compare(item, schema["items"], f"{where}[{index}]")
        elif schema["type"] != "any":
            yield from _compare_single(value, schema, where)

    def _compare_object(self, value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no object"
            return
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        found = cast("dict[str, Any]", value)
        for name, content in found.items():
            inner = known.get(name, others)
            if inner is None:
                yield f"{where}: has no field {name!r}"
            else:
                yield from self._compare(content, inner, f"{where}.{name}")
        if _ANY_TYPE in found and others is not None and others["type"] == "any":
            yield from self._compare_packed(found, where)

    def _compare_packed(self, value: dict[str, Any], where: str) -> Iterator[str]:
        # As type.googleapis.com/google.cloud.run.v2.Service, where the documents say GoogleCloudRunV2Service.
        package, _, short = str(value[_ANY_TYPE]).rpartition("/")[2].rpartition(".")
        long = "".join(part[:1].upper() + part[1:] for part in package.split(".")) + short
        name = next((known for known in (long, short) if known in self._schemas), None)
        if name is None:
            yield f"{where}: {value[_ANY_TYPE]!r} is not described"
            return
        rest = {key: content for key, content in value.items() if key != _ANY_TYPE}
        yield from self._compare(rest, {"$ref": name}, where)


def _compare_single(value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
    kind, form = str(schema["type"]), str(schema.get("format", ""))
    # In Python a boolean is a number, too.
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{where}: {value!r} is no {kind}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is not one of {', '.join(schema['enum'])}"
    elif kind == "integer" and not -(2 ** _BITS[form]) <= value < 2 ** _BITS[form]:
        yield f"{where}: {value!r} is too large for {form}"
    elif "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        yield f"{where}: {value!r} does not match {schema['pattern']}"
    elif kind == "string" and form and not _FORMATS[form](value):
        yield f"{where}: {value!r} is no {form}"


def _methods(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from part.get("methods", {}).values()
    for inner in part.get("resources", {}).values():
        yield from _methods(inner)


def _fits(method: dict[str, Any], path: str) -> bool:
    pieces = re.split(r"\{[^}]+\}", method["flatPath"])
    return re.fullmatch("[^/:]+".join(re.escape(piece) for piece in pieces), path) is not None


@cache
def description(interface: str) -> Description:
    """Return Google's description of an API, as ``run.v2`` or ``logging.v2``."""
    text = files("googleapiclient").joinpath(f"discovery_cache/documents/{interface}.json").read_text("utf-8")
    return Description(json.loads(text))


def described_client(address: str, interface: str) -> httpx.AsyncClient:
    """Return a client that checks every answer against Google's description of that API."""

    async def check(response: httpx.Response) -> None:
        await response.aread()
        description(interface).check_answer(response)

    return httpx.AsyncClient(base_url=address, event_hooks={"response": [check]})

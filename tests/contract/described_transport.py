"""A transport that holds a client's requests, and a simulated API's answers, to the vendor's published description."""

# ruff: noqa: ANN401 - the vendor's answers can be anything

from __future__ import annotations

import json
import re
from typing import Any, cast
from urllib.parse import parse_qsl

import httpx
import jsonschema


class Described(httpx.AsyncBaseTransport):
    """Sends requests on, and fails the test if one, or its answer, does not fit the description."""

    def __init__(self, description: dict[str, Any], prefix: str = "") -> None:
        """`prefix` is the part of every path that the description leaves out; other requests are sent on unchecked."""
        self.description, self._prefix = description, prefix
        self.calls: list[str] = []
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Check the request, send it, and check the answer."""
        if not request.url.path.startswith(f"{self._prefix}/"):
            return await self._inner.handle_async_request(request)
        operation = self._operation(request)
        self._check_query(operation, request)
        if "requestBody" in operation:
            self._check_body(operation["requestBody"]["content"], request)
        answer = await self._inner.handle_async_request(request)
        await answer.aread()
        described = operation["responses"].get(str(answer.status_code))
        if answer.is_success:
            assert described is not None, f"{answer.status_code} is not described"
            if "content" in described:
                jsonschema.validate(answer.json(), self._resolved(described["content"]["application/json"]["schema"]))
        self.calls.append(operation["operationId"])
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    def _operation(self, request: httpx.Request) -> dict[str, Any]:
        for path, methods in self.description["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path.removeprefix(self._prefix)):
                return cast("dict[str, Any]", methods[request.method.lower()])
        raise AssertionError(f"{request.url.path} is not described")

    def _check_body(self, content: dict[str, Any], request: httpx.Request) -> None:
        if "application/json" in content:
            jsonschema.validate(json.loads(request.content), self._resolved(content["application/json"]["schema"]))
            return
        schema = self._resolved(content["application/x-www-form-urlencoded"]["schema"])
        given = dict(parse_qsl(request.content.decode(), strict_parsing=True))
        assert set(given) <= set(schema["properties"])
        jsonschema.validate({name: _typed(value, schema["properties"][name]) for name, value in given.items()}, schema)

    def _check_query(self, operation: dict[str, Any], request: httpx.Request) -> None:
        known = {one["name"]: one for one in operation.get("parameters", []) if one["in"] == "query"}
        assert set(request.url.params) <= set(known)
        for name, parameter in known.items():
            values: Any = request.url.params.get_list(name)
            assert values or not parameter.get("required"), f"{name} is missing"
            if values:
                schema = self._resolved(parameter["schema"])
                kinds = schema.get("type", [])
                jsonschema.validate(values if kinds == "array" else _typed(values[0], schema), schema)

    def _resolved(self, schema: Any) -> Any:
        """Return a schema without references, and with `nullable` in JSON Schema's own way."""
        if isinstance(schema, list):
            return [self._resolved(one) for one in cast("list[Any]", schema)]
        if not isinstance(schema, dict):
            return schema
        known = cast("dict[str, Any]", schema)
        if "$ref" in known:
            found: Any = self.description
            for part in known["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            return self._resolved(found)
        resolved = {key: self._resolved(value) for key, value in known.items()}
        if resolved.pop("nullable", False):
            resolved["type"] = [resolved["type"], "null"]
        return resolved


def _typed(value: str, schema: dict[str, Any]) -> object:
    """Return a value of a query or a form as its schema has it."""
    return int(value) if "integer" in schema.get("type", []) and value.isdecimal() else value

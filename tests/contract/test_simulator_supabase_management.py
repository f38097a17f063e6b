"""The simulated Management API, and our requests to it, held to Supabase's published description."""

# ruff: noqa: ANN401 - the vendor's answers can be anything

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, cast

import httpx
import jsonschema
import pytest

from allclear.domain.base import utc_now
from allclear.domain.errors import Denied, NotFound, VendorRefused
from allclear.simulator.scenario_schema import SupabaseSpec
from allclear.vendors.supabase_management import SupabaseManagement
from tests.contract.simulator_support import Simulated, quick, specification

REF = "abcdefghijklmnopqrst"


class Described(httpx.AsyncBaseTransport):
    """Sends requests on, and fails the test if one, or its answer, does not fit the description."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description
        self.calls: list[str] = []
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Check the request, send it, and check the answer."""
        operation = self._operation(request)
        self._check_query(operation, request)
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            jsonschema.validate(json.loads(request.content), self._resolved(schema))
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
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path):
                return cast("dict[str, Any]", methods[request.method.lower()])
        raise AssertionError(f"{request.url.path} is not described")

    def _check_query(self, operation: dict[str, Any], request: httpx.Request) -> None:
        known = {one["name"]: one for one in operation.get("parameters", []) if one["in"] == "query"}
        assert set(request.url.params) <= set(known)
        for name, parameter in known.items():
            values: Any = request.url.params.get_list(name)
            assert values or not parameter["required"], f"{name} is missing"
            if values:
                several = parameter["schema"].get("type") == "array"
                jsonschema.validate(values if several else values[0], self._resolved(parameter["schema"]))

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


async def test_every_request_and_answer_fits_the_description() -> None:
    """All that the client can do, on a project with restore points."""
    described = Described(specification("supabase-management.openapi.json"))
    spec = SupabaseSpec.model_validate({"ref": REF, "restore_takes": "0s"})
    async with Simulated(quick("healthy", supabase=spec)) as sim:
        api = "supabase_management"
        client = SupabaseManagement(sim.endpoints[api], sim.secrets[api], transport=described)
        assert (await client.project(REF)).status == "ACTIVE_HEALTHY"
        assert await client.unhealthy(REF) == []
        window = await client.window(REF)
        assert window.enabled
        assert window.earliest is not None
        assert (await client.recovery(REF)).timeline == 1
        assert await client.migrations(REF) == []
        await client.mark(REF, "before-restore")
        assert await client.point_status(REF, "before-restore") == "AVAILABLE"
        await client.restore(REF, utc_now() - timedelta(hours=1))
        sim.world.database.status = "ACTIVE_HEALTHY"
        await client.undo(REF, "before-restore")
        with pytest.raises(NotFound, match="Restore point not found"):
            await client.point_status(REF, "another")
        await client.close()
    assert len(set(described.calls)) == 8


async def test_refusals_have_the_sentences_of_the_api() -> None:
    """A wrong token, a time outside the window, a plan without restore points."""
    spec = SupabaseSpec(ref=REF, restore_points=False)
    async with Simulated(quick("healthy", supabase=spec)) as sim:
        address = sim.endpoints["supabase_management"]
        stranger = SupabaseManagement(address, "sbp_wrong")
        with pytest.raises(Denied, match="Unauthorized"):
            await stranger.project(REF)
        client = SupabaseManagement(address, sim.secrets["supabase_management"])
        with pytest.raises(VendorRefused, match="outside of the available window"):
            await client.restore(REF, utc_now() - timedelta(days=30))
        with pytest.raises(Denied, match="not available on this plan"):
            await client.mark(REF, "before-restore")
        await stranger.close()
        await client.close()

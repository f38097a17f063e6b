"""Vercel's feature flags and Global Config: two views of the scenario's flags, which the shop obeys.

*Source:* the REST API reference (pages of 2026-05 to 2026-10), the published description (October 2025, Edge Config),
and the vendor's command line (November 2026). From memory: 412 for a version that is another one.

A flag of the scenario is a boolean flag here, with one environment, and an item of the Global Config under its name.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, as_object
from allclear.simulator.apis.vercel_firewall import Gate, body_of, route
from allclear.simulator.flag_table import FlagTable, Row
from allclear.simulator.vercel_project import VercelProject

READS = frozenset({"get_flag", "get_item"})
WRITES = frozenset({"update_flag", "update_items"})
ON, OFF = "variant_on", "variant_off"
_OPERATIONS = ("create", "update", "upsert", "delete")
_REQUIRED = ("active", "fallthrough", "pausedOutcome", "rules")
_CREATED = 1_760_000_000_000

Environment = dict[str, Any]


class FlagRoutes:
    """Shows and changes the flags, and the items of the Global Config."""

    def __init__(self, gate: Gate, table: FlagTable, project: VercelProject) -> None:
        self._gate, self._table, self._project = gate, table, project

    def routes(self) -> list[Route]:
        """Return the routes. A Global Config still answers under its old name."""
        flag = "/v1/projects/{project}/feature-flags/flags/{flag}"
        configs = [f"/v1/{name}/{{config}}" for name in ("global-config", "edge-config")]
        return [
            route(self._gate, flag, "get_flag", "GET", self._show_flag),
            route(self._gate, flag, "update_flag", "PATCH", self._update_flag),
            *(route(self._gate, f"{config}/item/{{key}}", "get_item", "GET", self._show_item) for config in configs),
            *(route(self._gate, f"{config}/items", "update_items", "PATCH", self._update_items) for config in configs),
        ]

    async def _show_flag(self, request: Request, _: Call) -> Response:
        return self._flag(self._row(request))

    async def _update_flag(self, request: Request, call: Call) -> Response:
        row, body = self._row(request), await body_of(self._gate, request)
        call.facts["flag"] = row["name"]
        if call.concurrent_write:
            self._table.touch()
            row = self._row(request)
        asked = request.headers.get("if-match") or request.query_params.get("ifMatch")
        if asked and asked != _etag(row):
            raise self._gate.error(412, "precondition_failed", "The flag was changed by another request.")
        if row["name"] in self._project.archived_flags:
            raise self._gate.error(400, "bad_request", "The flag is archived.")
        environment = as_object((as_object(body.get("environments")) or {}).get("production"))
        if environment is None or any(name not in environment for name in _REQUIRED):
            raise self._gate.error(400, "bad_request", f"An environment needs {', '.join(_REQUIRED)}.")
        call.facts["message"] = body.get("message")
        if not call.ignored:
            self._project.environments[row["name"]] = environment
            self._table.update([row["name"]], {"enabled": _value(environment)}, by="vercel")
        return self._flag(self._row(request))

    async def _show_item(self, request: Request, _: Call) -> Response:
        row = self._item(request, request.path_params["key"])
        shown = {
            "edgeConfigId": request.path_params["config"],
            "key": row["name"],
            "value": row["enabled"],
            "createdAt": _CREATED,
            "updatedAt": _CREATED + row["version"],
        }
        return JSONResponse(shown)

    async def _update_items(self, request: Request, call: Call) -> Response:
        body = await body_of(self._gate, request)
        listed: list[Any] = body["items"] if isinstance(body.get("items"), list) else []
        items = [as_object(item) for item in listed]
        call.facts["items"] = items
        for item in items:
            if item is None or item.get("operation") not in _OPERATIONS or not isinstance(item.get("value"), bool):
                raise self._gate.error(400, "bad_request", "Invalid request: an item is not as it must be.")
            self._item(request, str(item.get("key")))
        for item in items:
            if item and not call.ignored:
                self._table.update([str(item["key"])], {"enabled": item["value"]}, by="vercel")
        return JSONResponse({"status": "ok"})

    def _row(self, request: Request) -> Row:
        self._gate.check_project(request.path_params["project"])
        return self._found(request.path_params["flag"], "Flag not found.")

    def _item(self, request: Request, key: str) -> Row:
        if request.path_params["config"] != (self._project.spec.global_config or request.path_params["config"]):
            raise self._gate.error(404, "not_found", "The Global Config was not found.")
        return self._found(key, f"The item {key} was not found.")

    def _found(self, name: str, otherwise: str) -> Row:
        rows = self._table.rows(lambda row: row["name"] == name)
        if not rows:
            raise self._gate.error(404, "not_found", otherwise)
        return rows[0]

    def _flag(self, row: Row) -> Response:
        project, name = self._project, row["name"]
        environment = project.environments.get(name)
        if environment is None or _value(environment) != row["enabled"]:  # switched elsewhere
            environment = _environment(on=row["enabled"] is True)
        kind = project.flag_kinds.get(name, "boolean")
        values: tuple[Any, Any] = (True, False) if kind == "boolean" else ("new", "old")
        shown = {
            "id": f"flag_{name}",
            "slug": name,
            "kind": kind,
            "state": "archived" if name in project.archived_flags else "active",
            "description": row["description"],
            "variants": [{"id": ON, "value": values[0]}, {"id": OFF, "value": values[1]}],
            "environments": {"production": environment},
            "createdAt": _CREATED,
            "updatedAt": _CREATED + row["version"],
            "createdBy": "user_1",
            "projectId": project.id,
            "ownerId": project.spec.team,
            "revision": row["version"],
            "seed": 1,
            "typeName": "flag",
        }
        headers = {} if name in project.unversioned_flags else {"ETag": _etag(row)}
        return JSONResponse(shown, headers=headers)


def _environment(*, on: bool) -> Environment:
    return {
        "active": on,
        "pausedOutcome": {"type": "variant", "variantId": OFF},
        "fallthrough": {"type": "variant", "variantId": ON},
        "rules": [],
    }


def _value(environment: Environment) -> bool:
    """Return what everyone gets."""
    outcome = environment["fallthrough" if environment["active"] else "pausedOutcome"]
    return outcome.get("variantId") == ON


def _etag(row: Row) -> str:
    return f'"{row["name"]}-{row["version"]}"'

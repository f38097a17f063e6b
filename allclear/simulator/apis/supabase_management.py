"""Supabase's Management API for one project: its state, its health, its backups, and restoring it.

*Source:* Supabase's published description (supabase/cli, 2026-06, read November 2026): paths, bodies, status codes and
the fields of every answer. From memory: the bodies of refusals, `{"message": ...}`. Of SQL it understands a `select` of
what PostgreSQL tells of recoveries, and of the table of migrations.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, as_object, parse_json, random_text, read_body
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.event_log import iso
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.supabase_project import SupabaseError, SupabaseProject
from allclear.simulator.world import World

_SERVICES = frozenset({"auth", "db", "db_postgres_user", "pooler", "realtime", "rest", "storage", "pg_bouncer"})
_READS = frozenset({"get_project", "get_health", "list_backups", "get_restore_point", "query"})
_WRITES = frozenset({"restore", "mark", "undo"})
_LONGEST_NAME = 20
_REFUSALS = {
    "rate_limited": (429, "ThrottlerException: Too Many Requests"),
    "permission_denied": (403, "Your account does not have the necessary privileges to access this endpoint."),
    "server_error": (500, "Internal server error"),
}


class SupabaseManagementApi(HttpApi):
    """Shows and restores the project, for callers with the access token."""

    name = "supabase_management"
    writes = _WRITES

    def __init__(self, world: World, token: str) -> None:
        super().__init__(world)
        self._project, self._token = world.database, token

    def app(self) -> Starlette:
        """Return the API as an ASGI application."""
        base = "/v1/projects/{ref}"
        return Starlette(
            routes=[
                self._route(base, "GET", "get_project", self._show),
                self._route(f"{base}/health", "GET", "get_health", self._health),
                self._route(f"{base}/database/backups", "GET", "list_backups", self._backups),
                self._route(f"{base}/database/backups/restore-point", "GET", "get_restore_point", self._point),
                self._route(f"{base}/database/backups/restore-point", "POST", "mark", self._mark),
                self._route(f"{base}/database/backups/restore-pitr", "POST", "restore", self._restore),
                self._route(f"{base}/database/backups/undo", "POST", "undo", self._undo),
                self._route(f"{base}/database/query/read-only", "POST", "query", self._query),
            ]
        )

    def refusal(self, fault: Fault) -> Response:
        """Supabase's answers to a request that fails or is refused."""
        return _error(*_REFUSALS.get(fault.kind, (503, "Service Unavailable"))).response

    def _route(self, path: str, verb: str, method: str, handle: Any) -> Route:  # noqa: ANN401 - a handler of this class
        async def checked(request: Request, call: Call) -> Response:
            self._authorize(request)
            try:
                return await handle(request, call)
            except SupabaseError as error:
                raise _error(error.status, error.message) from None

        async def asked(request: Request) -> Response:
            return await self.answer(method, request, checked)

        return Route(path, asked, methods=[verb])

    def _authorize(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self._token}":
            raise _error(401, "Unauthorized")
        known = self._project.spec.ref
        if known is not None and request.path_params["ref"] != known:
            raise _error(404, "Project not found")

    async def _show(self, request: Request, _: Call) -> Response:
        ref = request.path_params["ref"]
        database = {
            "host": f"db.{ref}.supabase.co",
            "version": "17.4.1.054",
            "postgres_engine": "17",
            "release_channel": "ga",
        }
        return JSONResponse(
            {
                "id": ref,
                "ref": ref,
                "organization_id": "simulated",
                "organization_slug": "simulated",
                "name": self.world.scenario.project,
                "region": "us-east-1",
                "created_at": iso(self._project.created_at),
                "status": self._project.status,
                "database": database,
            }
        )

    async def _health(self, request: Request, _: Call) -> Response:
        asked = request.query_params.getlist("services")
        if not asked or not set(asked) <= _SERVICES:
            raise _error(400, "services: each must be one of the services")
        up = self._project.up
        status = "ACTIVE_HEALTHY" if up else "UNHEALTHY"
        return JSONResponse([{"name": name, "healthy": up, "status": status} for name in asked])

    async def _backups(self, _: Request, __: Call) -> Response:
        project = self._project
        on = project.spec.point_in_time
        dates = {
            "earliest_physical_backup_date_unix": int(project.earliest.timestamp()) + 1,
            "latest_physical_backup_date_unix": int(project.latest.timestamp()),
        }
        return JSONResponse(
            {
                "region": "us-east-1",
                "walg_enabled": True,
                "pitr_enabled": on,
                "backups": [],
                "physical_backup_data": dates if on else {},
            }
        )

    async def _point(self, request: Request, _: Call) -> Response:
        name = request.query_params.get("name", "")
        return JSONResponse(_shown(name, self._project))

    async def _mark(self, request: Request, call: Call) -> Response:
        name = await self._named(request, call)
        if not call.ignored:
            self._project.mark(name)
        shown = {"name": name, "status": "PENDING", "completed_on": None}
        return JSONResponse(shown, 201)

    async def _restore(self, request: Request, call: Call) -> Response:
        target = (await _object(request)).get("recovery_time_target_unix")
        if not isinstance(target, int) or isinstance(target, bool) or target < 0:
            raise _error(400, "recovery_time_target_unix: must be a whole number of at least 0")
        call.facts["to"] = target
        if not call.ignored:
            self._project.restore(target)
        return Response(status_code=201)

    async def _undo(self, request: Request, call: Call) -> Response:
        name = await self._named(request, call)
        if not call.ignored:
            self._project.undo(name)
        return Response(status_code=201)

    async def _named(self, request: Request, call: Call) -> str:
        name = (await _object(request)).get("name")
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            raise _error(400, "name: must be a text of at most 20 characters")
        call.facts["name"] = name
        return name

    async def _query(self, request: Request, _: Call) -> Response:
        query = (await _object(request)).get("query")
        if not isinstance(query, str) or not query:
            raise _error(400, "query: must be a text")
        if not self._project.up:
            raise _error(500, "Failed to run read-only sql query: connection refused")
        return JSONResponse(_rows(query, self._project), 201)


def _shown(name: str, project: SupabaseProject) -> dict[str, Any]:
    return {"name": name, "status": "AVAILABLE", "completed_on": iso(project.point(name))}


def _rows(query: str, project: SupabaseProject) -> list[dict[str, Any]]:
    """Return the rows of a `select`. Raises Rejection for anything else than the ones that it understands."""
    words = " ".join(query.lower().split())
    if "from supabase_migrations.schema_migrations" in words:
        rows = [{"version": one.spec.version, "name": one.spec.name} for one in project.ran]
        return rows[::-1] if "order by version desc" in words else rows
    replayed = project.replayed_until
    values = {
        "(select timeline_id from pg_control_checkpoint())": project.timeline,
        "extract(epoch from pg_last_xact_replay_timestamp())": str(replayed.timestamp()) if replayed else None,
    }
    columns = re.findall(r"(\(.+?\)\)|extract\(.+?\)\)) as (\w+)", words.removeprefix("select "))
    if not words.startswith("select ") or not columns or any(one not in values for one, _ in columns):
        raise _error(400, f"Failed to run sql query: the simulation does not know {query[:80]!r}")
    return [{name: values[expression] for expression, name in columns}]


async def _object(request: Request) -> dict[str, Any]:
    try:
        body = as_object(parse_json(await read_body(request)))
    except ValueError:
        body = None
    if body is None:
        raise _error(400, "Unexpected token in JSON")
    return body


def _error(status: int, message: str) -> Rejection:
    return Rejection(JSONResponse({"message": message}, status), message)


API = SimulatedApi(
    "supabase_management",
    lambda world, token: SupabaseManagementApi(world, token).app(),
    FaultPoints(_READS | _WRITES, ignorable=_WRITES),
    new_secret=lambda: f"sbp_{random_text(40, '0123456789abcdef')}",
)

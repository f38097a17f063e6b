"""Supabase's `/rest/v1`: the part of PostgREST that reads and changes feature flags.

*Source:* docs.postgrest.org/en/v13/references (errors, preferences, tables and views) and the
`postgrest` client 2.34.1 (November 2026): zero rows changed is 200 with `[]`; a single object
asked for and not exactly one row is 406 PGRST116, with nothing changed. From memory: the gateway's
401 bodies, and that Supabase refuses an UPDATE without a filter (`safeupdate`, 21000).

Understood: `select`, `order`, `limit`, `offset`, the filters eq, neq, is and in (also with
`not.`); GET and PATCH; `return=`, `count=exact` and `max-affected`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, as_object, parse_json, random_text, read_body
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.apis.supabase_query import PostgrestError, Query, parse_query, typed
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.flag_table import FlagTable, Row
from allclear.simulator.world import World

SINGLE_OBJECT = "application/vnd.pgrst.object+json"
_REFUSALS = {
    "rate_limited": (429, "", "Too many requests"),
    "permission_denied": (403, "42501", f"permission denied for table {FlagTable.name}"),
    "server_error": (500, "XX000", "internal error"),
}


class SupabaseApi(HttpApi):
    """The table `feature_flags`, for callers with the secret key."""

    name = "supabase"
    writes = frozenset({"update"})

    def __init__(self, world: World, key: str) -> None:
        super().__init__(world)
        self._key, self._table = key, world.flags

    def app(self) -> Starlette:
        """Return the REST interface as an ASGI application."""
        route = Route("/rest/v1/{table}", self._any, methods=["GET", "PATCH", "POST", "PUT", "DELETE"])
        return Starlette(routes=[route])

    def refusal(self, fault: Fault) -> Response:
        """Supabase's answers to a request that fails or is refused."""
        status, code, message = _REFUSALS.get(
            fault.kind, (503, "PGRST000", "Database connection error. Retrying the connection.")
        )
        return _error(PostgrestError(status, code, message)).response

    async def _any(self, request: Request) -> Response:
        if not self.world.database.up:
            return self.refusal(Fault(api=self.name, kind="unavailable"))
        method = "update" if request.method == "PATCH" else "select"
        handle = self._update if method == "update" else self._select
        return await self.answer(method, request, _speaking_postgrest(handle))

    async def _select(self, request: Request, _: Call) -> Response:
        self._authorize(request)
        self._find_table(request)
        query = parse_query(request.query_params.multi_items(), self._table)
        matching = query.sorted(self._table.rows(query.matches))
        shown = query.page(matching)
        return _rows(request, query, shown, total=len(matching), first=query.offset)

    async def _update(self, request: Request, call: Call) -> Response:
        if call.concurrent_write:
            self._table.touch()
        self._authorize(request)
        self._find_table(request)
        query = parse_query(request.query_params.multi_items(), self._table)
        call.facts["filters"] = [f"{f.column}={f.written}" for f in query.filters]
        change = await self._change(request)
        call.facts["change"] = change
        if not query.filters:
            raise PostgrestError(400, "21000", "UPDATE requires a WHERE clause")
        names = [row["name"] for row in self._table.rows(query.matches)]
        _check_affected(request, names)
        rows = self._table.update(names, change, by="supabase", match=query.matches) if change else []
        call.facts["rows"] = len(rows)
        if "return=representation" not in _preferences(request):
            return Response(status_code=204)
        return _rows(request, query, query.sorted(rows), total=len(rows))

    def _authorize(self, request: Request) -> None:
        given = request.headers.get("apikey", "")
        bearer = request.headers.get("authorization")
        if not given:
            raise _gateway_error("No API key found in request", "No `apikey` request header or url param was found.")
        if given != self._key or bearer not in (None, f"Bearer {self._key}"):
            raise _gateway_error("Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")

    def _find_table(self, request: Request) -> None:
        name = request.path_params["table"]
        if name != self._table.name:
            message = f"Could not find the table 'public.{name}' in the schema cache"
            raise PostgrestError(404, "PGRST205", message)
        if request.method not in ("GET", "HEAD", "PATCH"):
            message = "The simulated table is read with GET and changed with PATCH only"
            raise PostgrestError(405, "PGRST117", message)

    async def _change(self, request: Request) -> Row:
        try:
            change = as_object(parse_json(await read_body(request)))
        except ValueError:
            change = None
        if change is None:
            raise PostgrestError(400, "PGRST102", "Empty or invalid json")
        for column, value in change.items():
            if column not in self._table.columns:
                message = f"Could not find the '{column}' column of '{self._table.name}' in the schema cache"
                raise PostgrestError(400, "PGRST204", message)
            typed(self._table, column, value)
        if "name" in change:
            raise PostgrestError(403, "42501", "permission denied for column name")
        return change


def _speaking_postgrest(handle: Callable[[Request, Call], Any]) -> Callable[[Request, Call], Any]:
    async def handled(request: Request, call: Call) -> Response:
        try:
            return await handle(request, call)
        except PostgrestError as error:
            raise _error(error) from None

    return handled


def _check_affected(request: Request, names: list[str]) -> None:
    """Refuse before writing, as PostgREST rolls back: nothing is changed."""
    if request.headers.get("accept") == SINGLE_OBJECT and len(names) != 1:
        raise _not_single(len(names))
    preferences = _preferences(request)
    limits = [p.partition("=")[2] for p in preferences if p.startswith("max-affected=")]
    strict = "handling=strict" in preferences and bool(limits) and limits[0].isdecimal()
    if strict and len(names) > int(limits[0]):
        raise PostgrestError(
            400,
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
            f"The query affects {len(names)} rows",
        )


def _rows(request: Request, query: Query, rows: list[Row], *, total: int, first: int = 0) -> Response:
    shown = [query.pick(row) for row in rows]
    counted = str(total) if "count=exact" in _preferences(request) else "*"
    span = f"{first}-{first + len(rows) - 1}" if rows else "*"
    headers = {"Content-Range": f"{span}/{counted}"}
    if request.headers.get("accept") == SINGLE_OBJECT:
        if len(shown) != 1:
            raise _not_single(len(shown))
        return JSONResponse(shown[0], headers=headers, media_type=SINGLE_OBJECT)
    return JSONResponse(shown, headers=headers)


def _preferences(request: Request) -> list[str]:
    joined = ",".join(request.headers.getlist("prefer"))
    return [part.strip() for part in joined.split(",")]


def _not_single(count: int) -> PostgrestError:
    return PostgrestError(
        406,
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        f"The result contains {count} rows",
    )


def _error(error: PostgrestError) -> Rejection:
    body = {
        "code": error.code,
        "details": error.details,
        "hint": None,
        "message": error.message,
    }
    return Rejection(JSONResponse(body, error.status), f"{error.code} {error.message}".strip())


def _gateway_error(message: str, hint: str) -> Rejection:
    return Rejection(JSONResponse({"message": message, "hint": hint}, 401), message)


API = SimulatedApi(
    "supabase",
    lambda world, key: SupabaseApi(world, key).app(),
    FaultPoints(frozenset({"select", "update"}), concurrent_write="update"),
    new_secret=lambda: f"sb_secret_{random_text(22)}_{random_text(8)}",
)

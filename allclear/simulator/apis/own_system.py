"""A system of the company's own with an HTTP interface: its switches are the scenario's flags, which the shop obeys.

It is made up, as each company's own one is: `/v1/switches/NAME` shows and sets a switch, and `/v1/effects/NAME` shows
what users meet. Three more paths answer as a badly chosen one would: with a redirect, with text, with a long answer.
"""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, as_object, parse_json, random_text, read_body
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.flag_table import Row
from allclear.simulator.world import World

READS, WRITES = frozenset({"look", "prove"}), frozenset({"set", "undo"})
ON, OFF = "engaged", "normal"
"""What it shows for a flag that is on, and for one that is off."""
_REFUSALS = {
    "permission_denied": (403, "the key may not do this"),
    "rate_limited": (429, "slow down"),
    "server_error": (500, "internal error"),
}


class OwnSystemApi(HttpApi):
    """Shows and sets switches, for callers with the key in any header."""

    name = "http"
    writes = WRITES

    def __init__(self, world: World, key: str) -> None:
        super().__init__(world)
        self._key = key

    def app(self) -> Starlette:
        """Return the interface as an ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/switches/{name}", self._look, methods=["GET"]),
                Route("/v1/switches/{name}", self._set, methods=["PUT", "POST", "PATCH"]),
                Route("/v1/switches/{name}", self._undo, methods=["DELETE"]),
                Route("/v1/effects/{name}", self._prove, methods=["GET"]),
                Route("/v1/forms/{name}", self._form, methods=["POST"]),
                Route("/v1/old/{name}", self._moved, methods=["GET", "PUT"]),
                Route("/v1/text/{name}", self._text, methods=["GET"]),
                Route("/v1/large/{name}", self._large, methods=["GET"]),
            ]
        )

    def refusal(self, fault: Fault) -> Response:
        """Return its answers to a request that fails or is refused."""
        status, message = _REFUSALS.get(fault.kind, (503, "not available"))
        return JSONResponse({"error": message}, status)

    async def _look(self, request: Request) -> Response:
        return await self.answer("look", request, self._shown)

    async def _prove(self, request: Request) -> Response:
        return await self.answer("prove", request, self._effect)

    async def _set(self, request: Request) -> Response:
        return await self.answer("set", request, self._changed)

    async def _undo(self, request: Request) -> Response:
        return await self.answer("undo", request, self._cleared)

    async def _form(self, request: Request) -> Response:
        return await self.answer("set", request, self._changed_then_shown)

    async def _moved(self, request: Request) -> Response:
        return RedirectResponse(f"/v1/switches/{request.path_params['name']}", 307)

    async def _text(self, _: Request) -> Response:
        return PlainTextResponse("normal")

    async def _large(self, _: Request) -> Response:
        return JSONResponse({"mode": "normal", "log": "x" * 1_100_000})

    async def _shown(self, request: Request, _: Call) -> Response:
        return self._answer(self._row(request))

    async def _effect(self, request: Request, _: Call) -> Response:
        return JSONResponse({"users": [{"mode": self._row(request)["enabled"] is True}]})

    async def _changed(self, request: Request, call: Call) -> Response:
        row = self._row(request)
        call.facts |= {"switch": row["name"], "key": request.headers.get("idempotency-key")}
        try:
            body = as_object(parse_json(await read_body(request))) or {}
        except ValueError:
            body = {}
        if body.get("mode") not in (ON, OFF):
            raise _error(422, f"mode must be {ON} or {OFF}")
        call.facts["mode"] = body["mode"]
        return self._write(row, call, on=body["mode"] == ON)

    async def _changed_then_shown(self, request: Request, call: Call) -> Response:
        await self._changed(request, call)
        return RedirectResponse(f"/v1/switches/{request.path_params['name']}", 303)

    async def _cleared(self, request: Request, call: Call) -> Response:
        row = self._row(request)
        call.facts |= {"switch": row["name"], "mode": OFF}
        return self._write(row, call, on=False)

    def _write(self, row: Row, call: Call, *, on: bool) -> Response:
        if not call.ignored:
            self.world.flags.update([row["name"]], {"enabled": on}, by="the company's own system")
        return JSONResponse({"accepted": True}, 202)

    def _answer(self, row: Row) -> Response:
        mode = {True: ON, False: OFF}.get(row["enabled"], row["enabled"])
        return JSONResponse({"switch": row["name"], "state": {"mode": mode}})

    def _row(self, request: Request) -> Row:
        if not any(value.removeprefix("Bearer ") == self._key for value in request.headers.values()):
            raise _error(401, "the key is not known")
        rows = self.world.flags.rows(lambda row: row["name"] == request.path_params["name"])
        if not rows:
            raise _error(404, "there is no such switch")
        return rows[0]


def _error(status: int, message: str) -> Rejection:
    body: dict[str, Any] = {"error": message}
    return Rejection(JSONResponse(body, status), message)


API = SimulatedApi(
    "http",
    lambda world, key: OwnSystemApi(world, key).app(),
    FaultPoints(READS | WRITES, ignorable=WRITES),
    new_secret=lambda: f"own_{random_text(32)}",
    exists=lambda scenario: bool(scenario.flags),
)

"""What every call of every face goes through: the waiting faults, and the record of writes."""

# ruff: noqa: ANN401 - JSON can be anything

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from allclear.simulator.faults import FaceName, Fault
from allclear.simulator.world import World

HANG_UP = "allclear.hang_up"
"""The ASGI extension under which the server offers to break the connection without an answer."""
MAX_BODY = 2 * 1024 * 1024
"""Bytes that any face reads of a request."""

_MAX_DIGITS = 9

Answer = TypeVar("Answer")


@dataclass
class Call:
    """One call as it will be recorded; the face fills in the facts and, if it says no, why."""

    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    result: str = "done"
    somebody_was_first: bool = False
    """Whether somebody else writes to the same thing before this call does; the face lets them."""


class SaidNo(Exception):
    """The vendor's answer to a request that it does not accept."""

    def __init__(self, response: Response, why: str) -> None:
        super().__init__(why)
        self.response, self.why = response, why


class Gate:
    """Lets calls into one face, through whatever faults are waiting for them."""

    def __init__(self, world: World, face: FaceName, writes: frozenset[str]) -> None:
        self._world, self._writes = world, writes
        self._face: FaceName = face

    async def let_in(
        self,
        method: str,
        handle: Callable[[Call], Awaitable[Answer]],
        refuse: Callable[[Fault], Answer],
        hang_up: Callable[[], Awaitable[None]],
        region: str = "",
    ) -> Answer:
        """Answer one call; a write is recorded with its facts and how it ended.

        A slow call is done after its wait, also when the caller has given up by then. With the
        answer lost the call is done, and then ``hang_up`` breaks the connection.
        """
        fault = self._take(method, region)
        kind = fault.kind if fault else None
        call = Call(somebody_was_first=kind == "stale_etag")
        try:
            if fault and kind == "slow":
                await asyncio.sleep(fault.seconds)
            elif fault and kind not in ("answer_lost", "stale_etag"):
                call.result = f"refused: {kind}"
                return refuse(fault)
            answer = await handle(call)
            if kind == "answer_lost":
                call.result += ", answer lost"
                await hang_up()
            return answer
        finally:
            if method in self._writes:
                facts = {"face": self._face, "method": method, "result": call.result}
                if region:
                    facts["region"] = region
                self._world.truth.record("write", **{**call.facts, **facts})

    def _take(self, method: str, region: str) -> Fault | None:
        fault = self._world.faults.take(self._face, method, region)
        if fault is not None:
            self._world.truth.record("fault_used", face=self._face, method=method, fault=fault.kind)
        return fault


class HttpFace:
    """A face that speaks HTTP; a subclass adds its routes and its way of saying no."""

    name: FaceName
    writes: frozenset[str] = frozenset()

    def __init__(self, world: World) -> None:
        self.world = world
        self._gate = Gate(world, self.name, self.writes)

    def refusal(self, fault: Fault) -> Response:
        """The vendor's own answer for a fault that refuses."""
        raise NotImplementedError

    async def answer(
        self,
        method: str,
        request: Request,
        handle: Callable[[Request, Call], Awaitable[Response]],
    ) -> Response:
        """Answer one request as the vendor's ``method``."""
        try:
            # Before any wait: a caller that gives up takes an unread body with it.
            request.state.body = await _receive(request)
        except SaidNo as no:
            return no.response
        except ClientDisconnect:
            return Response(status_code=400)

        async def handled(call: Call) -> Response:
            try:
                return await handle(request, call)
            except SaidNo as no:
                call.result = f"refused: {no.why}"
                return no.response

        return await self._gate.let_in(method, handled, self.refusal, lambda: break_connection(request))


async def break_connection(request: Request) -> None:
    """Close the caller's connection without a byte of an answer."""
    request.scope["extensions"][HANG_UP]()
    # The server needs to have seen the disconnect, else it would answer 500 for us.
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def read_body(request: Request) -> bytes:
    """The request's body, which can be asked for again.

    :raises SaidNo: 413 for a body above ``MAX_BODY``.
    """
    if not hasattr(request.state, "body"):
        request.state.body = await _receive(request)
    return bytes(request.state.body)


async def _receive(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            response = JSONResponse({"message": "Payload too large"}, 413)
            raise SaidNo(response, "the body is too large")
    return bytes(body)


def parse_json(body: bytes | str) -> Any:
    """The value that a JSON text spells.

    :raises ValueError: it is not JSON as the standard has it, or holds what no answer could repeat
        (an endless number, half a character).
    """
    try:
        value = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def whole_number(text: str) -> int | None:
    """The number that a parameter spells, or ``None`` if it is not one of at most nine digits."""
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None


def as_object(value: object) -> dict[str, Any] | None:
    """The value if it is a JSON object, else ``None``."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None

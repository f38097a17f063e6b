"""What every call of every API goes through: the faults that wait for it, and the log of writes."""

# ruff: noqa: ANN401 - JSON can be anything

from __future__ import annotations

import asyncio
import json
import math
import secrets
import string
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from allclear.simulator.faults import Fault
from allclear.simulator.world import World

HANG_UP = "allclear.hang_up"
"""The ASGI extension under which the server offers to break the connection without an answer."""
MAX_BODY = 2 * 1024 * 1024
"""The most bytes that an API reads of a request."""

_LOGIN_PAGE = "<!doctype html><title>Sign in</title><form method=post><input name=user><input type=submit></form>"
_MAX_DIGITS = 9
DIGITS = string.digits
LETTERS = string.ascii_letters + string.digits

Answer = TypeVar("Answer")
_DONE_FIRST = frozenset({"answer_lost", "stale_etag", "stale_read", "cut_off", "other_shape", "ignored"})
"""The faults of a call that reaches the API."""


@dataclass
class Call:
    """One call as the event log records it; the API adds the facts and, if it refuses, the reason."""

    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    result: str = "done"
    concurrent_write: bool = False
    """Whether another writer changes the same object right before this call."""
    stale: bool = False
    """Whether this read shows the object as it was before its last change."""
    ignored: bool = False
    """Whether this write is answered as if it were done, although nothing is done."""
    garbled: str = ""
    """How the answer is spoilt on its way to the caller: `cut_off` or `other_shape`; empty if it is not."""


class Rejection(Exception):
    """The vendor's answer to a request that it does not accept."""

    def __init__(self, response: Response, why: str) -> None:
        super().__init__(why)
        self.response, self.why = response, why


class FaultInjector:
    """Applies the waiting faults to the calls of one API, and logs its writes."""

    def __init__(self, world: World, api: str, writes: frozenset[str]) -> None:
        self._world, self._writes = world, writes
        self._api = api
        self._late: set[asyncio.Future[None]] = set()

    async def handle_call(
        self,
        method: str,
        handle: Callable[[Call], Awaitable[Answer]],
        refuse: Callable[[Fault], Answer],
        hang_up: Callable[[], Awaitable[None]],
        region: str = "",
    ) -> Answer:
        """Answer one call; a write is recorded with its facts and how it ended.

        A slow call is done after its wait, even if the caller has given up. With the
        answer lost the call is done, and then `hang_up` breaks the connection. A call that
        lands late is done some time after the connection has broken.
        """
        fault = self._take(method, region)
        kind = fault.kind if fault else None
        call = Call(
            concurrent_write=kind == "stale_etag",
            stale=kind == "stale_read",
            ignored=kind == "ignored",
            garbled=kind if kind in ("cut_off", "other_shape") else "",
        )
        try:
            if fault and kind == "slow":
                await self._world.faults.hold(fault)
            elif fault and kind == "lands_late":
                call.result = "answer lost, done later"
                self._world.later(timedelta(seconds=fault.seconds), lambda: self._do_late(handle))
                await hang_up()
                return refuse(fault)
            elif fault and kind not in _DONE_FIRST:
                call.result = f"refused: {kind}"
                return refuse(fault)
            answer = await handle(call)
            if kind == "answer_lost":
                call.result += ", answer lost"
                await hang_up()
            if call.ignored and call.result == "done":
                call.result = "ignored"
            return answer
        finally:
            if method in self._writes:
                facts = {"api": self._api, "method": method, "result": call.result}
                if region:
                    facts["region"] = region
                self._world.event_log.record("write", **{**call.facts, **facts})

    def _do_late(self, handle: Callable[[Call], Awaitable[Answer]]) -> None:
        """Do a call whose caller has gone; a refusal is not reported to anyone."""

        async def do() -> None:
            with suppress(Exception):
                await handle(Call())

        task = asyncio.ensure_future(do())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _take(self, method: str, region: str) -> Fault | None:
        fault = self._world.faults.take(self._api, method, region)
        if fault is not None:
            self._world.event_log.record("fault_used", api=self._api, method=method, fault=fault.kind)
        return fault


class HttpApi:
    """An API over HTTP; a subclass adds its routes and its refusals."""

    name: str
    writes: frozenset[str] = frozenset()

    def __init__(self, world: World) -> None:
        self.world = world
        self._faults = FaultInjector(world, self.name, self.writes)

    def refusal(self, fault: Fault) -> Response:
        """Return the vendor's own answer for a fault that refuses."""
        raise NotImplementedError

    async def answer(
        self,
        method: str,
        request: Request,
        handle: Callable[[Request, Call], Awaitable[Response]],
    ) -> Response:
        """Answer one request as the vendor's `method`."""
        try:
            # Before any wait: a caller that gives up takes an unread body with it.
            request.state.body = await _receive(request)
        except Rejection as no:
            return no.response
        except ClientDisconnect:
            return Response(status_code=400)

        async def handled(call: Call) -> Response:
            try:
                return _garbled(await handle(request, call), call.garbled)
            except Rejection as no:
                call.result = f"refused: {no.why}"
                return no.response

        return await self._faults.handle_call(method, handled, self._refuse, lambda: break_connection(request))

    def _refuse(self, fault: Fault) -> Response:
        return HTMLResponse(_LOGIN_PAGE) if fault.kind == "login_page" else self.refusal(fault)


def _garbled(answer: Response, how: str) -> Response:
    """Return the answer as the fault spoils it: ending in the middle, or as JSON of another shape."""
    if not how:
        return answer
    body = bytes(answer.body)
    spoilt = body[: len(body) // 2] or b"{" if how == "cut_off" else b'[{"unexpected": true}]'
    return Response(spoilt, answer.status_code, media_type="application/json")


async def break_connection(request: Request) -> None:
    """Close the caller's connection without a byte of an answer."""
    request.scope["extensions"][HANG_UP]()
    # The server needs to have seen the disconnect, else it would answer 500 for us.
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def read_body(request: Request) -> bytes:
    """Return the request's body, which can be asked for again.

    Raises RequestRefused: 413 for a body above `MAX_BODY`.
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
            raise Rejection(response, "the body is too large")
    return bytes(body)


def parse_json(body: bytes | str) -> Any:
    """Return the value that a JSON text spells.

    Raises ValueError: the text is not JSON by the standard, or holds a value that no response can repeat
        (an infinite number, a lone surrogate).
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
    """Return the number that a parameter spells, or `None` if it is not one of at most nine digits."""
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None


def as_object(value: object) -> dict[str, Any] | None:
    """Return the value if it is a JSON object, else `None`."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def random_text(length: int, alphabet: str = LETTERS) -> str:
    """Return an unguessable text, for the secrets of one run."""
    return "".join(secrets.choice(alphabet) for _ in range(length))
